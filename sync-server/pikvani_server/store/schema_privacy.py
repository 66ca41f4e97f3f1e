"""Tables of consent and erasure."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pikvani_server.store.schema import UtcTime, metadata


def _case_key() -> list[sa.Column[Any]]:
    return [
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("outbox", sa.LargeBinary, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    ]


consents = sa.Table(
    "consents",
    metadata,
    *_case_key(),
    sa.Column("purposes", sa.BigInteger, nullable=False),
    sa.Column("given_by", sa.Text, nullable=False),
    sa.Column("notice", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
)
"""What farmers allowed, a row a case; gone when it is taken back."""

erasures = sa.Table(
    "erasures",
    metadata,
    *_case_key(),
    sa.Column("whole", sa.Boolean, nullable=False),
    sa.Column("asked_at", sa.Text, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("confirmed_at", UtcTime),
    sa.Column("ordered_at", UtcTime),
    sa.Column("noted_at", UtcTime),
    sa.Column("obeyed_at", UtcTime),
    sa.Column("removed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("came_again", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("pictures", sa.Text, nullable=False, server_default=""),
    sa.Index("erasures_received", "received_at"),
    sa.Index("erasures_obeyed", "obeyed_at"),
)
"""Tombstones, never deleted: `asked_at` is the place (`kiosk`, `lan`, `service`, `centre`, `ledger`); `confirmed_at`
when the device said that it obeyed; `noted_at` when it was in the ledger; `obeyed_at` when nothing was left here;
`removed` rows; `came_again` records kept away since; `pictures` SHA-256 of the files, by which exports are found."""
