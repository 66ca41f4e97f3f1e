"""Stand-ins of the real series people annotate: economy, counts, sensors, prices, image lines; five annotators each.

All of it is drawn from random numbers. Annotators see what is plain and differ over the rest, in whether and in where.
F1 and covering over several annotators follow van den Burg and Williams 2020 (arXiv 2003.06222): an alarm is right if
any annotator marked it, recall and covering are means over annotators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from tests.server.drift.made_series import MARGIN, covering, matched

DEVELOPMENT_SEEDS = range(2_000, 2_008)
TEST_SEEDS = range(8_000, 8_012)
_STRICTNESS = (0.3, 0.45, 0.55, 0.65, 0.8)

Vector = NDArray[np.float64]
Random = np.random.Generator


@dataclass(frozen=True)
class Event:
    """Something an annotator may mark: where, how plain (0 to 1), and whether it has no sharp edge."""

    at: int
    plain: float
    gradual: bool = False


Made = tuple[Vector, list[Event]]


@dataclass(frozen=True)
class Annotated:
    """A series and what each annotator marked in it."""

    kind: str
    values: Vector
    annotations: tuple[tuple[int, ...], ...]


def _noise(rng: Random, n: int, phi: float, deviation: float = 1.0) -> Vector:
    noise = rng.normal(size=n + 100)
    for i in range(1, n + 100):
        noise[i] += phi * noise[i - 1]
    return np.asarray(noise[100:] * np.sqrt(1 - phi**2) * deviation)


def _length(rng: Random, low: int, high: int) -> tuple[int, Vector]:
    n = int(rng.integers(low, high))
    return n, np.arange(n, dtype=float)


def _bend(x: Vector, at: int, slope: float) -> Vector:
    return np.maximum(0.0, x - at) * slope


def _month(x: Vector, height: float = 1.0) -> Vector:
    return np.asarray(height * np.sin(2 * np.pi * x / 12))


def river_flow(rng: Random) -> Made:
    """A century of a river, with one drop."""
    n, x = _length(rng, 90, 120)
    at = int(rng.integers(20, 40))
    return np.round(1100 + _noise(rng, n, 0.2, 130) - (x >= at) * rng.uniform(200, 280)), [Event(at, 0.8)]


def yearly_output(rng: Random) -> Made:
    """Growth by compound interest with one crisis of a few years."""
    n, _ = _length(rng, 40, 60)
    at, years = int(rng.integers(22, n - 12)), int(rng.integers(2, 4))
    growth = rng.normal(0.03, 0.012, size=n)
    growth[at : at + years] = rng.uniform(-0.12, -0.05)
    return np.round(np.exp(np.cumsum(growth)) * 4e10), [Event(at, 0.75), Event(at + years, 0.6)]


def calm_output(rng: Random) -> Made:
    """Growth without a crisis."""
    n, _ = _length(rng, 45, 60)
    return np.round(np.exp(np.cumsum(_noise(rng, n, 0.3, 0.02) + 0.03)) * 2e12), []


def family_size(rng: Random) -> Made:
    """A smooth decline with two bends."""
    n, _ = _length(rng, 50, 62)
    first = int(rng.integers(10, 20))
    second = first + int(rng.integers(12, 22))
    slopes = rng.uniform(-0.02, 0.05), rng.uniform(-0.18, -0.09), rng.uniform(-0.03, -0.01)
    slope = np.repeat(slopes, np.diff([0, first, second, n]))
    smooth = np.convolve(np.pad(slope, 2, mode="edge"), np.ones(5) / 5, "valid")
    values = np.round(5.5 + np.cumsum(smooth) + rng.normal(size=n) * 0.005, 4)
    return values, [Event(first, 0.7, True), Event(second, 0.7, True)]


def carbon_dioxide(rng: Random) -> Made:
    """A rising curve with a season and no change."""
    n, x = _length(rng, 200, 420)
    return np.round(315 + x * 0.12 + x**2 * 1e-4 + _month(x, 3) + _noise(rng, n, 0.6, 0.35), 2), []


def unemployed(rng: Random) -> Made:
    """Slow cycles; people differ over turning points."""
    n, x = _length(rng, 150, 220)
    points, levels = [0], [5.0]
    direction = float(rng.choice([-1, 1]))
    while points[-1] < n:
        points.append(points[-1] + int(rng.integers(25, 60)))
        levels.append(max(2.5, levels[-1] + direction * rng.uniform(1.2, 3)))
        direction = -direction
    values = np.interp(x, points, levels) * 1000 + _noise(rng, n, 0.7, 60) + _month(x, 120)
    return np.round(values), [Event(p, 0.45, True) for p in points[1:] if p < n - 8]


def passengers(rng: Random) -> Made:
    """Growth, a season that grows along, one shock that wears off."""
    n, x = _length(rng, 300, 470)
    at = int(n * rng.uniform(0.4, 0.75))
    months = rng.normal(size=12) * 0.1
    logarithm = x * rng.uniform(0.0005, 0.0015) + months[np.arange(n) % 12] + _noise(rng, n, 0.6, 0.04)
    logarithm[at:] -= rng.uniform(0.25, 0.45) * np.exp(-np.arange(n - at) / rng.uniform(25, 60))
    return np.round(np.exp(logarithm) * 1.8e6), [Event(at, 0.6)]


def casualties(rng: Random) -> Made:
    """A season with two laws in it."""
    n, x = _length(rng, 180, 200)
    first, second = int(rng.integers(60, 80)), int(rng.integers(145, 165))
    months = np.array([0, -180, -90, -200, -80, -120, -20, -10, 60, 150, 320, 480.0])
    drops = (x >= first) * rng.uniform(100, 220) + (x >= second) * rng.uniform(300, 450)
    values = 1750 + months[np.arange(n) % 12] + _noise(rng, n, 0.3, 110) - drops
    return np.round(values), [Event(first, 0.4), Event(second, 0.8)]


def drill_log(rng: Random) -> Made:
    """Many levels, and outliers to one side."""
    n, _ = _length(rng, 500, 700)
    level, at, events = np.zeros(n), 0, []
    while at < n:
        piece = int(rng.integers(20, 110))
        level[at : at + piece] = rng.normal() * 1.2
        if 0 < at < n - 5:
            events.append(Event(at, min(1.0, 0.35 + 0.5 * abs(level[at] - level[at - 1]))))
        at += piece
    outliers = (rng.random(n) < 0.02) * rng.exponential(4, size=n)
    return np.round(115_000 + 8000 * (level + _noise(rng, n, 0.2, 0.12) - outliers), 2), events


def share_price(rng: Random) -> Made:
    """A wandering price with one crash of some days."""
    n, _ = _length(rng, 500, 620)
    at = int(rng.integers(150, n - 100))
    steps = rng.standard_t(4, size=n) * 0.012 + 0.0006
    steps[at : at + 3] -= rng.uniform(0.08, 0.15)
    return np.round(np.exp(np.cumsum(steps)) * 20, 2), [Event(at, 0.6)]


def oil_price(rng: Random) -> Made:
    """A wandering price with one long slump."""
    n, _ = _length(rng, 350, 500)
    at, weeks = int(rng.integers(120, 200)), int(rng.integers(20, 35))
    steps = rng.normal(size=n) * 0.02
    steps[at : at + weeks] -= rng.uniform(0.03, 0.05)
    return np.round(np.exp(np.cumsum(steps)) * 70, 2), [Event(at, 0.6, True), Event(at + weeks, 0.6, True)]


def exchange_rate(rng: Random) -> Made:
    """Held, let go within weeks, held again elsewhere."""
    n, x = _length(rng, 220, 260)
    at, weeks = int(n * rng.uniform(0.5, 0.75)), int(rng.integers(6, 12))
    jump = np.interp(x, [at, at + weeks], [0, rng.uniform(40, 55)])
    return np.round(75 + 0.6 * np.cumsum(rng.normal(size=n) * 0.9) + jump, 2), [Event(at, 0.8), Event(at + weeks, 0.6)]


def paces(rng: Random) -> Made:
    """A runner's fast and slow laps, off and on, as a slightly smoothing watch saw them."""
    n, _ = _length(rng, 350, 390)
    level, at, fast, events = np.zeros(n), 0, False, []
    while at < n:
        piece = int(rng.integers(20, 40) if fast else rng.integers(25, 70))
        level[at : at + piece] = rng.uniform(3.8, 4.6) if fast else rng.uniform(5.5, 6.5)
        events += [Event(at, 0.75)] if 0 < at < n - 5 else []
        at, fast = at + piece, not fast
    smooth = np.convolve(np.pad(level, 1, mode="edge"), np.ones(3) / 3, "valid")
    return np.round(smooth + _noise(rng, n, 0.6, 0.22), 2), events


def image_line(rng: Random) -> Made:
    """Grey values along one line of a picture: edges between textures."""
    n, _ = _length(rng, 430, 490)
    places = np.cumsum(rng.integers(40, 120, size=6))
    places = places[places < n - 25]
    values, last = np.zeros(n), 125.0
    for start, end in pairwise([0, *places.tolist(), n]):
        last = (last + rng.uniform(45, 175)) % 190 + 30
        values[start:end] = last + _noise(rng, end - start, 0.7, rng.uniform(2, 14))
    return np.clip(np.round(values), 0, 255), [Event(int(p), 0.9) for p in places]


def home_runs(rng: Random) -> Made:
    """Yearly counts that grow, with two jumps."""
    n, x = _length(rng, 105, 118)
    first, second = int(rng.integers(18, 24)), int(rng.integers(44, 52))
    jumps = (x >= first) * rng.uniform(35, 55) + (x >= second) * rng.uniform(40, 60)
    values = np.maximum(5, 25 + x * 0.2 + jumps + _noise(rng, n, 0.4, 18))
    return np.round(values), [Event(first, 0.75), Event(second, 0.65)]


def epidemics(rng: Random) -> Made:
    """Weekly cases, every second year more of them, until a vaccine."""
    n, x = _length(rng, 800, 990)
    at = int(n * rng.uniform(0.5, 0.65))
    waves = 1.3 * np.sin(2 * np.pi * x / 52) + np.sin(np.pi * x / 52) + _noise(rng, n, 0.8, 0.4)
    return np.round(np.exp(waves) * 3000 * np.where(x < at, 1, 0.25)), [Event(at, 0.75, True)]


def treaty(rng: Random) -> Made:
    """Yearly tons, level and then falling, at last to nothing."""
    n, x = _length(rng, 50, 56)
    at = int(rng.integers(26, 32))
    values = np.maximum(1.3e6 - _bend(x, at, rng.uniform(7e4, 12e4)), 6e3) + rng.normal(size=n) * 3e4
    return np.round(values), [Event(at, 0.8, True)]


def tourists(rng: Random) -> Made:
    """A strong season that grows along, and growth that begins."""
    n, x = _length(rng, 150, 200)
    at = int(n * rng.uniform(0.5, 0.7))
    months = np.array([0.35, 0.4, 0.5, 0.55, 0.8, 1.4, 2.1, 2.2, 1.2, 0.75, 0.5, 0.45])[np.arange(n) % 12]
    growth = np.exp(0.003 * x + _bend(x, at, 0.014) + rng.normal(size=n) * 0.05)
    return np.round(18_000 * growth * months), [Event(at, 0.7, True)]


def miners(rng: Random) -> Made:
    """A century up and down, with years that nobody counted."""
    n, x = _length(rng, 100, 110)
    at = int(rng.integers(44, 56))
    values = 800 + x * 5 - _bend(x, at, rng.uniform(22, 30)) + np.cumsum(rng.normal(size=n) * 8)
    values[rng.choice(np.arange(3, n - 3), 4, replace=False)] = np.nan
    return np.round(np.maximum(values, 20) * 1000), [Event(at, 0.8, True)]


def debt(rng: Random) -> Made:
    """Two dozen years: calm, steep, calm."""
    n, x = _length(rng, 20, 24)
    at = int(rng.integers(10, 13))
    steep = _bend(x, at, rng.uniform(14_000, 22_000)) - _bend(x, at + 5, rng.uniform(12_000, 14_000))
    values = 45_000 + x * rng.uniform(0, 800) + steep + rng.normal(size=n) * 900
    return np.round(values), [Event(at, 0.85), Event(at + 5, 0.6, True)]


def till(rng: Random) -> Made:
    """Money a working day: weekdays, wild days, no change."""
    n, _ = _length(rng, 400, 700)
    return np.round(rng.standard_t(3, size=n) * 5e5 + (rng.normal(size=5) * 4e5)[np.arange(n) % 5]), []


def stocks(rng: Random) -> Made:
    """Growth with a little season, and a year in which it fell."""
    n, x = _length(rng, 300, 330)
    at, months = int(rng.integers(180, 220)), int(rng.integers(10, 14))
    fall = np.interp(x, [at, at + months], [0, rng.uniform(180, 230)])
    values = 780 + x * 2.9 + _month(x, 12) + _noise(rng, n, 0.9, 8) - fall
    return np.round(values * 1000), [Event(at, 0.75), Event(at + months, 0.7)]


def people(rng: Random) -> Made:
    """A curve that is nearly a line, and no change."""
    n, x = _length(rng, 300, 816)
    curve = 156_000 + x * 210 + 3000 * np.sin(np.pi * x / n) + _month(x, 40)
    return np.round(curve + _noise(rng, n, 0.9, 60)), []


def daily_counts(rng: Random) -> Made:
    """Weekdays, more spread than chance alone, one rise."""
    n, x = _length(rng, 250, 700)
    at = int(rng.integers(80, n - 80))
    week = np.array([1.1, 1.05, 1, 1, 1.1, 0.6, 0.4])[np.arange(n) % 7]
    mean = rng.uniform(8, 60) * np.where(x < at, 1, rng.uniform(1.5, 2.4)) * week
    return rng.poisson(mean * rng.gamma(10, 0.1, size=n)).astype(float), [Event(at, 0.8)]


def rare_counts(rng: Random) -> Made:
    """Mostly nothing, then more."""
    n, x = _length(rng, 150, 400)
    at = int(rng.integers(50, n - 50))
    return rng.poisson(np.where(x < at, 0.2, rng.uniform(1.5, 3))).astype(float), [Event(at, 0.7)]


def thermometer(rng: Random) -> Made:
    """Every hour to half a degree; moved once, with hours missing."""
    n, x = _length(rng, 500, 1500)
    at = int(rng.integers(150, n - 150))
    day = 5 * np.sin(2 * np.pi * x / 24) + _noise(rng, n, 0.9, 1.0)
    values = np.round(2 * (25 + day + (x >= at) * rng.uniform(4, 7))) / 2
    values[rng.random(n) < 0.03] = np.nan
    return values, [Event(at, 0.75)]


def thermometer_left_alone(rng: Random) -> Made:
    """The same, never moved."""
    n, x = _length(rng, 500, 1500)
    return np.round(25 + 5 * np.sin(2 * np.pi * x / 24) + _noise(rng, n, 0.95, 1.5), 1), []


def gauge_shift(rng: Random) -> Made:
    """Measured parts: a shift."""
    n, x = _length(rng, 300, 500)
    at = int(rng.integers(100, n - 100))
    return rng.normal(size=n) + (x >= at) * rng.uniform(1, 2.5), [Event(at, 0.85)]


def gauge_spike(rng: Random) -> Made:
    """Measured parts: one that was not measured rightly."""
    n, x = _length(rng, 200, 350)
    return rng.normal(size=n) * 0.5 + (x == rng.integers(50, n - 50)) * rng.uniform(6, 12), []


def gauge_wear(rng: Random) -> Made:
    """Measured parts: a tool that begins to wear."""
    n, x = _length(rng, 300, 500)
    at = int(rng.integers(100, n - 150))
    return rng.normal(size=n) * 0.3 + _bend(x, at, rng.uniform(0.01, 0.03)), [Event(at, 0.7, True)]


def gauge_loose(rng: Random) -> Made:
    """Measured parts: they begin to vary."""
    n, x = _length(rng, 300, 450)
    at = int(rng.integers(100, n - 100))
    return rng.normal(size=n) * np.where(x < at, 1.0, rng.uniform(2.5, 4)), [Event(at, 0.6)]


KINDS: tuple[Callable[[Random], Made], ...] = (
    *(river_flow, yearly_output, calm_output, family_size, carbon_dioxide, unemployed, passengers, casualties),
    *(drill_log, share_price, oil_price, exchange_rate, paces, image_line, home_runs, epidemics, treaty, tourists),
    *(miners, debt, till, stocks, people, daily_counts, rare_counts, thermometer, thermometer_left_alone),
    *(gauge_shift, gauge_spike, gauge_wear, gauge_loose),
)


def annotated(seeds: range) -> Iterator[Annotated]:
    """One series of every kind for every seed."""
    for seed in seeds:
        for number, make in enumerate(KINDS):
            rng = np.random.default_rng([seed, number])
            values, events = make(rng)
            yield Annotated(make.__name__, values, tuple(_marks(rng, s, events, len(values)) for s in _STRICTNESS))


def _marks(rng: Random, strictness: float, events: list[Event], n: int) -> tuple[int, ...]:
    asked = strictness + rng.normal() * 0.08
    found = set()
    for event in events:
        if event.plain + rng.normal() * 0.1 > asked:
            apart = rng.normal() * (max(1.0, 0.015 * n) if event.gradual else 0.6)
            found.add(int(np.clip(round(event.at + apart), 1, n - 1)))
    return tuple(sorted(found))


def f1_of_all(annotations: Sequence[Sequence[int]], alarms: Sequence[int], margin: int = MARGIN) -> float:
    """F1 with several annotators: precision against all marks together, recall the mean over annotators."""
    each = [{0, *marks} for marks in annotations]
    said = {0, *alarms}
    precision = matched(set[int]().union(*each), said, margin) / len(said)
    recall = float(np.mean([matched(marks, said, margin) / len(marks) for marks in each]))
    return 2 * precision * recall / (precision + recall)


def covering_of_all(annotations: Sequence[Sequence[int]], alarms: list[int], n: int) -> float:
    """Mean covering over annotators."""
    return float(np.mean([covering(tuple(marks), alarms, n) for marks in annotations]))
