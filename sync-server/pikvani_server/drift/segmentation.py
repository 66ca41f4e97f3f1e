"""Optimal partitions of a short series into constant or linear pieces, one for each number of pieces.

Exact dynamic programming ("segment neighbourhood": Auger and Lawrence 1989, Bull. Math. Biol. 51:39-54). It knows no
noise model and does not choose how many pieces there are; that is the business of `detector`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Shape = Literal["level", "line"]


def partitions(values: Vector, shape: Shape, shortest: int, most: int) -> list[list[int]]:
    """Best partitions by the sum of squared residuals.

    Args:
        values: `[n]`, finite; the cost is n squared floats of memory.
        shape: What each piece is fitted with.
        shortest: Steps in the shortest piece, at least 2.
        most: Most change points.

    Returns:
        Element k holds k ascending change points, each the first index of its new piece; as many as fit.
    """
    n = len(values)
    costs = _costs(values, shape, shortest)
    best = costs[0].copy()
    steps: list[NDArray[np.int64]] = []
    found: list[list[int]] = [[]]
    for k in range(1, most + 1):
        if (k + 1) * shortest > n:
            break
        total = best[:, None] + costs
        origin = np.argmin(total, axis=0)
        best = np.take_along_axis(total, origin[None, :], axis=0)[0]
        steps.append(origin)
        found.append(_walk_back(steps, n))
    return found


def fitted(values: Vector, changes: list[int], shape: Shape, width: int = 0) -> Vector:
    """The pieces' least-squares fit `[n]`.

    Args:
        values: `[n]`, finite.
        changes: First index of each piece but the first, ascending.
        shape: What each piece is fitted with.
        width: Even; so many steps around each change belong to neither piece: one goes over into the other there.
            Less than half of the shortest piece.
    """
    n, half = len(values), width // 2
    fit = np.empty(n)
    edges = [0, *changes, n]
    for number, (start, end) in enumerate(pairwise(edges)):
        first = start + (half if number else 0)
        last = end - (half if end < n else 0)
        piece = values[first:last]
        middle = first + (len(piece) - 1) / 2
        slope = 0.0
        if shape == "line":
            x = np.arange(first, last) - middle
            slope = float(x @ piece) / max(float(x @ x), 0.5)
        reach = np.arange(max(0, start - half), min(n, end + half))
        line = piece.mean() + slope * (reach - middle)
        if number and half:
            share = (np.arange(width) + 0.5) / width
            line[:width] = share * line[:width] + (1 - share) * fit[start - half : start + half]
        fit[reach] = line
    return fit


def _walk_back(steps: list[NDArray[np.int64]], n: int) -> list[int]:
    changes: list[int] = []
    at = n
    for origin in reversed(steps):
        at = int(origin[at])
        changes.append(at)
    return changes[::-1]


def _costs(values: Vector, shape: Shape, shortest: int) -> Vector:
    """Squared residuals `[start, end]` of a fit to `values[start:end]`; infinite where the piece is too short."""
    n = len(values)
    # Centred, because differences of cumulated squares lose the digits of a large mean.
    y = values - values.mean()
    x = np.arange(n, dtype=np.float64) - (n - 1) / 2

    def sums(of: Vector) -> Vector:
        cumulated = np.concatenate([[0.0], np.cumsum(of)])
        return np.asarray(cumulated[None, :] - cumulated[:, None], dtype=np.float64)

    edges = np.arange(n + 1)
    length = (edges[None, :] - edges[:, None]).astype(float)
    ok = length >= shortest
    length[~ok] = 1.0
    sum_y = sums(y)
    cost = sums(y * y) - sum_y**2 / length
    if shape == "line":
        sum_x = sums(x)
        cross = sums(x * y) - sum_x * sum_y / length
        spread = length * (length**2 - 1) / 12
        cost -= cross**2 / np.maximum(spread, 0.5)
    return np.where(ok, np.maximum(cost, 0.0), np.inf)
