"""Shall a roll-out go on, wait, ask a person, or stop? Rules over counts and evidence; reads nothing, decides alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pikvani_server.rollout.plan import Plan, last_step, step_name
from pikvani_server.rollout.statistics import Difference, spent, too_many_bad

ALIVE = ("ordered", "watching", "committed", "failed", "rolled_back")
BAD = ("failed", "rolled_back")


class Next(StrEnum):
    """What is to be done with a roll-out."""

    WAIT = "wait"
    PROMOTE = "promote"
    ASK = "ask"
    HALT = "halt"
    FINISH = "finish"


@dataclass(frozen=True)
class Verdict:
    """What is to be done, and why: one line for the record."""

    next: Next
    reason: str


@dataclass(frozen=True)
class Compared:
    """Cases of exposed devices against those of the others, over the same days.

    Attributes:
        look: which look at them this is, from 1.
        unanswered: change of the share of cases not answered, exposed against others.
        latency: change of the logarithm of the median time of a case, likewise.
    """

    look: int
    unanswered: Difference
    latency: Difference


def judge(
    plan: Plan, step: int, step_at: datetime, now: datetime, states: Mapping[str, int], compared: Compared | None
) -> Verdict:
    """Judge a running roll-out.

    Args:
        plan: its rules.
        step: which step it is at, -1 before the first.
        step_at: since when.
        now: UTC.
        states: exposed devices by state.
        compared: what cases say, if it is time to look.
    """
    if why := regressed(plan, states, compared):
        return Verdict(Next.HALT, why)
    if step < 0:
        return Verdict(Next.PROMOTE, f"to {step_name(plan, 0)}")
    alive = sum(states.get(state, 0) for state in ALIVE)
    bad = sum(states.get(state, 0) for state in BAD)
    proven, dead = states.get("committed", 0), states.get("timed_out", 0)
    pending = alive - bad - proven
    if not alive + dead:
        # A step may add nobody: a small fleet, or a tag nobody has.
        return _onward(plan, step, "it reached nobody")
    if now - step_at < timedelta(hours=plan.soak_hours):
        return Verdict(Next.WAIT, f"{proven} of {alive} have proven it; the step lasts {plan.soak_hours:g} hours")
    enough = max(1, math.ceil(plan.proven_share * alive - 1e-9))
    if dead > plan.most_dead_share * (alive + dead):
        return Verdict(Next.ASK, f"{dead} of {alive + dead} devices have not been heard of; look at them, then resume")
    if bad > plan.most_bad_share * alive and (pending == 0 or bad > alive - enough):
        return Verdict(Next.ASK, f"{bad} of {alive} devices went back or failed; look why, then resume or abort")
    if proven < enough:
        return Verdict(Next.WAIT, f"{proven} of {alive} have proven it, {enough} are needed")
    return _onward(plan, step, f"{proven} of {alive} have proven it" + (f", {dead} silent" if dead else ""))


def regressed(plan: Plan, states: Mapping[str, int], compared: Compared | None) -> str:
    """Why a version must go from everywhere, or nothing.

    Half of `plan.alpha` is for devices that go back, shared evenly by the steps; half for what cases say, shared by two
    questions and all looks.
    """
    exposed = sum(states.values())
    bad = sum(states.get(state, 0) for state in BAD)
    if too_many_bad(bad, exposed, plan.bad_rate, plan.alpha / 2 / (last_step(plan) + 1)):
        return f"{bad} of {exposed} devices went back or failed, where a healthy version has {plan.bad_rate:.0%}"
    if compared is None:
        return ""
    level = spent(plan.alpha / 4, compared.look)
    rise = compared.unanswered
    if rise.p <= level and rise.difference > plan.worse_unanswered:
        return (
            f"cases not answered rose by {rise.difference:.0%} more than on {rise.devices[1]} devices without it "
            f"(p = {rise.p:.2g})"
        )
    slower = compared.latency
    if slower.p <= level and slower.difference > math.log(plan.slower):
        return f"a case takes {math.exp(slower.difference):.1f} times as long as without it (p = {slower.p:.2g})"
    return ""


def _onward(plan: Plan, step: int, why: str) -> Verdict:
    if step >= last_step(plan):
        return Verdict(Next.FINISH, why)
    return Verdict(Next.PROMOTE, f"to {step_name(plan, step + 1)}: {why}")
