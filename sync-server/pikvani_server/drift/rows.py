"""The database side of drift: sketches in, sums, verdicts and alarms out. SQL only; what it means stands elsewhere."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pikvani_contract.errors import WireError
from pikvani_contract.sketch import Sketch, decode_sketch
from pikvani_server.drift.drill_down import UNKNOWN_DISTRICT
from pikvani_server.drift.episodes import MIX, Episode, Judged, episodes
from pikvani_server.drift.rollups import Adder, pack_sum, unpack_sum
from pikvani_server.store import Store
from pikvani_server.store.schema import sketches
from pikvani_server.store.schema_learning import drift_alarms, places, progress, rollups, verdicts

log = logging.getLogger(__name__)

_CURSOR = "drift.sketches"
_OVERLAP = timedelta(minutes=15)
"""A sketch may be committed so long after it came, when the database was away in between."""
_DISTRICT = sa.func.coalesce(sa.func.nullif(places.c.district, ""), UNKNOWN_DISTRICT)
_PLACED = sketches.outerjoin(places, places.c.device_id == sketches.c.device_id)
Key = tuple[str, str, str, str]
"""Scope, name, model and source of a verdict."""


@dataclass(frozen=True)
class Dirty:
    """A day of a model in a district to which sketches came."""

    model: str
    day: date
    district: str


def dirty_days(store: Store, today: date) -> tuple[list[Dirty], datetime | None]:
    """What came since the last pass, and the cursor for the next one. A day that cannot be is passed over."""
    since = _cursor(store)
    newest = sa.func.max(sketches.c.received_at).label("newest")
    query = sa.select(sketches.c.model, sketches.c.day, _DISTRICT.label("district"), newest).select_from(_PLACED)
    if since:
        query = query.where(sketches.c.received_at > since - _OVERLAP)
    found = store.read("looking for new sketches", query.group_by(sketches.c.model, sketches.c.day, _DISTRICT))
    dirty, last = [], since
    for row in found:
        last = max(last or row["newest"], row["newest"])
        day = _day(row["day"])
        if day and day <= today:
            dirty.append(Dirty(row["model"], day, row["district"]))
    return sorted(dirty, key=lambda d: (d.model, d.day, d.district)), last


def _cursor(store: Store) -> datetime | None:
    found = store.read("looking how far drift is", sa.select(progress.c.value).where(progress.c.name == _CURSOR))
    return datetime.fromisoformat(found[0]["value"]) if found else None


def keep_cursor(store: Store, at: datetime) -> None:
    """Remember how far all is judged."""
    insert = store.insert(progress).values(name=_CURSOR, value=at.astimezone(UTC).isoformat())
    with store.writing("keeping how far drift is") as connection:
        connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": insert.excluded.value}))


def sum_day(store: Store, model: str, day: date) -> int:
    """Add one day of one model up anew, by district and over the fleet; returns how many sketches were unreadable."""
    query = (
        sa.select(sketches.c.data, _DISTRICT.label("district"))
        .select_from(_PLACED)
        .where(sketches.c.model == model, sketches.c.day == day.isoformat())
    )
    fleet, districts, bad = Adder(), dict[str, Adder](), 0
    for row in store.read("adding sketches up", query):
        try:
            sketch = decode_sketch(bytes(row["data"]))
        except WireError:
            bad += 1
            continue
        fleet.add(sketch)
        districts.setdefault(row["district"], Adder()).add(sketch)
    values = [_sum_row("fleet", "", model, day, fleet)]
    values += [_sum_row("district", name, model, day, adder) for name, adder in sorted(districts.items())]
    insert = store.insert(rollups)
    changed = {name: insert.excluded[name] for name in ("cases", "devices", "data")}
    same_day = sa.and_(rollups.c.model == model, rollups.c.day == day.isoformat(), rollups.c.scope == "district")
    with store.writing("keeping sums of sketches") as connection:
        # A device that was moved to another district leaves no sum behind.
        connection.execute(sa.delete(rollups).where(same_day, rollups.c.name.not_in(list(districts))))
        connection.execute(
            insert.on_conflict_do_update(index_elements=["scope", "name", "model", "day"], set_=changed), values
        )
    if bad:
        log.warning("%d sketches of %s cannot be read and are left out", bad, day)
    return bad


def _sum_row(scope: str, name: str, model: str, day: date, adder: Adder) -> dict[str, Any]:
    return {
        "scope": scope,
        "name": name,
        "model": model,
        "day": day.isoformat(),
        "cases": adder.cases,
        "devices": adder.added,
        "data": pack_sum(adder.sketch),
    }


def sums(store: Store, scope: str, name: str, model: str, since: date | None = None) -> dict[date, Sketch]:
    """The sums of a scope by day."""
    query = sa.select(rollups.c.day, rollups.c.data).where(
        rollups.c.scope == scope, rollups.c.name == name, rollups.c.model == model
    )
    query = query.where(rollups.c.day >= since.isoformat()) if since else query
    found = store.read("reading sums", query)
    return {date.fromisoformat(row["day"]): unpack_sum(bytes(row["data"])) for row in found}


def other_models(store: Store, model: str, days: Sequence[date]) -> Sketch:
    """What all other models say on these days in the districts where this one runs."""
    within = rollups.c.day.between(min(days).isoformat(), max(days).isoformat())
    mine = sa.select(rollups.c.name).where(rollups.c.scope == "district", rollups.c.model == model, within)
    query = sa.select(rollups.c.data).where(
        rollups.c.scope == "district", rollups.c.model != model, within, rollups.c.name.in_(mine)
    )
    found = store.read("reading what other models say", query)
    return Adder(unpack_sum(bytes(row["data"])) for row in found).sketch


def devices_of(store: Store, model: str, district: str, days: Sequence[date]) -> list[str]:
    """Devices of a district that sent a sketch of one of these days, in order."""
    query = (
        sa.select(sketches.c.device_id)
        .distinct()
        .select_from(_PLACED)
        .where(
            sketches.c.model == model,
            sketches.c.day.between(min(days).isoformat(), max(days).isoformat()),
            _DISTRICT.in_([district]),
        )
        .order_by(sketches.c.device_id)
    )
    return [row["device_id"] for row in store.read("listing devices with sketches", query)]


def device_sketches(
    store: Store, model: str, devices: Sequence[str], first: date | None = None, last: date | None = None
) -> dict[str, dict[date, Sketch]]:
    """Sketches by device and day; unreadable ones are left out."""
    query = sa.select(sketches.c.device_id, sketches.c.day, sketches.c.data).where(
        sketches.c.model == model, sketches.c.device_id.in_(devices)
    )
    if first and last:
        query = query.where(sketches.c.day.between(first.isoformat(), last.isoformat()))
    found: dict[str, dict[date, Sketch]] = {}
    for row in store.read("reading sketches of devices", query):
        day = _day(row["day"])
        try:
            if day:
                found.setdefault(row["device_id"], {})[day] = decode_sketch(bytes(row["data"]))
        except WireError:
            continue
    return found


def judged_ends(store: Store, model: str) -> list[date]:
    """Windows of a model that were judged before."""
    query = sa.select(verdicts.c.window_end).distinct().where(verdicts.c.model == model)
    return sorted(date.fromisoformat(row["window_end"]) for row in store.read("listing windows", query))


def write_verdicts(store: Store, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep verdicts, a later judgement of the same window instead of an earlier one. Rows are by column."""
    if not rows:
        return
    insert = store.insert(verdicts)
    changed = ("kind", "basis", "cases", "reference_cases", "details", "judged_at")
    key = ["scope", "name", "model", "window_end", "source"]
    with store.writing("keeping verdicts") as connection:
        connection.execute(
            insert.on_conflict_do_update(index_elements=key, set_={n: insert.excluded[n] for n in changed}),
            [dict(row) for row in rows],
        )


def refresh_alarms(store: Store, keys: Iterable[Key], now: datetime) -> int:
    """Work the alarms of these keys out of their verdicts anew; returns how many are open among them.

    An alarm keeps its number, and what a person said to it, as long as its stretch of weeks touches what it was.
    """
    opened = 0
    for scope, names, model, source in _grouped(keys):
        told = _judged(store, scope, names, model, source)
        held = _held(store, scope, names, model, source)
        with store.writing("keeping alarms") as connection:
            for name in names:
                wanted = episodes(told.get(name, []))
                opened += sum(1 for episode in wanted if episode.open)
                if wanted or name in held:
                    _rewrite(connection, (scope, name, model, source), wanted, held.get(name, []), now)
    return opened


def _grouped(keys: Iterable[Key]) -> Iterator[tuple[str, list[str], str, str]]:
    groups: dict[tuple[str, str, str], set[str]] = {}
    for scope, name, model, source in keys:
        groups.setdefault((scope, model, source), set()).add(name)
    for (scope, model, source), found in sorted(groups.items()):
        names = sorted(found)
        for start in range(0, len(names), 500):
            yield scope, names[start : start + 500], model, source


def _judged(store: Store, scope: str, names: list[str], model: str, source: str) -> dict[str, list[Judged]]:
    query = sa.select(verdicts.c.name, verdicts.c.window_end, verdicts.c.kind, verdicts.c.basis, verdicts.c.details)
    query = query.where(
        verdicts.c.scope == scope,
        verdicts.c.name.in_(names),
        verdicts.c.model == model,
        verdicts.c.source == source,
    )
    told: dict[str, list[Judged]] = {}
    for row in store.read("reading verdicts", query):
        drifted = [f for f in json.loads(row["details"]).get("features", []) if f["drifted"]]
        worst = min(drifted, key=lambda f: f["name"] == MIX, default=None)
        end = date.fromisoformat(row["window_end"])
        feature, excess = (worst["name"], worst["excess"]) if worst else ("", 0.0)
        label = worst.get("label", "") if worst else ""
        told.setdefault(row["name"], []).append(Judged(end, row["kind"], row["basis"], feature, excess, label))
    return told


def _held(store: Store, scope: str, names: list[str], model: str, source: str) -> dict[str, list[dict[str, Any]]]:
    query = sa.select(drift_alarms).where(
        drift_alarms.c.scope == scope,
        drift_alarms.c.name.in_(names),
        drift_alarms.c.model == model,
        drift_alarms.c.source == source,
    )
    held: dict[str, list[dict[str, Any]]] = {}
    for row in store.read("reading alarms", query.order_by(drift_alarms.c.first_window)):
        held.setdefault(row["name"], []).append(row)
    return held


def _rewrite(
    connection: sa.Connection, key: Key, wanted: list[Episode], held: list[dict[str, Any]], now: datetime
) -> None:
    kept: dict[int, Episode] = {}
    fresh = []
    for episode in wanted:
        first, last = episode.first.isoformat(), episode.last.isoformat()
        before = [r for r in held if r["id"] not in kept and r["first_window"] <= last and r["last_window"] >= first]
        if before:
            kept[before[0]["id"]] = episode
        else:
            fresh.append(episode)
    gone = [row["id"] for row in held if row["id"] not in kept]
    if gone:
        connection.execute(sa.delete(drift_alarms).where(drift_alarms.c.id.in_(gone)))
    for number, episode in kept.items():
        connection.execute(sa.update(drift_alarms).where(drift_alarms.c.id == number).values(**_alarm(episode)))
    scope, name, model, source = key
    identity = {"scope": scope, "name": name, "model": model, "source": source, "opened_at": now}
    for episode in fresh:
        connection.execute(sa.insert(drift_alarms).values(**identity, **_alarm(episode)))


def _alarm(episode: Episode) -> dict[str, Any]:
    return {
        "first_window": episode.first.isoformat(),
        "last_window": episode.last.isoformat(),
        "kind": episode.kind,
        "level": episode.level,
        "feature": episode.feature,
        "label": episode.label,
        "excess": episode.excess,
        "open": episode.open,
    }


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
