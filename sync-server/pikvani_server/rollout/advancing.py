"""One pass over a roll-out: take in what devices said, count out the dead, judge, and do what was decided.

All of it is one transaction with its entries in the audit log, so that a kill leaves either all or nothing of a pass.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pikvani_server.rollout import rows
from pikvani_server.rollout.judging import Compared, Next, Verdict, judge, regressed
from pikvani_server.rollout.plan import Candidate, cohort, is_for, last_step, step_name
from pikvani_server.rollout.rows import DONE, HALTED, OPEN, PAUSED, Rollout, Seen
from pikvani_server.rollout.statistics import permutation
from pikvani_server.store import Store, audit

log = logging.getLogger(__name__)

SYSTEM = "system"
WHOLE = 100
"""Percent."""
FIRST_LOOK = 30
"""Cases under the new version before what they say is looked at; then each time they have doubled."""
LEAST_CASES = 5
"""Of a device, for it to count in a comparison."""
_STATES = {"watching": "watching", "committed": "committed", "rolled_back": "rolled_back", "failed": "failed"}
_FIRM = ("committed", "rolled_back", "failed")


def advance(store: Store, number: int, now: datetime) -> Verdict:
    """One pass.

    Args:
        store: migrated.
        number: of the roll-out.
        now: UTC.

    Returns:
        What was decided.

    Raises:
        RolloutError: there is no such roll-out.
        StoreAwayError: the database is away; nothing was changed.
    """
    with store.writing("advancing a roll-out") as connection:
        rollout = rows.locked(connection, number)
        devices = rows.exposed(connection, number)
        changed = said(devices, rows.reports(connection, rollout))
        for name, values in changed.items():
            devices[name] |= values
        silent = timed_out(rollout, devices, now)
        for name, values in silent.items():
            devices[name] |= values
        rows.set_states(connection, number, changed | silent)
        if rollout.state == DONE and rollout.plan.steps[-1] == WHOLE:
            _reach_newcomers(connection, rollout, devices, now)
        if rollout.state not in OPEN:
            return Verdict(Next.WAIT, rollout.reason)
        verdict = _judge(connection, rollout, devices, now)
        _do(connection, rollout, devices, verdict, now)
    if verdict.next != Next.WAIT:
        log.warning("roll-out %d of %s: %s, %s", number, rollout.name, verdict.next, verdict.reason)
    return verdict


def said(devices: Mapping[str, Mapping[str, Any]], reports: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """New states of exposed devices, from what they reported."""
    changed: dict[str, dict[str, Any]] = {}
    for report in reports:
        row = devices.get(report["device_id"])
        if row is None:
            continue
        state = changed.get(report["device_id"], row)["state"]
        after = ""
        if row["back_number"]:
            # Told to go back: it is, once it says so of this order, or went by itself before it came.
            if report["what"] in ("rolled_back", "not_taken") and report["order_number"] in (
                row["back_number"],
                row["take_number"],
            ):
                after = "back"
        elif report["order_number"] == row["take_number"]:
            after = _STATES.get(report["what"], "")
            if state == "failed" and after == "watching":
                state = "ordered"  # a later try got further
            elif state in _FIRM and after in ("watching", "failed"):
                after = ""
        if after and after != state:
            changed[report["device_id"]] = {
                "state": after,
                "detail": report["detail"],
                "reported_at": report["received_at"],
            }
    return changed


def timed_out(rollout: Rollout, devices: Mapping[str, Mapping[str, Any]], now: datetime) -> dict[str, dict[str, Any]]:
    """Devices that leave the denominator: nothing was heard after the order, or nobody asked them anything."""
    silent: dict[str, dict[str, Any]] = {}
    plan = rollout.plan
    for name, row in devices.items():
        since = row["reported_at"] or row["ordered_at"]
        hours = {"ordered": plan.dead_hours, "watching": plan.watch_hours}.get(row["state"])
        if hours is not None and not row["back_number"] and now - since > timedelta(hours=hours):
            why = f"{row['state']} for {hours:g} hours"
            silent[name] = {"state": "timed_out", "detail": why, "reported_at": row["reported_at"]}
    return silent


def _judge(
    connection: sa.Connection, rollout: Rollout, devices: Mapping[str, Mapping[str, Any]], now: datetime
) -> Verdict:
    states = Counter(str(row["state"]) for row in devices.values())
    compared = _look(connection, rollout, devices)
    if rollout.state == PAUSED:
        why = regressed(rollout.plan, states, compared)
        return Verdict(Next.HALT, why) if why else Verdict(Next.WAIT, rollout.reason)
    return judge(rollout.plan, rollout.step, rollout.step_at, now, states, compared)


def _look(connection: sa.Connection, rollout: Rollout, devices: Mapping[str, Mapping[str, Any]]) -> Compared | None:
    """What cases say, when there are enough new ones for another look."""
    if not devices:
        return None
    count = rows.new_cases(connection, rollout)
    if count < max(FIRST_LOOK, 2 * rollout.looked_cases):
        return None
    look = rollout.looks + 1
    rows.change(connection, rollout.id, looks=look, looked_cases=count)
    query = rows.seen_query(rollout.started_at - rows.BASELINE, rollout.started_at)
    found = rows.seen_rows(connection.execute(query).mappings())
    allowed = {c.device_id for c in rows.candidates(connection) if is_for(rollout.plan, c)}
    mine, others = changes(rollout.name, devices, allowed, found)
    seed = rollout.id * 1_000 + look
    return Compared(
        look,
        permutation([c[0] for c in mine], [c[0] for c in others], seed),
        permutation([c[1] for c in mine], [c[1] for c in others], seed + 500),
    )


def changes(
    model: str, exposed: Mapping[str, Mapping[str, Any]], allowed: set[str], found: list[Seen]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """What changed on each device: share not answered, and logarithm of a case's time; exposed ones, then others.

    A device's own days before are what it is compared with, so villages may be as unlike as they are; the others, over
    the same days, take out the season.
    """
    before: dict[str, list[Seen]] = defaultdict(list)
    after: dict[str, list[Seen]] = defaultdict(list)
    for row in found:
        reached = row.device_id in exposed
        if not reached and row.device_id not in allowed:
            continue
        if row.model != model:
            (before if reached or not row.later else after)[row.device_id].append(row)
        elif reached and row.later:
            # What came under the new version before this roll-out is of an earlier one: no evidence in this.
            after[row.device_id].append(row)
    mine: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    for name in after:
        now, then = _summed(after[name]), _summed(before.get(name, []))
        if now is None or then is None:
            continue
        change = (now[0] - then[0], now[1] - then[1])
        (mine if name in exposed else others).append(change)
    return mine, others


def _summed(found: list[Seen]) -> tuple[float, float] | None:
    """Share not answered and logarithm of the mean time, or nothing where there are too few cases."""
    count = sum(row.cases for row in found)
    if count < LEAST_CASES:
        return None
    mean = sum(row.latency_ms * row.cases for row in found) / count
    return sum(row.unanswered for row in found) / count, math.log(max(1.0, mean))


def _do(
    connection: sa.Connection,
    rollout: Rollout,
    devices: Mapping[str, Mapping[str, Any]],
    verdict: Verdict,
    now: datetime,
) -> None:
    detail: dict[str, Any] = {"package": rollout.name, "reason": verdict.reason}
    match verdict.next:
        case Next.WAIT:
            if verdict.reason != rollout.reason:
                rows.change(connection, rollout.id, reason=verdict.reason)
            return
        case Next.PROMOTE:
            step = rollout.step + 1
            names = reach(rollout, devices, rows.candidates(connection), step)
            rows.expose(connection, rollout, step, names, now)
            rows.change(connection, rollout.id, step=step, step_at=now, reason=verdict.reason)
            detail |= {"step": step_name(rollout.plan, step), "devices": len(names)}
        case Next.ASK:
            rows.change(connection, rollout.id, state=PAUSED, reason=verdict.reason)
        case Next.HALT:
            detail["recalled"] = rows.recall(connection, rollout, now)
            rows.change(connection, rollout.id, state=HALTED, reason=verdict.reason, ended_at=now)
        case Next.FINISH:
            rows.change(connection, rollout.id, state=DONE, reason=verdict.reason, ended_at=now)
    action = {Next.PROMOTE: "promote", Next.ASK: "pause", Next.HALT: "halt", Next.FINISH: "finish"}[verdict.next]
    audit.append(connection, SYSTEM, f"rollout.{action}", str(rollout.id), detail, now)


def _reach_newcomers(
    connection: sa.Connection, rollout: Rollout, devices: Mapping[str, Mapping[str, Any]], now: datetime
) -> None:
    """Devices that came after a roll-out to everybody was done take its version too."""
    last = last_step(rollout.plan)
    names = reach(rollout, devices, rows.candidates(connection), last)
    if names:
        rows.expose(connection, rollout, last, names, now)
        detail = {"package": rollout.name, "devices": len(names)}
        audit.append(connection, SYSTEM, "rollout.follow", str(rollout.id), detail, now)


def reach(
    rollout: Rollout, devices: Mapping[str, Mapping[str, Any]], candidates: list[Candidate], step: int
) -> list[str]:
    """Whom a step adds: its cohort, less those reached already and those who have the version from elsewhere."""
    counted = [c for c in candidates if c.model != rollout.name or c.device_id in devices]
    return [name for name in cohort(rollout.plan, rollout.name, counted, step) if name not in devices]
