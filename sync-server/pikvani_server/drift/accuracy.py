"""How often the model is right, told without labels, and when that cannot be told. Pure.

The estimate is the mean of the calibrated confidences (average confidence; for its limits see Garg et al. 2022,
arXiv 2201.04234). It holds only while the camera sees what the confidence was calibrated on, so it says nothing where
inputs have drifted, and nothing where labels have shown that the calibration is off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pikvani_contract.sketch import FEATURES, Sketch
from pikvani_server.drift.verdict import PREDICTION_FEATURES, Verdict

Why = Literal["", "too_few", "outside_seen", "unknown_inputs", "uncalibrated"]
LEAST_CASES = 30
_Z = 1.96
TOLERATED_GAP = 0.05
"""Mean confidence may miss the labelled accuracy by this much beyond chance."""


@dataclass(frozen=True)
class Checked:
    """Labelled cases of this model: how many, their mean confidence, how many the model named rightly."""

    cases: int
    confidence: float
    right: int


@dataclass(frozen=True)
class Estimate:
    """Share of best guesses that are right, refused cases included.

    Attributes:
        share: None where it cannot be told.
        low: lower end of a 95% interval, the width of the bins included.
        high: upper end.
        cases: it rests on.
        why: reason for silence: too few cases, inputs outside what was seen, no reference to tell that by, or a
            confidence that labels contradict. Empty where there is an estimate.
        checked: whether labels have confirmed the calibration.
    """

    share: float | None
    low: float
    high: float
    cases: int
    why: Why
    checked: bool


def estimate_accuracy(current: Sketch, verdict: Verdict, checked: Checked | None = None) -> Estimate:
    """Estimate the accuracy of a window.

    Args:
        current: of the window.
        verdict: of the same window.
        checked: what labels say of this model, if any.
    """
    bins = FEATURES["confidence"]
    counts = np.array(current.histograms.get("confidence", (0,) * bins.count), dtype=np.float64)
    cases = int(counts.sum())
    confirmed = bool(checked and checked.cases >= LEAST_CASES and not is_off(checked))

    def silent(why: Why) -> Estimate:
        return Estimate(None, 0.0, 1.0, cases, why, confirmed)

    if cases < LEAST_CASES:
        return silent("too_few")
    if checked and checked.cases >= LEAST_CASES and is_off(checked):
        return silent("uncalibrated")
    if verdict.kind == "cannot_say":
        return silent("unknown_inputs")
    if any(feature.drifted and feature.name not in PREDICTION_FEATURES for feature in verdict.features):
        return silent("outside_seen")
    width = (bins.high - bins.low) / bins.count
    middles = bins.low + width * (np.arange(bins.count) + 0.5)
    share = float(counts @ middles / cases)
    around = width / 2 + _Z * math.sqrt(share * (1 - share) / cases)
    return Estimate(share, max(0.0, share - around), min(1.0, share + around), cases, "", confirmed)


def is_off(checked: Checked) -> bool:
    """Whether labels contradict the confidence: the gap is beyond chance and tolerance."""
    share = checked.right / checked.cases
    chance = _Z * math.sqrt(max(share * (1 - share), 1 / checked.cases) / checked.cases)
    return abs(checked.confidence - share) > TOLERATED_GAP + chance
