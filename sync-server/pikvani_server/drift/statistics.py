"""The statistics of drift as the field defines them: PSI, the two-sample KS distance, Page-Hinkley. Pure functions.

They say how large a difference is, not whether it matters: sample size and false alarms are the business of `verdict`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EMPTY_BIN_COUNT = 0.5
"""Added to every bin when one side has an empty bin: the Jeffreys prior of a multinomial."""


def psi_terms(reference: Sequence[float], current: Sequence[float]) -> NDArray[np.float64]:
    """Terms of the population stability index, one a bin.

    `sum((c - r) * ln(c / r))` over bins, `r` and `c` being shares (Siddiqi, Credit Risk Scorecards, 2006; it is the
    symmetrised Kullback-Leibler divergence of Jeffreys 1946).

    Worked example, training 15/30/25/20/10 %, production 22/28/20/18/12 %, terms rounded to four places:
    0.07 * ln(1.4667) = 0.0268; -0.02 * ln(0.9333) = 0.0014; -0.05 * ln(0.8) = 0.0112; -0.02 * ln(0.9) = 0.0021;
    0.02 * ln(1.2) = 0.0036; sum 0.0451.

    Rule for empty bins: a bin empty on both sides is left out; if a bin is empty on one side, `EMPTY_BIN_COUNT` is
    added to each bin left, on both sides. So give counts; shares are exact only where no bin is empty.

    Args:
        reference: Counts `[bins]`, not negative, at least one above zero.
        current: As long.

    Returns:
        `[bins]`, each at least 0.

    Raises:
        ValueError: Lengths differ, a side is empty, or a count is negative or not finite.
    """
    r, c = _counts(reference), _counts(current)
    if len(r) != len(c):
        raise ValueError(f"{len(r)} reference bins and {len(c)} current bins: give the same bins")
    return psi_terms_of_rows(r[None, :], c[None, :]).reshape(-1)


def psi_terms_of_rows(reference: NDArray[np.float64], current: NDArray[np.float64]) -> NDArray[np.float64]:
    """`psi_terms` of many pairs at once, unchecked: counts `[rows, bins]` on both sides, terms `[rows, bins]`."""
    used = (reference > 0) | (current > 0)
    one_sided = np.any(used & ((reference == 0) | (current == 0)), axis=1, keepdims=True)
    added = np.where(used & one_sided, EMPTY_BIN_COUNT, 0.0)
    r, c = reference + added, current + added
    # A bin left out has share 0 on both sides; the one below keeps its logarithm finite and its term 0.
    r = np.where(used, r / r.sum(axis=1, keepdims=True), 1.0)
    c = np.where(used, c / c.sum(axis=1, keepdims=True), 1.0)
    return np.asarray((c - r) * (np.log(c) - np.log(r)), dtype=np.float64)


def psi(reference: Sequence[float], current: Sequence[float]) -> float:
    """Population stability index: the sum of `psi_terms`."""
    return float(psi_terms(reference, current).sum())


def ks_distance(reference: NDArray[np.float64], current: NDArray[np.float64]) -> float:
    """Two-sample Kolmogorov-Smirnov distance `max |F(x) - G(x)|` (Smirnov 1939) of raw values, NaN not allowed.

    Raises:
        ValueError: A side is empty.
    """
    if not len(reference) or not len(current):
        raise ValueError("a side has no values: KS needs at least one on each")
    a, b = np.sort(reference), np.sort(current)
    both = np.concatenate([a, b])
    f = np.searchsorted(a, both, side="right") / len(a)
    g = np.searchsorted(b, both, side="right") / len(b)
    return float(np.max(np.abs(f - g)))


def ks_of_histograms(reference: Sequence[float], current: Sequence[float]) -> tuple[float, float]:
    """KS distance at the bin edges, and how much the distance of the raw values may lie above it.

    Within a bin with shares f and g, `F - G` cannot exceed its value at one of the two edges by more than min(f, g):
    `F(x) - G(x) <= F(right) - G(left) = (F - G)(right) + g = (F - G)(left) + f`, and the same for `G - F`.

    Returns:
        `(distance, bound)`: the raw distance lies in `[distance, distance + bound]`.

    Raises:
        ValueError: As `psi_terms`.
    """
    r, c = _counts(reference), _counts(current)
    if len(r) != len(c):
        raise ValueError(f"{len(r)} reference bins and {len(c)} current bins: give the same bins")
    r, c = r / r.sum(), c / c.sum()
    return float(np.max(np.abs(np.cumsum(r) - np.cumsum(c)))), float(np.max(np.minimum(r, c)))


@dataclass(frozen=True)
class PageHinkleySettings:
    """Page-Hinkley's parameters; the defaults are those of river.

    Attributes:
        least_steps: No alarm before so many values since the start or the last alarm.
        delta: Change of mean that is tolerated, in the unit of the values.
        threshold: Cumulated deviation that is an alarm (lambda), in the unit of the values.
        forgetting: Factor on the sums at each step.
    """

    least_steps: int = 30
    delta: float = 0.005
    threshold: float = 50.0
    forgetting: float = 0.9999


def page_hinkley(values: Iterable[float], settings: PageHinkleySettings | None = None) -> list[int]:
    """Indices where the two-sided Page-Hinkley test alarms; it starts anew after each.

    With `d = x - mean so far`: `U = a U + d - delta`, alarm when `U - min U > lambda`; `D = a D + d + delta`, alarm
    when `max D - D > lambda` (Page 1954, Biometrika 41:100-115; Hinkley 1971; forgetting as in river's PageHinkley).
    """
    use = settings or PageHinkleySettings()
    alarms: list[int] = []
    seen, mean, up, down, least, most = 0, 0.0, 0.0, 0.0, float("inf"), float("-inf")
    for index, value in enumerate(values):
        seen += 1
        mean += (value - mean) / seen
        up = use.forgetting * up + value - mean - use.delta
        down = use.forgetting * down + value - mean + use.delta
        least, most = min(least, up), max(most, down)
        if seen >= use.least_steps and (up - least > use.threshold or most - down > use.threshold):
            alarms.append(index)
            seen, mean, up, down, least, most = 0, 0.0, 0.0, 0.0, float("inf"), float("-inf")
    return alarms


def _counts(values: Sequence[float]) -> NDArray[np.float64]:
    counts = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(counts)) or np.any(counts < 0) or counts.sum() <= 0:
        raise ValueError("counts must be finite, not negative and not all zero")
    return counts
