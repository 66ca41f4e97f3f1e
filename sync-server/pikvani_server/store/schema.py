"""The tables of the centre, once, for SQLite and PostgreSQL. What differs is in the migrations and the stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A UTC time to the millisecond: `timestamptz` on PostgreSQL, integer milliseconds since 1970 on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        """The column type of each database."""
        return dialect.type_descriptor(sa.BigInteger() if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """To the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return _EPOCH + timedelta(milliseconds=value)
        return value.astimezone(UTC)  # type: ignore[no-any-return]


metadata = sa.MetaData()
_BIG = sa.BigInteger
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers rows itself only for INTEGER


def _text(name: str, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, _BIG, nullable=False, server_default="0")


devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("first_seen_at", UtcTime, nullable=False),
    sa.Column("last_seen_at", UtcTime, nullable=False),
    sa.Column("online", sa.Boolean, nullable=False, server_default=sa.false()),
    _text("boot_id"),
    _text("app"),
    _text("model"),
    _text("runtime"),
    sa.Column("clock_trust", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("clock_error_ms", _BIG),
    _count("queue_records"),
    _count("queue_bytes"),
    _count("shed_records"),
    _count("shed_bytes"),
    _text("lanes", "[]"),
    _count("budget_used_bytes"),
    _count("budget_bytes"),
    sa.Index("devices_last_seen", "last_seen_at"),
)

streams = sa.Table(
    "streams",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("outbox", sa.LargeBinary, primary_key=True),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    sa.Column("committed", sa.LargeBinary, nullable=False, server_default=sa.text("''")),
    _count("highest"),
    _count("shed"),
    sa.Column("offset_ms", _BIG),
    sa.Column("opened_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("outbox", sa.LargeBinary, primary_key=True),
    sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
    sa.Column("received_at", UtcTime, primary_key=True),  # the key of a partitioned table holds the partition
    sa.Column("happened_at", UtcTime, nullable=False),
    _text("time_quality", None),
    sa.Column("mono_ms", _BIG, nullable=False),
    sa.Column("offset_ms", _BIG, nullable=False),
    sa.Column("trust", sa.SmallInteger, nullable=False),
    _text("decision", None),
    _text("reason", None),
    _text("crop", None),
    _text("condition", None),
    sa.Column("confidence_e4", sa.SmallInteger, nullable=False),
    _text("others", None),
    _text("model", None),
    _text("runtime", None),
    sa.Column("photos", sa.SmallInteger, nullable=False),
    sa.Column("latency_ms", _BIG, nullable=False),
    _text("quality_e4", None),
    _text("channel", None),
    _text("locale", None),
    sa.Column("consents", _BIG, nullable=False),
    sa.Index("cases_received", "received_at"),
    postgresql_partition_by="RANGE (received_at)",
)

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("outbox", sa.LargeBinary, primary_key=True),
    sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("happened_at", UtcTime, nullable=False),
    _text("time_quality", None),
    _text("code", None),
    _text("detail", None),
    sa.Column("value", _BIG, nullable=False),
    sa.Index("alarms_received", "received_at"),
)

sketches = sa.Table(
    "sketches",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("revision", _BIG, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("sketches_received", "received_at"),
    sa.Index("sketches_day", "model", "day"),
)

_FILE_KEY = ("device_id", "outbox", "seq", "what", "sha256")


def _file_key() -> list[sa.Column[Any]]:
    return [
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("outbox", sa.LargeBinary, primary_key=True),
        sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
        sa.Column("what", sa.Text, primary_key=True),
        sa.Column("sha256", sa.LargeBinary, primary_key=True),
    ]


files = sa.Table(
    "files",
    metadata,
    *_file_key(),
    sa.Column("size_bytes", _BIG, nullable=False),
    sa.Column("opened_at", UtcTime, nullable=False),
    sa.Column("completed_at", UtcTime),
)
blocks = sa.Table(
    "blocks",
    metadata,
    *_file_key(),
    sa.Column("offset_bytes", _BIG, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.ForeignKeyConstraint(_FILE_KEY, [f"files.{name}" for name in _FILE_KEY], ondelete="CASCADE"),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("device_id", sa.Text, nullable=False),
    _text("topic"),
    sa.Column("outbox", sa.LargeBinary),
    sa.Column("seq", _BIG),
    _text("kind"),
    _text("reason"),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("size_bytes", _BIG, nullable=False),
    sa.Column("times", _BIG, nullable=False, server_default="1"),
    sa.Index("dead_letters_received", "received_at"),
)

COUNTER_SHARDS = 16
"""Rows the totals are spread over, so that workers do not wait for each other on one row."""
totals = sa.Table(
    "totals",
    metadata,
    sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
    *[_count(name) for name in ("batches", "committed", "cases", "duplicates", "dead_letters", "shed")],
)
