"""How a roll-out goes: to whom, in which steps, and what must be shown before the next. Rules only."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from pikvani_server.errors import ServerError

Share = Annotated[float, Meta(ge=0, le=1)]


class RolloutError(ServerError):
    """What was asked of a roll-out cannot be done; the message says why and what to do."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A roll-out's plan, kept with it.

    Attributes:
        steps: percent of the devices it is for, rising; the first is the canary. Ends where the last one says.
        districts: only these; all if empty.
        kinds: only these machines (hardware); all if empty.
        tags: only devices with one of these tags; all if empty.
        canary_tag: devices with this tag come before the first percentage; none if empty.
        soak_hours: a step lasts at least so long.
        proven_share: of the devices that are alive, so many must have committed before the next step.
        most_bad_share: more devices than this share gone back, and a person must look.
        dead_hours: a device that said nothing for so long after its order does not count any more.
        watch_hours: nor does one that still watches after so long: nobody asked it anything.
        most_dead_share: more silent devices than this share, and a person must look.
        bad_rate: share of devices that may go back from a healthy version.
        worse_unanswered: cases not answered may rise by this share before it matters.
        slower: and the time of a case by this factor.
        alpha: chance that a healthy version is halted by mistake, over the whole roll-out.
    """

    steps: Annotated[tuple[Annotated[float, Meta(gt=0, le=100)], ...], Meta(min_length=1, max_length=20)] = (
        1,
        5,
        20,
        50,
        100,
    )
    districts: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    canary_tag: str = ""
    soak_hours: Annotated[float, Meta(ge=0)] = 24.0
    proven_share: Share = 0.8
    most_bad_share: Share = 0.1
    dead_hours: Annotated[float, Meta(gt=0)] = 72.0
    watch_hours: Annotated[float, Meta(gt=0)] = 336.0
    most_dead_share: Share = 0.5
    bad_rate: Annotated[float, Meta(gt=0, lt=1)] = 0.02
    worse_unanswered: Share = 0.05
    slower: Annotated[float, Meta(gt=1)] = 1.3
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 0.01


def checked(plan: Plan) -> Plan:
    """The plan, if its steps rise.

    Raises:
        RolloutError: they do not.
    """
    if any(after <= before for before, after in zip(plan.steps, plan.steps[1:], strict=False)):
        raise RolloutError(f"steps {', '.join(f'{s:g}' for s in plan.steps)} do not rise: give for example 1,5,20,100")
    return plan


@dataclass(frozen=True)
class Candidate:
    """A device a roll-out could be for.

    Attributes:
        device_id: whose.
        district: where it stands.
        kind: what machine it is.
        tags: what people call it.
        model: what it said it runs, `name@version`.
    """

    device_id: str
    district: str = ""
    kind: str = ""
    tags: frozenset[str] = frozenset()
    model: str = ""


def is_for(plan: Plan, device: Candidate) -> bool:
    """Whether the plan's filters name this device."""
    return (
        (not plan.districts or device.district in plan.districts)
        and (not plan.kinds or device.kind in plan.kinds)
        and (not plan.tags or not device.tags.isdisjoint({*plan.tags, *filter(None, [plan.canary_tag])}))
    )


def rank(salt: str, device_id: str) -> bytes:
    """Where a device stands in the order of a roll-out: the same for ever, and unlike for each version."""
    return hashlib.blake2b(f"{salt}/{device_id}".encode(), digest_size=8).digest()


def last_step(plan: Plan) -> int:
    """The number of the last step, from 0."""
    return len(plan.steps) - 1 + bool(plan.canary_tag)


def step_name(plan: Plan, step: int) -> str:
    """What a step is called."""
    if step < 0:
        return "before the first step"
    if plan.canary_tag and step == 0:
        return f"canary (tag {plan.canary_tag})"
    return f"{plan.steps[step - bool(plan.canary_tag)]:g}%"


def cohort(plan: Plan, salt: str, devices: Iterable[Candidate], step: int) -> list[str]:
    """Whom a roll-out reaches with a step: canaries first, then by rank until the percentage is full.

    Args:
        plan: whose filters count.
        salt: names the version.
        devices: all there are; those the plan is not for are passed over.
        step: from 0.

    Returns:
        Device ids; each step's hold those of the step before, as long as the same devices are given.
    """
    chosen = [d for d in devices if is_for(plan, d)]
    canary = bool(plan.canary_tag)
    tagged = {d.device_id for d in chosen if plan.canary_tag in d.tags} if canary else set()
    order = sorted((d.device_id for d in chosen), key=lambda name: (name not in tagged, rank(salt, name)))
    if canary and step == 0:
        return order[: len(tagged)]
    percent = plan.steps[step - canary]
    return order[: max(len(tagged), math.ceil(len(order) * percent / 100 - 1e-9))]
