"""What roll-outs keep in the database and read from it. Decides nothing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from pikvani_server.rollout.plan import Candidate, Plan, RolloutError
from pikvani_server.store import Store
from pikvani_server.store.schema import cases, devices
from pikvani_server.store.schema_learning import places
from pikvani_server.store.schema_rollout import device_tags, rollout_devices, rollouts, update_reports

RUNNING, PAUSED, HALTED, ABORTED, DONE = "running", "paused", "halted", "aborted", "done"
OPEN = (RUNNING, PAUSED)
BASELINE = timedelta(days=14)
"""How far back cases are read to know what was usual on a device."""


@dataclass(frozen=True)
class Rollout:
    """A roll-out as it stands; times are UTC. See the table `rollouts`."""

    id: int
    package: str
    version: str
    sha256: str
    plan: Plan
    state: str
    step: int
    step_at: datetime
    reason: str
    looks: int
    looked_cases: int
    started_at: datetime
    started_by: str
    ended_at: datetime | None

    @property
    def name(self) -> str:
        """`package@version`: what devices say they run."""
        return f"{self.package}@{self.version}"


def read_rollout(row: Any) -> Rollout:
    """A row of the table as a `Rollout`."""
    values = dict(row)
    return Rollout(**{**values, "plan": msgspec.json.decode(values["plan"], type=Plan)})


def get(store: Store, number: int) -> Rollout:
    """A roll-out by its number.

    Raises:
        RolloutError: there is none.
    """
    found = store.read("reading a roll-out", sa.select(rollouts).where(rollouts.c.id == number))
    if not found:
        raise RolloutError(f"there is no roll-out {number}; `rollout status` lists them")
    return read_rollout(found[0])


def latest(store: Store, limit: int = 50) -> list[Rollout]:
    """Roll-outs, the newest first."""
    query = sa.select(rollouts).order_by(rollouts.c.id.desc()).limit(limit)
    return [read_rollout(row) for row in store.read("listing roll-outs", query)]


def unfinished(store: Store) -> list[int]:
    """Numbers of roll-outs that still have something to do.

    Open ones; those whose devices are not all back; and of each package the last one, if it is done: devices that come
    later take what it brought to all others.
    """
    last = sa.select(sa.func.max(rollouts.c.id)).group_by(rollouts.c.package)
    going_back = sa.select(rollout_devices.c.rollout_id).where(rollout_devices.c.state == "recalled")
    query = sa.select(rollouts.c.id).where(
        rollouts.c.state.in_(OPEN)
        | rollouts.c.id.in_(going_back)
        | (rollouts.c.id.in_(last) & (rollouts.c.state == DONE))
    )
    return [int(row["id"]) for row in store.read("listing roll-outs", query.order_by(rollouts.c.id))]


def locked(connection: sa.Connection, number: int) -> Rollout:
    """A roll-out that nobody else changes until the transaction ends.

    Raises:
        RolloutError: there is none.
    """
    row = connection.execute(sa.select(rollouts).where(rollouts.c.id == number).with_for_update()).mappings().first()
    if row is None:
        raise RolloutError(f"there is no roll-out {number}; `rollout status` lists them")
    return read_rollout(row)


def change(connection: sa.Connection, number: int, **values: Any) -> None:
    """Change a roll-out."""
    connection.execute(sa.update(rollouts).where(rollouts.c.id == number).values(**values))


def candidates(connection: sa.Connection) -> list[Candidate]:
    """All devices, with what people and they themselves say of them."""
    tags: dict[str, set[str]] = defaultdict(set)
    for device_id, tag in connection.execute(sa.select(device_tags.c.device_id, device_tags.c.tag)):
        tags[device_id].add(tag)
    joined = sa.outerjoin(devices, places, places.c.device_id == devices.c.id)
    query = sa.select(
        devices.c.id, sa.func.coalesce(places.c.district, ""), sa.func.coalesce(places.c.kind, ""), devices.c.model
    ).select_from(joined)
    return [
        Candidate(device_id, district, kind, frozenset(tags.get(device_id, ())), model)
        for device_id, district, kind, model in connection.execute(query)
    ]


def exposed(connection: sa.Connection, number: int) -> dict[str, dict[str, Any]]:
    """The devices a roll-out has reached, by id."""
    query = sa.select(rollout_devices).where(rollout_devices.c.rollout_id == number)
    return {row["device_id"]: dict(row) for row in connection.execute(query).mappings()}


def expose(connection: sa.Connection, rollout: Rollout, step: int, device_ids: list[str], now: datetime) -> None:
    """Order devices to take a roll-out's version; the order is sent by whoever holds the link."""
    numbers = next_numbers(connection, device_ids, now)
    rows = [
        {
            "rollout_id": rollout.id,
            "device_id": device_id,
            "step": step,
            "state": "ordered",
            "take_number": numbers[device_id],
            "ordered_at": now,
        }
        for device_id in device_ids
    ]
    if rows:
        connection.execute(sa.insert(rollout_devices), rows)


def recall(connection: sa.Connection, rollout: Rollout, now: datetime) -> int:
    """Order everybody back whom a roll-out reached and who is not back by itself; returns how many."""
    names = [
        name for name, row in exposed(connection, rollout.id).items() if row["state"] not in ("rolled_back", "back")
    ]
    numbers = next_numbers(connection, names, now)
    if names:
        statement = (
            sa.update(rollout_devices)
            .where(rollout_devices.c.rollout_id == rollout.id, rollout_devices.c.device_id == sa.bindparam("b_device"))
            .values(state="recalled", back_number=sa.bindparam("b_number"), sent_at=None)
        )
        connection.execute(statement, [{"b_device": name, "b_number": numbers[name]} for name in names])
    return len(names)


def set_states(connection: sa.Connection, number: int, changed: dict[str, dict[str, Any]]) -> None:
    """Change rows of exposed devices: state, detail and when it was reported."""
    if not changed:
        return
    statement = (
        sa.update(rollout_devices)
        .where(rollout_devices.c.rollout_id == number, rollout_devices.c.device_id == sa.bindparam("b_device"))
        .values(
            state=sa.bindparam("b_state"),
            detail=sa.bindparam("b_detail"),
            reported_at=sa.bindparam("b_reported_at", type_=rollout_devices.c.reported_at.type),
        )
    )
    rows = [
        {
            "b_device": name,
            "b_state": values["state"],
            "b_detail": values["detail"],
            "b_reported_at": values["reported_at"],
        }
        for name, values in changed.items()
    ]
    connection.execute(statement, rows)


def next_numbers(connection: sa.Connection, device_ids: list[str], now: datetime) -> dict[str, int]:
    """A number for an order to each device: the time, or one more than its last, whichever is higher.

    A database restored from an old copy so gives no number twice.
    """
    highest = sa.func.max(
        sa.case(
            (rollout_devices.c.back_number > rollout_devices.c.take_number, rollout_devices.c.back_number),
            else_=rollout_devices.c.take_number,
        )
    )
    query = sa.select(rollout_devices.c.device_id, highest).group_by(rollout_devices.c.device_id)
    last = {name: int(number) for name, number in connection.execute(query)}
    now_ms = int(now.timestamp() * 1000)
    return {name: max(now_ms, last.get(name, 0) + 1) for name in device_ids}


def reports(connection: sa.Connection, rollout: Rollout) -> list[dict[str, Any]]:
    """What devices said of a roll-out's version since it began, oldest first."""
    table = update_reports
    query = (
        sa.select(table)
        .where(
            table.c.package == rollout.package,
            table.c.version == rollout.version,
            table.c.received_at >= rollout.started_at,
        )
        .order_by(table.c.received_at, table.c.happened_at, table.c.seq)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def new_cases(connection: sa.Connection, rollout: Rollout) -> int:
    """Cases under a roll-out's version since it began."""
    query = sa.select(sa.func.count()).where(cases.c.model == rollout.name, cases.c.received_at >= rollout.started_at)
    return int(connection.execute(query).scalar_one())


@dataclass(frozen=True)
class Seen:
    """Cases of one device under one model and time: how many, how many not answered, their mean time."""

    device_id: str
    model: str
    later: bool
    cases: int
    unanswered: int
    latency_ms: float


def seen_query(since: datetime, split: datetime, until: datetime | None = None) -> sa.Select[Any]:
    """Cases since `since`, by device, model, and whether they came after `split`; rows are those of `Seen`."""
    later = sa.case((cases.c.received_at >= split, 1), else_=0).label("later")
    unanswered = sa.func.sum(sa.case((cases.c.decision == "answer", 0), else_=1)).label("unanswered")
    query = (
        sa.select(
            cases.c.device_id,
            cases.c.model,
            later,
            sa.func.count().label("cases"),
            unanswered,
            sa.func.avg(cases.c.latency_ms).label("latency_ms"),
        )
        .where(cases.c.received_at >= since)
        .group_by(cases.c.device_id, cases.c.model, later)
    )
    return query if until is None else query.where(cases.c.received_at < until)


def seen_rows(found: Iterable[Any]) -> list[Seen]:
    """What `seen_query` gave, as mappings."""
    return [
        Seen(
            row["device_id"],
            row["model"],
            bool(row["later"]),
            int(row["cases"]),
            int(row["unanswered"]),
            float(row["latency_ms"] or 0),
        )
        for row in found
    ]


def plan_text(plan: Plan) -> str:
    """A plan as it is kept."""
    return json.dumps(msgspec.to_builtins(plan), sort_keys=True)
