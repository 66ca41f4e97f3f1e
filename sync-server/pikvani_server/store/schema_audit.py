"""The table of the audit log: who did what, to what, when; each entry sealed to the one before it."""

from __future__ import annotations

import sqlalchemy as sa

from pikvani_server.store.schema import UtcTime, metadata

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, server_default=""),
    sa.Column("detail", sa.Text, nullable=False, server_default="{}"),
    sa.Column("previous", sa.LargeBinary, nullable=False),
    sa.Column("seal", sa.LargeBinary, nullable=False),
    sa.Index("audit_log_subject", "subject"),
    sa.Index("audit_log_actor", "actor"),
)
"""Numbered from 1 without holes. Triggers of the migration refuse UPDATE, DELETE and TRUNCATE; `detail` is JSON."""
