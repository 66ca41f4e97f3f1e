"""Two models on live cases: an A/B comparison whose unit is the device."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from pikvani_server.rollout import rows
from pikvani_server.rollout.advancing import LEAST_CASES
from pikvani_server.rollout.plan import RolloutError
from pikvani_server.rollout.statistics import Difference, holm, permutation
from pikvani_server.store import Store

LEAST_DEVICES = 5
"""On each side; with fewer no difference could be called one."""


@dataclass(frozen=True)
class Metric:
    """One question asked of both models.

    Attributes:
        name: `unanswered` (share of cases) or `latency_ms` (geometric mean of devices' means).
        compared: the test, first model minus second; of logarithms for latency.
        p: corrected for the number of questions (Holm), two-sided.
    """

    name: str
    compared: Difference
    p: float


@dataclass(frozen=True)
class Comparison:
    """Two models over the same days, on the devices that ran one of them and not the other."""

    models: tuple[str, str]
    since: datetime
    until: datetime
    devices: tuple[int, int]
    cases: tuple[int, int]
    both: int
    metrics: tuple[Metric, ...]


def compare(store: Store, first: str, second: str, since: datetime, until: datetime) -> Comparison:
    """Compare two models on live cases.

    A device that ran both is left out: when it changed is not chance. Between devices a roll-out chose by hash, the
    comparison is that of a randomised trial; between others it is only an observation.

    Raises:
        RolloutError: too few devices ran either.
    """
    found = rows.seen_rows(store.read("comparing two models", rows.seen_query(since, since, until)))
    by_device: dict[str, dict[str, tuple[int, int, float]]] = defaultdict(dict)
    for row in found:
        if row.model in (first, second):
            count, missed, time = by_device[row.device_id].get(row.model, (0, 0, 0.0))
            total = (count + row.cases, missed + row.unanswered, time + row.latency_ms * row.cases)
            by_device[row.device_id][row.model] = total
    groups: tuple[list[tuple[int, int, float]], list[tuple[int, int, float]]] = ([], [])
    both = 0
    for models in by_device.values():
        if len(models) == 2:
            both += 1
            continue
        ((model, counts),) = models.items()
        if counts[0] >= LEAST_CASES:
            groups[model == second].append(counts)
    if min(map(len, groups)) < LEAST_DEVICES:
        raise RolloutError(
            f"{len(groups[0])} devices ran only {first} and {len(groups[1])} only {second}: {LEAST_DEVICES} of each, "
            f"with {LEAST_CASES} cases, are needed; take a longer time or a larger cohort"
        )
    shares = [[missed / count for count, missed, _ in group] for group in groups]
    times = [[math.log(max(1.0, time / count)) for count, _, time in group] for group in groups]
    seed = int(since.timestamp())
    tests = (
        permutation(shares[0], shares[1], seed, two_sided=True),
        permutation(times[0], times[1], seed + 1, two_sided=True),
    )
    ps = holm([test.p for test in tests])
    metrics = tuple(Metric(*each) for each in zip(("unanswered", "latency_ms"), tests, ps, strict=True))
    totals = [sum(count for count, _, _ in group) for group in groups]
    return Comparison(
        (first, second), since, until, (len(groups[0]), len(groups[1])), (totals[0], totals[1]), both, metrics
    )
