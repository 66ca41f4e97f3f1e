"""Cases counted by day and place, so that a page need not read a million rows."""

from __future__ import annotations

import sqlalchemy as sa

from pikvani_server.store.schema import metadata

NAMES = ("district", "crop", "condition", "decision", "model")

case_days = sa.Table(
    "case_days",
    metadata,
    sa.Column("received_day", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    *[sa.Column(name, sa.Text, primary_key=True) for name in NAMES],
    sa.Column("cases", sa.BigInteger, nullable=False),
    sa.Index("case_days_day", "day", "district"),
)
"""Days are of India. A day received is counted anew as a whole, so counting twice or after a crash changes nothing."""
