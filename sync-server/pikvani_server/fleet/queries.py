"""What pages ask about devices: counts by district and state, a page of devices, one device. Reads only.

Everything is added up by the database; nothing reads all devices into memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import sqlalchemy as sa

from pikvani_contract.clock import ClockTrust
from pikvani_server.fleet.collector import SILENT_AFTER, added
from pikvani_server.store import Store
from pikvani_server.store.port import Found
from pikvani_server.store.schema import alarms, devices, streams
from pikvani_server.store.schema_learning import places

NEAR_BUDGET = 0.9
"""A device that used this share of its month's data budget is near its end."""
LONG_QUEUE = 500
"""Records that wait on a device before it is worth a look: about two weeks of a busy village."""

State = Literal["online", "offline", "silent"]
Trouble = Literal["silent", "clock", "queue", "budget", "shed"]
TROUBLES: tuple[Trouble, ...] = get_args(Trouble)
Sort = Literal["seen", "queue", "budget", "id", "district"]
SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass(frozen=True)
class DeviceFilter:
    """Which devices; an empty word is any."""

    district: str = ""
    state: str = ""
    trouble: str = ""
    app: str = ""
    model: str = ""
    text: str = ""
    """Part of the device's id."""


_DISTRICT = sa.func.coalesce(sa.func.nullif(places.c.district, ""), "unknown")
_JOINED = devices.outerjoin(places, places.c.device_id == devices.c.id)


def summary(store: Store, now: datetime) -> Found:
    """One row of counts over all devices: `devices`, states, troubles, records waiting, records and bytes shed."""
    query = sa.select(*_counts(now)).select_from(devices)
    return _whole(store.read("adding the fleet up", query)[0])


def by_district(store: Store, now: datetime) -> list[Found]:
    """As `summary`, a row a district, by name; `unknown` for devices nobody has placed."""
    query = sa.select(_DISTRICT.label("district"), *_counts(now)).select_from(_JOINED)
    found = store.read("adding districts up", query.group_by(_DISTRICT).order_by(_DISTRICT))
    return [_whole(row) for row in found]


def added_up(rows: list[Found]) -> Found:
    """What `summary` would say, out of the rows of `by_district`: one look at the devices serves both."""
    names = ("devices", "online", "offline", *TROUBLES, "waiting_records", "shed_records", "shed_bytes")
    return {name: sum(row[name] for row in rows) for name in names}


def versions(store: Store) -> dict[str, list[Found]]:
    """How many devices run which `app` and which `model`, the most first."""
    columns = (devices.c.app, devices.c.model)
    query = sa.select(*columns, sa.func.count().label("devices")).group_by(*columns)
    found = store.read("counting versions", query)
    told: dict[str, list[Found]] = {}
    for name in ("app", "model"):
        sums: Counter[str] = Counter()
        for row in found:
            sums[row[name]] += row["devices"]
        ordered = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
        told[name] = [{"version": version, "devices": count} for version, count in ordered]
    return told


def page(
    store: Store, wanted: DeviceFilter, now: datetime, sort: Sort = "seen", limit: int = 50, offset: int = 0
) -> tuple[list[Found], int]:
    """Some devices and how many there are in all; each with `district`, `kind`, `state` and `clock`."""
    condition = _wanted(wanted, now)
    orders: dict[str, list[Any]] = {
        "seen": [devices.c.last_seen_at.desc()],
        "queue": [devices.c.queue_records.desc()],
        "budget": [_share().desc()],
        "id": [],
        "district": [_DISTRICT],
    }
    query = (
        sa.select(devices, _DISTRICT.label("district"), places.c.taluka, places.c.kind, _state(now).label("state"))
        .select_from(_JOINED)
        .where(*condition)
        .order_by(*orders[sort], devices.c.id)
    )
    count = sa.select(sa.func.count().label("count")).select_from(_JOINED if _placed(wanted) else devices)
    total = store.read("counting devices", count.where(*condition))[0]["count"]
    found = store.read("listing devices", query.limit(limit).offset(offset))
    return [_told(row) for row in found], total


def device(store: Store, device_id: str, now: datetime) -> Found | None:
    """One device with its place and state; None if it was never heard of and nobody placed it."""
    query = sa.select(devices, _DISTRICT.label("district"), places.c.taluka, places.c.kind, _state(now).label("state"))
    found = store.read("reading a device", query.select_from(_JOINED).where(devices.c.id == device_id))
    return _told(found[0]) if found else None


def alarms_of(store: Store, device_id: str = "", limit: int = 50) -> list[Found]:
    """What devices (or one) raised themselves, the latest first."""
    query = sa.select(alarms).order_by(alarms.c.received_at.desc()).limit(limit)
    return store.read("listing alarms", query.where(alarms.c.device_id == device_id) if device_id else query)


def streams_of(store: Store, device_id: str, limit: int = 20) -> list[Found]:
    """Outboxes of a device, the latest used first."""
    query = sa.select(streams).where(streams.c.device_id == device_id).order_by(streams.c.updated_at.desc())
    return store.read("listing outboxes", query.limit(limit))


def set_place(connection: sa.Connection, insert: Any, device_id: str, place: dict[str, str], now: datetime) -> None:
    """Say where a device stands; `place` holds `district`, `taluka`, `kind`."""
    row = insert(places).values(device_id=device_id, updated_at=now, **place)
    changed = {name: row.excluded[name] for name in (*place, "updated_at")}
    connection.execute(row.on_conflict_do_update(index_elements=["device_id"], set_=changed))


def _state(now: datetime, silent_after: timedelta = SILENT_AFTER) -> sa.ColumnElement[str]:
    return sa.case(
        (devices.c.last_seen_at < now - silent_after, "silent"), (devices.c.online, "online"), else_="offline"
    )


def _share() -> sa.ColumnElement[float]:
    used = sa.cast(devices.c.budget_used_bytes, sa.Float)
    return sa.case((devices.c.budget_bytes > 0, used / devices.c.budget_bytes), else_=0.0)


def _trouble(name: str, now: datetime) -> sa.ColumnElement[bool]:
    found: dict[str, sa.ColumnElement[bool]] = {
        "silent": devices.c.last_seen_at < now - SILENT_AFTER,
        "clock": devices.c.clock_trust == int(ClockTrust.UNTRUSTED),
        "queue": devices.c.queue_records > LONG_QUEUE,
        "budget": _share() >= NEAR_BUDGET,
        "shed": devices.c.shed_records > 0,
    }
    return found[name]


def _counts(now: datetime) -> list[Any]:
    def many(condition: sa.ColumnElement[bool]) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    states = [many(_state(now) == name).label(name) for name in ("online", "offline")]
    troubles = [many(_trouble(name, now)).label(name) for name in TROUBLES]
    columns = {
        "waiting_records": devices.c.queue_records,
        "shed_records": devices.c.shed_records,
        "shed_bytes": devices.c.shed_bytes,
    }
    sums = [added(column).label(name) for name, column in columns.items()]
    return [sa.func.count().label("devices"), *states, *troubles, *sums]


def _placed(wanted: DeviceFilter) -> bool:
    return bool(wanted.district)


def _wanted(wanted: DeviceFilter, now: datetime) -> list[Any]:
    found: list[Any] = []
    if wanted.district:
        found.append(wanted.district == _DISTRICT)
    if wanted.state:
        found.append(_state(now) == wanted.state)
    if wanted.trouble:
        found.append(_trouble(wanted.trouble, now))
    if wanted.app:
        found.append(devices.c.app == wanted.app)
    if wanted.model:
        found.append(devices.c.model == wanted.model)
    if wanted.text:
        found.append(devices.c.id.contains(wanted.text, autoescape=True))
    return found


def _told(row: Found) -> Found:
    share = row["budget_used_bytes"] / row["budget_bytes"] if row["budget_bytes"] else None
    return row | {"clock": ClockTrust(row["clock_trust"]).name.lower(), "budget_share": share}


def _whole(row: Found) -> Found:
    return {name: int(value) if name != "district" else value for name, value in row.items()}
