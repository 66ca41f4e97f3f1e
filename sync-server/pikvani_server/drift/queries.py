"""What pages and programs ask about drift. Reads only; every answer is plain data that JSON can carry.

Costs go with what is shown: alarms, the weeks of one series, the devices of one district.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from pikvani_contract.sketch import FEATURES, Sketch
from pikvani_server.drift import rows, windows
from pikvani_server.drift.drill_down import UNKNOWN_DISTRICT, by_crop, by_device
from pikvani_server.drift.rollups import of_days, unpack_sum, without
from pikvani_server.drift.verdict import counts_of
from pikvani_server.store import Store
from pikvani_server.store.schema import sketches
from pikvani_server.store.schema_learning import drift_alarms, places, rollups, verdicts

Found = dict[str, Any]
MOST_ALARMS = 500
MOST_WEEKS = 260


def alarms(store: Store, open_only: bool = True, limit: int = 100, scope: str | None = None) -> list[Found]:
    """Alarms and warnings, alarms first, then the latest and largest. `kind` is data, prediction, both or concept."""
    table = drift_alarms
    query = sa.select(table, places.c.district, places.c.taluka).select_from(
        table.outerjoin(places, sa.and_(places.c.device_id == table.c.name, table.c.scope == "device"))
    )
    query = query.where(table.c.open) if open_only else query
    query = query.where(table.c.scope == scope) if scope else query
    query = query.order_by(table.c.level, table.c.last_window.desc(), table.c.excess.desc())
    return store.read("listing drift alarms", query.limit(min(limit, MOST_ALARMS)))


def alarm_counts(store: Store) -> dict[str, int]:
    """Open ones by level: `alarm`, `warning`."""
    query = sa.select(drift_alarms.c.level, sa.func.count().label("count")).where(drift_alarms.c.open)
    found = store.read("counting drift alarms", query.group_by(drift_alarms.c.level))
    return {"alarm": 0, "warning": 0} | {row["level"]: row["count"] for row in found}


def alarm(store: Store, number: int) -> Found | None:
    """One alarm with the verdict of its worst-known last week; None if there is none of that number."""
    found = store.read("reading a drift alarm", sa.select(drift_alarms).where(drift_alarms.c.id == number))
    if not found:
        return None
    one = found[0]
    return one | {"verdicts": series(store, one["scope"], one["name"], one["model"], one["source"])}


def acknowledge(store: Store, number: int, who: str, note: str, now: datetime) -> bool:
    """Remember that a person has seen an alarm; False if there is none of that number."""
    change = sa.update(drift_alarms).where(drift_alarms.c.id == number)
    with store.writing("acknowledging a drift alarm") as connection:
        done = connection.execute(change.values(acknowledged_at=now, acknowledged_by=who, note=note[:400]))
        return bool(done.rowcount)


def series(store: Store, scope: str, name: str, model: str, source: str = "sketch", weeks: int = 52) -> list[Found]:
    """Verdicts of one scope, the latest `weeks`, ascending; features, accuracy and crops as lists and dicts."""
    table = verdicts
    query = (
        sa.select(table)
        .where(table.c.scope == scope, table.c.name == name, table.c.model == model, table.c.source == source)
        .order_by(table.c.window_end.desc())
        .limit(min(weeks, MOST_WEEKS) * len(windows.ENDS))
    )
    return [_opened(row) for row in reversed(store.read("reading verdicts", query))]


def models(store: Store) -> list[Found]:
    """Models that sent sketches: `model`, `first_day`, `last_day`, `cases`, the latest first."""
    table = rollups
    query = (
        sa.select(
            table.c.model,
            sa.func.min(table.c.day).label("first_day"),
            sa.func.max(table.c.day).label("last_day"),
            sa.func.sum(table.c.cases).label("cases"),
        )
        .where(table.c.scope == "fleet")
        .group_by(table.c.model)
        .order_by(sa.func.max(table.c.day).desc(), table.c.model)
    )
    return [row | {"cases": int(row["cases"])} for row in store.read("listing models", query)]


def overview(store: Store, scope: str = "district", window_end: str | None = None) -> list[Found]:
    """The latest (or the given) window's verdict of each district, device, or of the fleet; drifted ones first."""
    table = verdicts
    ends = sa.select(sa.func.max(table.c.window_end)).where(table.c.scope == scope, table.c.source == "sketch")
    end = sa.literal(window_end) if window_end else ends.scalar_subquery()
    query = sa.select(table).where(table.c.scope == scope, table.c.source == "sketch", table.c.window_end == end)
    found = [_opened(row) for row in store.read("reading the latest verdicts", query.limit(MOST_ALARMS))]
    return sorted(found, key=lambda row: (row["kind"] in ("none", "cannot_say"), row["name"], row["model"]))


def daily(store: Store, model: str, scope: str = "fleet", name: str = "", since: str = "") -> list[Found]:
    """One row a day: cases, devices, shares of decisions, mean of each feature; None where nothing was said."""
    table = rollups
    query = sa.select(table).where(table.c.scope == scope, table.c.name == name, table.c.model == model)
    query = query.where(table.c.day >= since).order_by(table.c.day)
    found = []
    for row in store.read("reading sums by day", query):
        sketch = unpack_sum(bytes(row["data"]))
        means = {feature: _mean(sketch, feature) for feature in FEATURES}
        decisions = {name: count / max(1, sketch.cases) for name, count in sketch.decisions.items()}
        found.append(
            {"day": row["day"], "cases": row["cases"], "devices": row["devices"], "decisions": decisions} | means
        )
    return found


def window_histograms(store: Store, model: str, scope: str, name: str, end: str, feature: str) -> Found:
    """Counts of a feature in a window and in what it is compared with by season, else the weeks before.

    Returns:
        `bins` (names, or lower edges), `reference`, `current`.
    """
    by_day = _by_day(store, model, scope, name)
    current, reference = _pair(by_day, date.fromisoformat(end))
    ours, theirs = counts_of(feature, reference, current)
    if feature in FEATURES:
        bins = FEATURES[feature]
        labels: list[Any] = [bins.low + (bins.high - bins.low) * i / bins.count for i in range(bins.count)]
    else:
        labels = sorted({*getattr(reference, feature), *getattr(current, feature)})
    return {"bins": labels, "reference": ours.tolist(), "current": theirs.tolist()}


def device_crops(store: Store, model: str, end: str, device: str) -> list[Found]:
    """Which crops set a device apart from its district in a window, the heaviest first."""
    days = windows.window_days(date.fromisoformat(end))
    placed = store.read("reading a place", sa.select(places.c.district).where(places.c.device_id == device))
    district = (placed[0]["district"] if placed else "") or UNKNOWN_DISTRICT
    mine = of_days(rows.device_sketches(store, model, [device], days[0], days[-1]).get(device, {}), days)
    whole = of_days(rows.sums(store, "district", district, model, days[0]), days)
    return [asdict(part) for part in by_crop(without(whole, mine), mine)]


def drill_down(store: Store, model: str, end: str, feature: str, district: str | None = None) -> dict[str, list[Found]]:
    """Who carries the drift of a feature in a window, the heaviest first.

    Returns:
        `districts` over the fleet, or with a district its `devices`; and `crops` of the same scope.
    """
    last = date.fromisoformat(end)
    scope, name = ("district", district) if district else ("fleet", "")
    current, reference = _pair(_by_day(store, model, scope, name or ""), last)
    days = windows.window_days(last)
    if district:
        names = rows.devices_of(store, model, district, days)
        parts = {
            device: of_days(by_day, days)
            for device, by_day in rows.device_sketches(store, model, names, days[0], days[-1]).items()
        }
        return {
            "devices": [asdict(part) for part in by_device(feature, reference, parts)[:100]],
            "crops": [asdict(part) for part in by_crop(reference, current, feature)],
        }
    table = rollups
    query = sa.select(table.c.name, table.c.day, table.c.data).where(
        table.c.scope == "district",
        table.c.model == model,
        table.c.day.between(days[0].isoformat(), days[-1].isoformat()),
    )
    by_name: dict[str, dict[date, Sketch]] = {}
    for row in store.read("reading sums of districts", query):
        by_name.setdefault(row["name"], {})[date.fromisoformat(row["day"])] = unpack_sum(bytes(row["data"]))
    districts = {name: of_days(by_day, days) for name, by_day in by_name.items()}
    return {
        "districts": [asdict(part) for part in by_device(feature, reference, districts)],
        "crops": [asdict(part) for part in by_crop(reference, current, feature)],
    }


def sketch_freshness(store: Store) -> Found:
    """How many sketches there are and when the last came."""
    query = sa.select(sa.func.count().label("sketches"), sa.func.max(sketches.c.received_at).label("last_at"))
    return store.read("counting sketches", query.select_from(sketches))[0]


def _by_day(store: Store, model: str, scope: str, name: str) -> dict[date, Sketch]:
    if scope == "device":
        return rows.device_sketches(store, model, [name]).get(name, {})
    return rows.sums(store, scope, name, model)


def _pair(by_day: dict[date, Sketch], end: date) -> tuple[Sketch, Sketch]:
    """The window, and the same season of earlier years or else the weeks before."""
    season = of_days(by_day, windows.season_days(end, list(by_day)))
    reference = season if season.cases else of_days(by_day, windows.recent_days(end))
    return of_days(by_day, windows.window_days(end)), reference


def _mean(sketch: Sketch, feature: str) -> float | None:
    bins = FEATURES[feature]
    counts = sketch.histograms.get(feature)
    if not counts or not sum(counts):
        return None
    width = (bins.high - bins.low) / bins.count
    return sum(c * (bins.low + width * (i + 0.5)) for i, c in enumerate(counts)) / sum(counts)


def _opened(row: Found) -> Found:
    return row | {"details": json.loads(row["details"])}
