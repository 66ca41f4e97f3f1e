"""The tests a roll-out is judged by. Each says which mistake it bounds; counts and numbers in, probabilities out.

Cases of one device are alike (one village, one camera), so the unit is the device, never the case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 20_000
"""Assignments drawn for a permutation test; its smallest p is one in so many."""
_CHUNK = 500
_MOST_CONTROLS = 2_000


def at_least(k: int, n: int, p: float) -> float:
    """Exact binomial probability of `k` or more of `n` at rate `p`."""
    if k <= 0:
        return 1.0
    terms = (_log_choose(n, i) + i * math.log(p) + (n - i) * math.log1p(-p) for i in range(k, n + 1))
    return min(1.0, sum(map(math.exp, terms)))


def too_many_bad(bad: int, exposed: int, rate: float, alpha: float) -> bool:
    """Whether so many of the exposed devices went back that the rate of a healthy version is refuted.

    The number of exposed devices is fixed for a step and the bad among them can only grow, up to a number that is
    binomial: looking at it any number of times is one test. What is spent is `alpha`, for each step.
    """
    return bad > 0 and at_least(bad, exposed, rate) <= alpha


def spent(alpha: float, look: int) -> float:
    """The share of `alpha` the `look`-th look (from 1) may spend; over all looks the sum is `alpha`."""
    return alpha / (look * (look + 1))


@dataclass(frozen=True)
class Difference:
    """Two groups of devices compared.

    Attributes:
        first: mean of the first group.
        second: mean of the second.
        low: lower end of the 95% interval of first minus second (bootstrap over devices).
        high: its upper end.
        p: probability of a difference as large, were the devices dealt out by chance.
        devices: in each group.
    """

    first: float
    second: float
    low: float
    high: float
    p: float
    devices: tuple[int, int]

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.first - self.second


def permutation(first: Sequence[float], second: Sequence[float], seed: int, two_sided: bool = False) -> Difference:
    """Whether the first group's mean is higher (or, two-sided, other) than if devices were dealt out by chance.

    A device's place in a roll-out is a hash, so the devices *were* dealt out by chance, and the test is exact: under
    no difference, p is at most any x with probability x. Draws are repeatable through `seed`.

    Args:
        first: one number a device.
        second: likewise, of the other group.
        seed: of the draws.
        two_sided: also count differences the other way.
    """
    rng = np.random.default_rng(seed)
    a, b = np.asarray(first, float), np.asarray(second, float)
    if len(b) > _MOST_CONTROLS:
        b = rng.choice(b, _MOST_CONTROLS, replace=False)
    n, m = len(a), len(b)
    if not n or not m:
        return Difference(_mean(a), _mean(b), -math.inf, math.inf, 1.0, (n, m))
    pool = np.concatenate([a, b])
    total, observed = pool.sum(), a.mean() - b.mean()
    few = min(n, m)
    as_extreme = 0
    for start in range(0, DRAWS, _CHUNK):
        rows = min(_CHUNK, DRAWS - start)
        picked = np.argpartition(rng.random((rows, n + m)), few - 1, axis=1)[:, :few]
        sums = pool[picked].sum(axis=1)
        mine = sums if few == n else total - sums
        drawn = mine / n - (total - mine) / m
        slack = 1e-12 * (1 + abs(observed))
        as_extreme += int((np.abs(drawn) >= abs(observed) - slack if two_sided else drawn >= observed - slack).sum())
    low, high = _bootstrap(a, b, rng)
    return Difference(float(a.mean()), float(b.mean()), low, high, (1 + as_extreme) / (1 + DRAWS), (n, m))


def holm(ps: Sequence[float]) -> list[float]:
    """The p-values, corrected for asking several questions (Holm)."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    corrected, highest = [1.0] * len(ps), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, ps[index] * (len(ps) - place)))
        corrected[index] = highest
    return corrected


def _bootstrap(a: NDArray[np.float64], b: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    draws = 1_000
    means = [rng.choice(x, (draws, len(x))).mean(axis=1) for x in (a, b)]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return float(low), float(high)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
