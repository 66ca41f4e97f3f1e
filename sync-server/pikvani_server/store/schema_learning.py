"""Tables of drift, review and jobs: what the centre works out of what devices sent, and what people say to it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pikvani_server.store.schema import UtcTime, metadata

_BIG = sa.BigInteger
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _case_key() -> list[sa.Column[Any]]:
    return [
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("outbox", sa.LargeBinary, primary_key=True),
        sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
    ]


places = sa.Table(
    "places",
    metadata,
    _key("device_id"),
    _text("district"),
    _text("taluka"),
    _text("kind"),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Index("places_district", "district"),
)
"""Where a device stands and what machine it is; said by people, so a device cannot move itself."""

rollups = sa.Table(
    "sketch_rollups",
    metadata,
    _key("scope"),
    _key("name"),
    _key("model"),
    _key("day"),
    sa.Column("cases", _BIG, nullable=False),
    sa.Column("devices", _BIG, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("sketch_rollups_day", "day"),
)
"""Sketches of a day added up: scope `district` or `fleet` (name empty)."""

verdicts = sa.Table(
    "drift_verdicts",
    metadata,
    _key("scope"),
    _key("name"),
    _key("model"),
    _key("window_end"),
    _key("source"),
    _text("kind"),
    _text("basis"),
    sa.Column("cases", _BIG, nullable=False),
    sa.Column("reference_cases", _BIG, nullable=False),
    sa.Column("details", sa.Text, nullable=False, server_default="{}"),
    sa.Column("judged_at", UtcTime, nullable=False),
    sa.Index("drift_verdicts_window", "window_end"),
)
"""One judged window: source `sketch` or `labels`; details are JSON."""

drift_alarms = sa.Table(
    "drift_alarms",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("first_window", sa.Text, nullable=False),
    sa.Column("last_window", sa.Text, nullable=False),
    _text("kind"),
    _text("level"),
    _text("feature"),
    _text("label"),
    sa.Column("excess", sa.Float, nullable=False, server_default="0"),
    sa.Column("open", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("opened_at", UtcTime, nullable=False),
    sa.Column("acknowledged_at", UtcTime),
    _text("acknowledged_by"),
    _text("note"),
    sa.UniqueConstraint("scope", "name", "model", "source", "first_window"),
    sa.Index("drift_alarms_open", "open", "last_window"),
)

progress = sa.Table("progress", metadata, _key("name"), _text("value"))
"""How far a job has come."""

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.Text, nullable=False),
    _text("subject"),
    sa.Column("payload", sa.Text, nullable=False, server_default="{}"),
    sa.Column("run_at", UtcTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    _text("claimed_by"),
    sa.Column("claimed_until", UtcTime),
    sa.Column("finished_at", UtcTime),
    _text("error"),
    sa.Index("jobs_due", "state", "run_at"),
    sa.Index(
        "jobs_waiting_once",
        "kind",
        "subject",
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    ),
)

review_items = sa.Table(
    "review_items",
    metadata,
    *_case_key(),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("priority", sa.Float, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("happened_at", UtcTime, nullable=False),
    _text("crop"),
    _text("condition"),
    sa.Column("confidence_e4", sa.SmallInteger, nullable=False),
    _text("decision"),
    _text("model"),
    _text("locale"),
    sa.Column("consents", _BIG, nullable=False),
    _text("sha256"),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("labels", sa.Integer, nullable=False, server_default="0"),
    _text("outcome"),
    sa.Column("added_at", UtcTime, nullable=False),
    sa.Index("review_items_state", "state", "priority"),
)
"""A case for a person: why `unsure` or `sampled`; `share` is the chance with which such a case is taken; state `open`,
`agreed`, `disagreed` or `settled`; outcome is the condition agreed on."""

review_labels = sa.Table(
    "review_labels",
    metadata,
    *_case_key(),
    sa.Column("labeller", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("condition", sa.Text, nullable=False),
    sa.Column("sure", sa.Boolean, nullable=False, server_default=sa.true()),
    _text("note"),
    sa.Column("labelled_at", UtcTime, nullable=False),
)
"""What a person said; role `first` look (two people, neither sees the other) or `referee`. Never overwritten."""

review_leases = sa.Table(
    "review_leases",
    metadata,
    *_case_key(),
    sa.Column("labeller", sa.Text, primary_key=True),
    sa.Column("until", UtcTime, nullable=False),
)
"""Who looks at an item now, so that a third person is not asked for nothing."""

proposals = sa.Table(
    "proposals",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False, server_default="[]"),
    _text("candidate"),
    _text("log"),
    sa.Column("proposed_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    _text("decided_by"),
    sa.Column("decided_at", UtcTime),
    _text("decision_note"),
    sa.Index("proposals_state", "state", "proposed_at"),
)
"""Retraining that pays: state `proposed`, `building`, `built`, `failed`, `approved` or `declined`."""
