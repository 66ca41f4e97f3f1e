"""What pages and the command line show of roll-outs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from pikvani_server.rollout import rows
from pikvani_server.rollout.plan import last_step, step_name
from pikvani_server.rollout.rows import Rollout
from pikvani_server.store import Store
from pikvani_server.store.schema_audit import audit_log
from pikvani_server.store.schema_rollout import rollout_devices, update_reports

STATES = ("ordered", "watching", "committed", "failed", "rolled_back", "timed_out", "recalled", "back")


def overview(store: Store, limit: int = 50) -> list[dict[str, Any]]:
    """Roll-outs, the newest first, each with its devices by state; see `one`."""
    found = rows.latest(store, limit)
    counts = _counts(store, [rollout.id for rollout in found])
    return [_shown(rollout, counts.get(rollout.id, {})) for rollout in found]


def one(store: Store, number: int) -> dict[str, Any]:
    """One roll-out: its plan, where it stands, its devices by state and by step, and what was done to it.

    Raises:
        RolloutError: there is none.
    """
    rollout = rows.get(store, number)
    shown = _shown(rollout, _counts(store, [number]).get(number, {}))
    table = rollout_devices
    by_step = (
        sa.select(table.c.step, table.c.state, sa.func.count().label("count"))
        .where(table.c.rollout_id == number)
        .group_by(table.c.step, table.c.state)
    )
    steps: dict[int, dict[str, int]] = {}
    for row in store.read("counting devices of a roll-out", by_step):
        steps.setdefault(row["step"], {})[row["state"]] = row["count"]
    shown["steps"] = [
        {"step": step, "name": step_name(rollout.plan, step), "states": steps.get(step, {})}
        for step in range(last_step(rollout.plan) + 1)
    ]
    acts = (
        sa.select(audit_log.c.at, audit_log.c.actor, audit_log.c.action, audit_log.c.detail)
        .where(audit_log.c.subject == str(number), audit_log.c.action.like("rollout.%"))
        .order_by(audit_log.c.number)
    )
    shown["acts"] = store.read("reading what was done to a roll-out", acts)
    return shown


def devices(store: Store, number: int, state: str = "", limit: int = 200) -> list[dict[str, Any]]:
    """Devices a roll-out reached, those in trouble first."""
    table = rollout_devices
    order = sa.case({name: place for place, name in enumerate(_BY_TROUBLE)}, value=table.c.state, else_=99)
    query = sa.select(table).where(table.c.rollout_id == number)
    query = query.where(table.c.state == state) if state else query
    return store.read("listing devices of a roll-out", query.order_by(order, table.c.device_id).limit(limit))


def reports(store: Store, device_id: str, limit: int = 50) -> list[dict[str, Any]]:
    """What one device said of its updates, latest first."""
    table = update_reports
    query = sa.select(table).where(table.c.device_id == device_id).order_by(table.c.received_at.desc()).limit(limit)
    return store.read("reading update reports", query)


_BY_TROUBLE = ("rolled_back", "failed", "recalled", "timed_out", "ordered", "watching", "back", "committed")


def _counts(store: Store, numbers: list[int]) -> dict[int, dict[str, int]]:
    table = rollout_devices
    query = (
        sa.select(table.c.rollout_id, table.c.state, sa.func.count().label("count"))
        .where(table.c.rollout_id.in_(numbers))
        .group_by(table.c.rollout_id, table.c.state)
    )
    found: dict[int, dict[str, int]] = {}
    for row in store.read("counting devices of roll-outs", query):
        found.setdefault(row["rollout_id"], {})[row["state"]] = row["count"]
    return found


def _shown(rollout: Rollout, states: dict[str, int]) -> dict[str, Any]:
    alive = sum(count for state, count in states.items() if state != "timed_out")
    times: dict[str, datetime | None] = {
        "step_at": rollout.step_at,
        "started_at": rollout.started_at,
        "ended_at": rollout.ended_at,
    }
    return {
        "id": rollout.id,
        "package": rollout.package,
        "version": rollout.version,
        "sha256": rollout.sha256,
        "state": rollout.state,
        "step": rollout.step,
        "step_name": step_name(rollout.plan, rollout.step),
        "reason": rollout.reason,
        "started_by": rollout.started_by,
        "plan": msgspec.to_builtins(rollout.plan),
        "states": {state: states.get(state, 0) for state in STATES},
        "exposed": sum(states.values()),
        "alive": alive,
        "silent": states.get("timed_out", 0),
        "looks": rollout.looks,
        **times,
    }
