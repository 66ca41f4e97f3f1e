"""Made series whose change points are known: realistic nulls and shifts, and the two measures of the field.

The development and the test seeds are disjoint; a constant of the detector may be chosen on the first only.
F1 with a margin and covering follow van den Burg and Williams 2020 (arXiv 2003.06222), with one annotator: the maker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

DEVELOPMENT_SEEDS = range(1_000, 1_040)
TEST_SEEDS = range(9_000, 9_040)
MARGIN = 5

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class MadeSeries:
    kind: str
    values: Vector
    changes: tuple[int, ...]


def _ar(rng: np.random.Generator, n: int, phi: float) -> Vector:
    noise = rng.normal(size=n + 50)
    for i in range(1, n + 50):
        noise[i] += phi * noise[i - 1]
    return noise[50:] * np.sqrt(1 - phi**2)


def _length(rng: np.random.Generator) -> int:
    return int(np.exp(rng.uniform(np.log(40), np.log(700))))


def _places(rng: np.random.Generator, n: int, most: int) -> tuple[int, ...]:
    gap = max(8, n // 10)
    # No more than fit at random, or the search below would not end.
    count = min(int(rng.integers(1, most + 1)), max(1, (n - 2 * gap) // (2 * gap)))
    while True:
        places = np.sort(rng.integers(gap, n - gap, size=count)) if n > 2 * gap else np.array([n // 2])
        if np.all(np.diff(places) >= gap):
            return tuple(int(p) for p in places)


def _steps(rng: np.random.Generator, n: int, changes: tuple[int, ...], low: float, high: float) -> Vector:
    level = np.zeros(n)
    for at in changes:
        level[at:] += rng.choice([-1, 1]) * rng.uniform(low, high)
    return level


def _season(rng: np.random.Generator, n: int) -> Vector:
    period = int(rng.choice([4, 7, 12, 24]))
    pattern = rng.normal(size=period) * rng.uniform(1.5, 4)
    return pattern[np.arange(n) % period]


NULLS: dict[str, Callable[[np.random.Generator, int], Vector]] = {
    "white": lambda rng, n: rng.normal(size=n),
    "ar_0.3": lambda rng, n: _ar(rng, n, 0.3),
    "ar_0.6": lambda rng, n: _ar(rng, n, 0.6),
    "ar_0.9": lambda rng, n: _ar(rng, n, 0.9),
    "heavy": lambda rng, n: rng.standard_t(2.5, size=n),
    "trend": lambda rng, n: rng.normal(size=n) + np.arange(n) / n * rng.uniform(3, 15),
    "trend_ar": lambda rng, n: _ar(rng, n, 0.5) + np.arange(n) / n * rng.uniform(3, 15),
    "growth": lambda rng, n: np.exp(np.arange(n) / n * rng.uniform(0.5, 1.5)) * 10 + 0.2 * _ar(rng, n, 0.7),
    "season": lambda rng, n: rng.normal(size=n) + _season(rng, n),
    "season_trend": lambda rng, n: rng.normal(size=n) + _season(rng, n) + np.arange(n) / n * rng.uniform(3, 15),
    "wave": lambda rng, n: rng.normal(size=n) * 0.5 + 2 * np.sin(np.arange(n) * 2 * np.pi * rng.uniform(5, 8) / n),
    "walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "counts": lambda rng, n: rng.poisson(rng.uniform(1, 20), size=n).astype(float),
}


def _shifted(kind: str, rng: np.random.Generator, n: int) -> tuple[Vector, tuple[int, ...]]:
    changes = _places(rng, n, 4)
    one = changes[:1]
    x = np.arange(n)
    if kind == "level":
        return rng.normal(size=n) + _steps(rng, n, changes, 2, 8), changes
    if kind == "level_small":
        return rng.normal(size=n) + _steps(rng, n, one, 1, 2), one
    if kind == "level_ar":
        return _ar(rng, n, rng.uniform(0.3, 0.8)) + _steps(rng, n, changes, 3, 8), changes
    if kind == "level_spikes":
        spikes = (rng.random(n) < 0.02) * rng.choice([-1, 1], size=n) * rng.uniform(8, 20, size=n)
        return rng.normal(size=n) + spikes + _steps(rng, n, changes, 2, 8), changes
    if kind == "level_season":
        return rng.normal(size=n) + _season(rng, n) + _steps(rng, n, one, 4, 10), one
    if kind == "level_trend":
        return rng.normal(size=n) + x / n * rng.uniform(3, 10) + _steps(rng, n, one, 4, 10), one
    if kind == "level_counts":
        return rng.poisson(np.maximum(0.5, 10 + _steps(rng, n, changes, 6, 15))).astype(float), changes
    if kind == "slope":
        bend = np.maximum(0, x - one[0]) / (n - one[0]) * rng.uniform(8, 30) * rng.choice([-1, 1])
        return 0.7 * _ar(rng, n, 0.4) + bend + x / n * rng.uniform(-5, 5), one
    if kind == "slopes_smooth":
        slope = np.repeat(rng.normal(size=len(changes) + 1) * 3, np.diff([0, *changes, n]))
        walk = np.cumsum(slope) / n * 20
        return walk + _ar(rng, n, 0.8) * 0.02 * np.ptp(walk), changes
    if kind == "spread":
        return rng.normal(size=n) * np.where(x >= one[0], rng.choice([0.25, 3.0, 4.0]), 1.0), one
    raise ValueError(kind)


SHIFTS = (
    "level",
    "level_small",
    "level_ar",
    "level_spikes",
    "level_season",
    "level_trend",
    "level_counts",
    "slope",
    "slopes_smooth",
    "spread",
)


def made(seeds: range) -> Iterator[MadeSeries]:
    """One series of every kind for every seed."""
    for seed in seeds:
        for number, (kind, make) in enumerate(NULLS.items()):
            rng = np.random.default_rng([seed, number])
            yield MadeSeries(kind, make(rng, _length(rng)), ())
        for number, kind in enumerate(SHIFTS):
            rng = np.random.default_rng([seed, 100 + number])
            values, changes = _shifted(kind, rng, _length(rng))
            yield MadeSeries(kind, values, changes)


def f1(truth: tuple[int, ...], alarms: list[int], margin: int = MARGIN) -> float:
    """F1 with a margin; step 0 counts as a change in both, so silence on a null is 1."""
    true = {0, *truth}
    said = {0, *alarms}
    hits = matched(true, said, margin)
    precision, recall = hits / len(said), hits / len(true)
    return 2 * precision * recall / (precision + recall)


def matched(true: set[int], said: set[int], margin: int) -> int:
    """How many true changes have an alarm within the margin, each alarm used once."""
    free, hits = set(said), 0
    for t in sorted(true):
        near = [s for s in free if abs(s - t) <= margin]
        if near:
            hits += 1
            free.remove(min(near, key=lambda s: abs(s - t)))
    return hits


def covering(truth: tuple[int, ...], alarms: list[int], n: int) -> float:
    """Mean over the true pieces, by length, of the best Jaccard overlap with a piece of ours."""

    def pieces(changes: list[int] | tuple[int, ...]) -> list[tuple[int, int]]:
        edges = sorted({0, *changes, n})
        return list(pairwise(edges))

    total = 0.0
    for a, b in pieces(truth):
        best = 0.0
        for c, d in pieces(alarms):
            both = max(0, min(b, d) - max(a, c))
            best = max(best, both / (b - a + d - c - both))
        total += (b - a) * best
    return total / n
