"""What a diagnosis is, once photographs, gate and model have spoken. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pikvani_device.diagnosis.quality_gate import QualityReport

Decision = Literal["answer", "more", "refuse"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the appliance says about one case.

    Attributes:
        decision: answer, ask for another photograph, or refuse and refer.
        reason: empty for an answer; else the model's reason (`unsure`, `not_a_leaf`, `unknown_plant`,
            `other_crop`) or the quality gate's (`blurred`, `too_dark` ...).
        crop: of the best condition.
        condition: best `crop/condition`, also when refused.
        confidence: calibrated probability that `condition` is right, 0 to 1.
        probabilities: posterior over the conditions, within the crop where it was given; sums to 1.
        latency_ms: from the bytes to the decision.
        model: `name@version` of the package.
        runtime: what ran it.
        quality: one report a photograph, in the order given.
        heat: one map a photograph, `[side, side]`, of where it speaks for `condition`, over the first view's square;
            None for one that was not looked at.
        embedding: `[e]`, the mean over the photographs looked at, for the day's drift sketch.
    """

    decision: Decision
    reason: str
    crop: str
    condition: str
    confidence: float
    probabilities: dict[str, float]
    latency_ms: float
    model: str
    runtime: str
    quality: tuple[QualityReport, ...]
    heat: tuple[NDArray[np.float32] | None, ...] = field(default=(), compare=False, repr=False)
    embedding: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    @property
    def best_quality(self) -> QualityReport:
        """The report of the sharpest photograph that was accepted, else of the sharpest."""
        return max(self.quality, key=lambda report: (report.accepted, report.sharpness))
