"""Finds one repeating pattern in a series and takes it out, without being misled by shifts, trends or spikes.

The pattern is measured on differences, where a level shift is one spike and a trend a constant; medians pass over both.
It looks for one period only and says nothing about calendars.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

SHORTEST_PERIOD = 4
LONGEST_PERIOD = 400
MIN_CYCLES = 3
MIN_DIFFERENCE_CORRELATION = 0.45
MIN_LEVEL_CORRELATION = 0.5
MIN_LEVEL_TROUGH = -0.3
"""A level that correlates with itself a period on must also oppose itself half a period on: a shift does not."""
MIN_LOG_GAIN = 0.03
MIN_FORETOLD = 0.65
"""Share of a slow wave's variance that its other cycles must foretell: what comes at its own time is no season."""


def without_season(values: Vector) -> Vector:
    """The series less its seasonal pattern; its logarithm where the pattern grows with the level.

    Args:
        values: `[n]`, finite.

    Returns:
        `[n]`; the very same values where no season is found.
    """
    period = _period_of_differences(np.diff(values))
    if period:
        pattern, share = _pattern(values, period)
        if values.min() > 0:
            log_pattern, log_share = _pattern(np.log(values), period)
            if log_share > share + MIN_LOG_GAIN:
                return np.log(values) - log_pattern
        return values - pattern
    return _without_wave(values)


def _without_wave(values: Vector) -> Vector:
    period = _period_of_levels(values)
    if not period:
        return values
    candidates = [values, np.log(values)] if values.min() > 0 else [values]
    shares = [_foretold(one, period) for one in candidates]
    best = int(np.argmax([shares[0] + MIN_LOG_GAIN, *shares[1:]]))
    if shares[best] < MIN_FORETOLD:
        return values
    phase = np.arange(len(values)) % period
    return np.asarray(candidates[best] - _smooth_means(candidates[best], phase, period)[phase])


def _autocorrelation(values: Vector, longest: int) -> Vector:
    """Autocorrelation at lags 0 to `longest`, each over its own overlap."""
    centred = values - values.mean()
    variance = float(centred @ centred) / len(centred)
    if variance <= 0:
        return np.zeros(longest + 1)
    return np.array([float(np.mean(centred[k:] * centred[: len(centred) - k])) / variance for k in range(longest + 1)])


def _winsorised(values: Vector, widths: float) -> Vector:
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    if spread <= 0:
        return values
    return np.clip(values, middle - widths * spread, middle + widths * spread)


def _period_of_differences(steps: Vector) -> int:
    longest = min(LONGEST_PERIOD, len(steps) // MIN_CYCLES)
    if longest <= SHORTEST_PERIOD:
        return 0
    acf = _autocorrelation(_winsorised(steps, 4.0), longest)
    period = int(np.argmax(acf[SHORTEST_PERIOD:])) + SHORTEST_PERIOD
    if acf[period] < max(MIN_DIFFERENCE_CORRELATION, 3 / np.sqrt(len(steps))):
        return 0
    # A correlation that never falls below the peak on the way there is a slow drift of the slope, not a season.
    if acf[1:period].min() > 0.5 * acf[period]:
        return 0
    near = [k for k in range(SHORTEST_PERIOD, period) if period % k == 0 and acf[k] > 0.93 * acf[period]]
    return near[0] if near else period


def _pattern(values: Vector, period: int) -> tuple[Vector, float]:
    """The pattern `[n]` and the share of the differences' spread that it explains."""
    steps = np.diff(values)
    phase = np.arange(len(steps)) % period
    medians = np.array([np.median(steps[phase == p]) for p in range(period)])
    medians -= medians.mean()
    level = np.concatenate([[0.0], np.cumsum(medians)])[:period]
    level -= level.mean()
    centre = np.median(steps)
    left = float(np.mean(np.abs(steps - centre - medians[phase])))
    whole = float(np.mean(np.abs(steps - centre)))
    return level[np.arange(len(values)) % period], 1 - left / whole if whole > 0 else 0.0


def _period_of_levels(values: Vector) -> int:
    """Period of a slow wave, which noise hides in the differences; 0 for none."""
    longest = min(LONGEST_PERIOD, len(values) // (MIN_CYCLES + 1))
    if longest <= 2 * SHORTEST_PERIOD:
        return 0
    x = np.arange(len(values)) - (len(values) - 1) / 2
    acf = _autocorrelation(_winsorised(values - x * (x @ values) / (x @ x), 3.0), longest)
    negative = np.flatnonzero(acf < 0)
    if not len(negative):
        return 0
    period = int(np.argmax(acf[negative[0] :])) + int(negative[0])
    deep = acf[: period + 1].min() < MIN_LEVEL_TROUGH
    return period if deep and acf[period] > MIN_LEVEL_CORRELATION and period >= SHORTEST_PERIOD else 0


def _smooth_means(values: Vector, phase: NDArray[np.int64], period: int) -> Vector:
    """Means by phase `[period]`, zero on the whole. Neighbouring phases of a slow wave are alike: noise is smoothed."""
    means = np.array([values[phase == p].mean() for p in range(period)])
    half = max(1, period // 16)
    smooth = np.mean([np.roll(means, shift) for shift in range(-half, half + 1)], axis=0)
    return np.asarray(smooth - smooth.mean())


def _foretold(values: Vector, period: int) -> float:
    """Share of the variance of each cycle that the pattern of the other cycles tells."""
    x = np.arange(len(values)) - (len(values) - 1) / 2
    flat = values - values.mean() - x * (x @ values) / (x @ x)
    phase, cycle = np.arange(len(values)) % period, np.arange(len(values)) // period
    left = 0.0
    spread = 0.0
    for number in range(len(values) // period):
        own = flat[cycle == number]
        told = _smooth_means(flat[cycle != number], phase[cycle != number], period)
        left += float(np.sum((own - own.mean() - told) ** 2))
        spread += float(np.sum((own - own.mean()) ** 2))
    return 1 - left / spread if spread > 0 else 0.0
