"""Counts cases by day, district, crop, condition, decision and model. Idempotent; late days come in by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa

from pikvani_server.store import Store
from pikvani_server.store.schema import cases
from pikvani_server.store.schema_counts import NAMES, case_days
from pikvani_server.store.schema_learning import places, progress

INDIA = timezone(timedelta(hours=5, minutes=30))
OLDEST = timedelta(days=400)
"""A case that says it is older, or from the future, is counted on the day it was received."""
_CURSOR = "counts.received_day"
_SAID = "counts.at"
_OVERLAP = timedelta(days=1)
"""A transaction of last night may become visible after midnight."""


def run_pass(store: Store, now: datetime) -> int:
    """Count every day received since the last pass, and the one before it again.

    Returns:
        Days counted.

    Raises:
        StoreAwayError: call again.
    """
    counted = 0
    for day in _days(store, now):
        with store.writing("counting cases") as connection:
            connection.execute(sa.delete(case_days).where(case_days.c.received_day == day.isoformat()))
            columns = ["received_day", "day", *NAMES, "cases"]
            connection.execute(sa.insert(case_days).from_select(columns, _counting(connection.dialect.name, day)))
            _keep(store, connection, _CURSOR, day.isoformat())
        counted += 1
    with store.writing("counting cases") as connection:
        _keep(store, connection, _SAID, now.isoformat())
    return counted


def counted_at(store: Store) -> datetime | None:
    """When the last pass ended; None before the first."""
    found = store.read("asking when cases were counted", sa.select(progress.c.value).where(progress.c.name == _SAID))
    return datetime.fromisoformat(found[0]["value"]) if found else None


def _days(store: Store, now: datetime) -> Iterator[date]:
    done = store.read("asking how far counting is", sa.select(progress.c.value).where(progress.c.name == _CURSOR))
    today = now.astimezone(INDIA).date()
    if done:
        day = min(date.fromisoformat(done[0]["value"]), today) - _OVERLAP
    else:
        query = sa.select(sa.func.min(cases.c.received_at).label("at"))
        first = store.read("looking for the first case", query)[0]["at"]
        day = first.astimezone(INDIA).date() if first else today
    while day <= today:
        yield day
        day += timedelta(days=1)


def _counting(dialect: str, day: date) -> sa.Select[Any]:
    start = datetime(day.year, day.month, day.day, tzinfo=INDIA)
    end = start + timedelta(days=1)
    believable = cases.c.happened_at.between(start - OLDEST, end)
    happened = sa.case((believable, _india_day(dialect)), else_=sa.literal(day.isoformat()))
    unknown = {"district": sa.func.coalesce(sa.func.nullif(places.c.district, ""), "unknown")}
    names = [unknown.get(name, cases.c[name] if name in cases.c else sa.literal("")).label(name) for name in NAMES]
    inner = (
        sa.select(happened.label("day"), *names)
        .select_from(cases.outerjoin(places, places.c.device_id == cases.c.device_id))
        .where(cases.c.received_at >= start, cases.c.received_at < end)
        .subquery()
    )
    keys = [inner.c.day, *(inner.c[name] for name in NAMES)]
    received = sa.literal(day.isoformat()).label("received_day")
    return sa.select(received, *keys, sa.func.count().label("cases")).group_by(*keys)


def _india_day(dialect: str) -> sa.ColumnElement[str]:
    if dialect == "sqlite":
        seconds = sa.type_coerce(cases.c.happened_at, sa.BigInteger) / 1000 + 19_800
        return sa.func.date(seconds, "unixepoch")
    return sa.func.to_char(sa.func.timezone("Asia/Kolkata", cases.c.happened_at), "YYYY-MM-DD")


def _keep(store: Store, connection: sa.Connection, name: str, value: str) -> None:
    row = store.insert(progress).values(name=name, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))
