"""The frozen default detector for one plain series: where did its regime change? Offline, no tuning per series.

It fits levels and straight lines with 0, 1, 2 ... changes, each with first-order autocorrelated noise, and takes the
model with the least penalised likelihood (the idea of EnvCpt: Beaulieu and Killick 2018, J. Climate 31:9519-9543; the
penalty in the manner of the modified BIC: Zhang and Siegmund 2007, Biometrics 63:22-32). So a slow wander is explained
by the noise, a slope by a slope, and only what neither explains is an alarm. Then one look for a change of spread.
It is not sequential: it looks at the whole series, and is not meant for a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pikvani_server.drift.season import without_season
from pikvani_server.drift.segmentation import Shape, fitted, partitions

Vector = NDArray[np.float64]

MIN_STEPS = 10
"""Fewer values say nothing."""
MOST_STEPS = 1_000
"""A longer series is searched in blocks of medians, then each change is placed within its block."""
MOST_CALENDAR_STEPS = 50_000
"""In a longer series the season is looked for in the blocks alone."""
MOST_CHANGES = 10
PENALTY = 1.3
"""Factor on the modified BIC. This and what follows were chosen on the bench's development seeds."""
WIDTHS = (0, 2, 4, 8)
"""Steps that changes may take. Smoothed series have no sharp ones."""
MAX_PHI = 0.95
"""Above it noise explains every shift."""
INVISIBLE = 0.01
"""Noise below this share of the range counts as this much: a curve is not many lines."""
MIN_VISIBLE = 0.12
"""A change smaller than this share of the range is none."""
SPIKE_WIDTHS = 5.0
MOST_SPIKES = 0.05
MIN_PRESENT = 0.5
"""With fewer steps present, no season is looked for."""
MIN_SPREAD_RATIO = 1.8
MIN_SPREAD_STEPS = 20
_FLAT = 1e-9  # of the largest value: what is left below it is rounding


@dataclass(frozen=True)
class Alarm:
    """A change of regime.

    Attributes:
        index: First step of the new regime, from 0, missing steps counted.
        score: Size of the change in standard deviations of the noise; for `spread` the log of the ratio.
        direction: `up` and `down` for level or slope, `wider` and `narrower` for spread.
    """

    index: int
    score: float
    direction: Literal["up", "down", "wider", "narrower"]


@dataclass(frozen=True)
class _Model:
    criterion: float
    changes: list[int]
    shape: Shape
    width: int
    noise: float
    innovations: Vector


def detect(values: Vector) -> list[Alarm]:
    """Alarms of a series, ascending.

    Args:
        values: `[n]`, one a step; NaN is missing. Infinite counts as missing.
    """
    steps = np.flatnonzero(np.isfinite(values))
    present = values[steps]
    if len(present) < MIN_STEPS:
        return []
    # Divided before subtracting, so that the range of the largest floats does not overflow.
    scale = float(np.max(np.abs(present)))
    present = present / scale if scale > 0 else present
    if np.ptp(present) < _FLAT:
        return []
    block = -(-len(present) // MOST_STEPS)
    present = _without_calendar(present, steps)
    calm = _without_spikes(present if block == 1 else without_season(_blocks(present, block)))
    if np.ptp(calm) < _FLAT:
        return []
    model = _chosen(calm)
    described = (_described(calm, model, i) for i in range(len(model.changes)))
    alarms = [alarm for alarm in described if alarm is not None]
    spread = _spread_change(model, float(np.ptp(calm)))
    if spread and all(abs(spread.index - alarm.index) >= MIN_SPREAD_STEPS for alarm in alarms):
        alarms = sorted([*alarms, spread], key=lambda alarm: alarm.index)
    # A change that took some steps is told from its first one on.
    early = model.width // 2 if block == 1 else 0
    placed = [(_placed(present, (a.index - early * (a is not spread)) * block, block), a) for a in alarms]
    return [Alarm(int(steps[at]), alarm.score, alarm.direction) for at, alarm in placed]


def _without_calendar(present: Vector, steps: NDArray[np.int64]) -> Vector:
    """The present values less the season, whose phase counts the missing steps too."""
    every = np.arange(steps[0], steps[-1] + 1)
    if len(steps) < MIN_PRESENT * len(every) or len(every) > MOST_CALENDAR_STEPS:
        return present
    return np.asarray(without_season(np.interp(every, steps, present))[steps - steps[0]])


def _blocks(values: Vector, block: int) -> Vector:
    if block == 1:
        return values
    whole = len(values) // block
    return np.median(values[: whole * block].reshape(whole, block), axis=1)


def _placed(values: Vector, around: int, block: int) -> int:
    """The least-squares split within a block of the place found."""
    if block == 1:
        return around
    start = max(0, around - 3 * block)
    window = values[start : around + 3 * block]
    n = len(window)
    left = np.cumsum(window)[:-1]
    lengths = np.arange(1, n)
    gain = left**2 / lengths + (window.sum() - left) ** 2 / (n - lengths)
    inside = slice(2 * block - 1, min(4 * block, n - 1))
    return start + 1 + inside.start + int(np.argmax(gain[inside])) if len(gain[inside]) else around


def _without_spikes(values: Vector) -> Vector:
    """A running median of 7 replaces what lies far from it (Hampel 1974); two wild steps in a row are still spikes."""
    if len(values) < 7:
        return values
    padded = np.pad(values, 3, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 7)
    middle = np.median(windows, axis=1)
    away = values - middle
    spread = 1.4826 * np.median(np.abs(away))
    # Where most values are alike, as with rare counts, the others are no spikes: no more than a few steps can be.
    spread = max(spread, 0.01 * float(np.ptp(middle)), float(np.quantile(np.abs(away), 1 - MOST_SPIKES)) / SPIKE_WIDTHS)
    return np.where(np.abs(away) > SPIKE_WIDTHS * spread, middle, values)


def _chosen(values: Vector) -> _Model:
    n = len(values)
    shortest = max(3, min(20, n // 20))
    models: list[_Model] = []
    shapes: tuple[Shape, ...] = ("level", "line")
    for shape in shapes:
        least = shortest if shape == "level" else max(5, shortest + 2)
        for changes in partitions(values, shape, least, MOST_CHANGES):
            room = min(np.diff([0, *changes, n])) // 2 if changes else 1
            models += [_judged(values, changes, shape, width) for width in WIDTHS if width < room or not width]
    return min(models, key=lambda model: model.criterion)


def _judged(values: Vector, changes: list[int], shape: Shape, width: int) -> _Model:
    """Penalised likelihood of pieces with first-order autoregressive residuals that start anew in each piece."""
    n = len(values)
    left = values - fitted(values, changes, shape, width)
    starts = np.zeros(n, dtype=bool)
    starts[[0, *changes]] = True
    before = np.where(starts, 0.0, np.concatenate([[0.0], left[:-1]]))
    power = float(before @ before)
    phi = min(MAX_PHI, max(0.0, float(left @ before) / power)) if power > 0 else 0.0
    innovations = np.where(starts, left * np.sqrt(1 - phi**2), left - phi * before)
    pieces = len(changes) + 1
    floor = (INVISIBLE * float(np.ptp(values))) ** 2
    variance = float(innovations @ innovations) / n + floor
    lengths = np.diff([0, *changes, n])
    # Modified BIC: two parameters a change (place and level), one more for a slope, and the evenness of the pieces.
    per_change = 3.0 if shape == "level" else 4.0
    penalty = len(changes) * per_change * np.log(n) + float(np.log(lengths / n).sum())
    penalty += (1 if shape == "line" else 0) * np.log(n) + (np.log(n) if phi > 0 else 0.0)
    penalty += np.log(n) if width else 0.0
    criterion = n * np.log(variance) - pieces * np.log(1 - phi**2) + PENALTY * penalty
    noise = float(np.sqrt(variance / (1 - phi**2)))
    return _Model(criterion, changes, shape, width, noise, innovations)


def _described(values: Vector, model: _Model, which: int) -> Alarm | None:
    """The alarm of one change; None where an eye would see nothing."""
    edges = [0, *model.changes, len(values)]
    start, at, end = edges[which], edges[which + 1], edges[which + 2]
    before, after = values[start:at], values[at:end]
    if model.shape == "level":
        size = float(after.mean() - before.mean())
    else:
        # How far the new piece lies from where the old one was going, at its middle or at its end.
        x = np.arange(at - start)
        slope, level = np.polyfit(x, before, 1)
        reach = min(len(before), len(after))
        ahead = level + slope * (np.arange(reach) + at - start)
        gaps = fitted(after, [], "line")[:reach] - ahead
        size = float(gaps[np.argmax(np.abs(gaps))])
    if abs(size) < MIN_VISIBLE * float(np.ptp(values)):
        return None
    return Alarm(at, abs(size) / model.noise, "up" if size > 0 else "down")


def _spread_change(model: _Model, visible: float) -> Alarm | None:
    """The one best change of the innovations' variance, if it is beyond doubt.

    Gaussian likelihood ratio (Inclan and Tiao 1994, JASA 89:913-923), divided by (kurtosis - 1) / 2, because heavy
    tails alone make it large.
    """
    n = len(model.innovations)
    if n < 3 * MIN_SPREAD_STEPS:
        return None
    # A piece's first residual counts as none, and a running mean is taken off: where a line misses a curve, or noise
    # wanders more than its model, nothing got wider.
    values = model.innovations.copy()
    values[[0, *model.changes]] = 0.0
    padded = np.pad(values, MIN_SPREAD_STEPS // 2, mode="reflect")
    values -= np.lib.stride_tricks.sliding_window_view(padded, MIN_SPREAD_STEPS + 1).mean(axis=1)
    squares = values**2
    places = np.arange(MIN_SPREAD_STEPS, n - MIN_SPREAD_STEPS + 1)
    total = float(squares.sum())
    left = np.maximum(np.cumsum(squares)[places - 1], 1e-12 * total)
    right = np.maximum(total - left, 1e-12 * total)
    if total <= 0:
        return None
    before, after = left / places, right / (n - places)
    gains = n * np.log(total / n) - places * np.log(before) - (n - places) * np.log(after)
    best = int(np.argmax(gains))
    at = int(places[best])
    scaled = np.concatenate([values[:at] / np.sqrt(before[best]), values[at:] / np.sqrt(after[best])])
    tails = max(1.0, (float(np.mean(scaled**4)) - 1) / 2)
    ratio = float(np.sqrt(after[best] / before[best]))
    if np.sqrt(max(before[best], after[best])) < INVISIBLE * visible:
        return None
    if gains[best] / tails < PENALTY * 4 * np.log(n) or max(ratio, 1 / ratio) < MIN_SPREAD_RATIO:
        return None
    return Alarm(at, abs(float(np.log(ratio))), "wider" if ratio > 1 else "narrower")
