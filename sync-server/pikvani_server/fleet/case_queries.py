"""What pages ask about cases: over time, by place, by condition, and the latest ones. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pikvani_server.store import Store
from pikvani_server.store.port import Found
from pikvani_server.store.schema import cases
from pikvani_server.store.schema_counts import case_days
from pikvani_server.store.schema_learning import places


@dataclass(frozen=True)
class CaseFilter:
    """Which cases; an empty word is any."""

    district: str = ""
    crop: str = ""
    condition: str = ""
    decision: str = ""
    model: str = ""

    def words(self) -> dict[str, str]:
        """Those that are not empty."""
        return {name: value for name, value in vars(self).items() if value}


def by_day(store: Store, since: str, wanted: CaseFilter | None = None) -> list[Found]:
    """Counts by `day` and `decision` from a day on, ascending; days without a case are missing."""
    return _counted(store, ("day", "decision"), since, wanted)


def by_name(store: Store, name: str, since: str, wanted: CaseFilter | None = None) -> list[Found]:
    """Counts by one of the names of `case_days` and `decision`."""
    return _counted(store, (name, "decision"), since, wanted)


def names(store: Store, since: str) -> dict[str, list[str]]:
    """What there is to filter by: values of each name, ascending."""
    found: dict[str, list[str]] = {}
    for name in ("district", "crop", "condition", "model"):
        column = case_days.c[name]
        query = sa.select(column).where(case_days.c.day >= since, column != "").distinct().order_by(column).limit(500)
        found[name] = [row[name] for row in store.read("listing names", query)]
    return found


def latest(
    store: Store, limit: int, wanted: CaseFilter | None = None, before: datetime | None = None, device: str = ""
) -> list[Found]:
    """Cases, latest received first, each with its `district`; `before` continues a page."""
    district = sa.func.coalesce(sa.func.nullif(places.c.district, ""), "unknown")
    query = (
        sa.select(cases, district.label("district"))
        .select_from(cases.outerjoin(places, places.c.device_id == cases.c.device_id))
        .order_by(cases.c.received_at.desc(), cases.c.seq.desc())
        .limit(limit)
    )
    for name, value in (wanted or CaseFilter()).words().items():
        query = query.where(district == value if name == "district" else cases.c[name] == value)
    query = query.where(cases.c.received_at < before) if before else query
    query = query.where(cases.c.device_id == device) if device else query
    return store.read("listing cases", query)


def _counted(store: Store, keys: tuple[str, ...], since: str, wanted: CaseFilter | None) -> list[Found]:
    columns: list[Any] = [case_days.c[key] for key in keys]
    query = sa.select(*columns, sa.func.sum(case_days.c.cases).label("cases")).where(case_days.c.day >= since)
    for name, value in (wanted or CaseFilter()).words().items():
        query = query.where(case_days.c[name] == value)
    found = store.read("counting cases", query.group_by(*columns).order_by(*columns))
    return [row | {"cases": int(row["cases"])} for row in found]
