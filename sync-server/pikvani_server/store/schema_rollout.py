"""Tables of roll-outs: what devices say became of an update, whom a roll-out has reached, and how far it is."""

from __future__ import annotations

import sqlalchemy as sa

from pikvani_server.store.schema import UtcTime, metadata

_BIG = sa.BigInteger
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, _BIG, nullable=False, server_default="0")


update_reports = sa.Table(
    "update_reports",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("outbox", sa.LargeBinary, primary_key=True),
    sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("happened_at", UtcTime, nullable=False),
    _text("time_quality"),
    _text("what"),
    _text("package"),
    _text("version"),
    _text("previous"),
    _count("order_number"),
    _text("detail"),
    *[_count(name) for name in ("cases", "errors", "unanswered", "latency_ms")],
    sa.Index("update_reports_version", "package", "version", "received_at"),
)
"""What a device said of an update; see `UpdateReport` of the contract."""

device_tags = sa.Table(
    "device_tags",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Index("device_tags_tag", "tag"),
)
"""Words people give to devices, such as `canary`."""

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("package", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("step", sa.Integer, nullable=False, server_default="-1"),
    sa.Column("step_at", UtcTime, nullable=False),
    _text("reason"),
    sa.Column("looks", sa.Integer, nullable=False, server_default="0"),
    _count("looked_cases"),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("started_by", sa.Text, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Index("rollouts_state", "state"),
)
"""State `running`, `paused`, `halted` (by itself), `aborted` (by a person) or `done`; `step` -1 before the first."""

rollout_devices = sa.Table(
    "rollout_devices",
    metadata,
    sa.Column("rollout_id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("take_number", _BIG, nullable=False),
    _count("back_number"),
    sa.Column("ordered_at", UtcTime, nullable=False),
    sa.Column("sent_at", UtcTime),
    sa.Column("reported_at", UtcTime),
    _text("detail"),
    sa.Index("rollout_devices_state", "state"),
    sa.Index("rollout_devices_device", "device_id"),
)
"""Whom a roll-out reached: `ordered`, `watching`, `committed`, `failed`, `rolled_back`, `timed_out`, `recalled` (to
go back) or `back`."""
