"""Concept drift: the same pictures come to mean something else. It takes labels to see it. Pure.

Looked at is what the confidence leaves unexplained, `right - confidence`, of labelled cases. Inputs that merely get
harder lower both, and the remainder stays; when the meaning changes the model is as confident as before and wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

LEAST_CASES = 30
LEAST_DROP = 0.10
LEVEL = 0.005
_DRAWS = 2_000


@dataclass(frozen=True)
class Labelled:
    """One labelled case: the model's confidence, whether its best guess was right, the chance it was taken with."""

    confidence: float
    right: bool
    share: float = 1.0


@dataclass(frozen=True)
class ConceptVerdict:
    """The outcome; `drop` is how far `right - confidence` fell, weighted to the whole fleet."""

    kind: Literal["none", "concept", "cannot_say"]
    drop: float
    p_value: float
    before: int
    now: int


def judge_concept(before: Sequence[Labelled], now: Sequence[Labelled], seed: int = 1) -> ConceptVerdict:
    """Judge labelled cases of a window against earlier ones of the same model.

    Permutation test (one-sided) of the difference of weighted means; weights are one over the chance of selection
    (Horvitz and Thompson 1952), so that looking harder at unsure cases is no drift.
    """
    if min(len(before), len(now)) < LEAST_CASES:
        return ConceptVerdict("cannot_say", 0.0, 1.0, len(before), len(now))
    left = np.array([case.right - case.confidence for case in (*before, *now)])
    weight = np.array([1 / max(case.share, 1e-3) for case in (*before, *now)])
    split = len(before)

    def drop(order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        a, b = order[:split], order[split:]
        return float(np.average(left[a], weights=weight[a]) - np.average(left[b], weights=weight[b]))

    seen = drop(np.arange(len(left)))
    if seen < LEAST_DROP:
        return ConceptVerdict("none", seen, 1.0, len(before), len(now))
    rng = np.random.default_rng(seed)
    beyond = sum(drop(rng.permutation(len(left))) >= seen for _ in range(_DRAWS))
    p_value = (1 + beyond) / (1 + _DRAWS)
    return ConceptVerdict("concept" if p_value <= LEVEL else "none", seen, p_value, len(before), len(now))
