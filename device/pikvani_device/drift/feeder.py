"""Counts decided cases into the day's sketch of their model. No disk, no clock, no network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from pikvani_contract.messages import CaseBody, SketchBody
from pikvani_contract.model.manifest import ReferenceSketch
from pikvani_contract.sketch import FEATURES, MAX_DAY_CASES, Sketch, decode_sketch, encode_sketch, merge, project

_E4 = 10_000
_QUALITY = ("sharpness", "brightness", "leaf_share")
_KEPT_DAYS = 8
"""Days held in memory; a clock that was put right may still send a case to an earlier one."""


@dataclass(frozen=True)
class DecidedCase:
    """One case as the sketch needs it.

    Attributes:
        body: the record that was queued.
        probabilities: posterior over all labels; empty where it is not known.
        embedding: `[e]` of the case, None where the runtime gave none.
    """

    body: CaseBody
    probabilities: Mapping[str, float] = field(default_factory=dict)
    embedding: NDArray[np.float64] | None = None


class Feeder:
    """The sketches of the last days, by model and day."""

    def __init__(self) -> None:
        self._sketches: dict[tuple[str, str], Sketch] = {}
        self._unsaid: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        """Sketches held."""
        return len(self._sketches)

    def resume(self, body: SketchBody) -> None:
        """Go on from what was said before a restart.

        Raises:
            WireError: The bytes are no sketch.
        """
        self._sketches[body.model, body.day] = decode_sketch(body.data)

    def add(self, case: DecidedCase, day: str, reference: ReferenceSketch) -> None:
        """Count a case.

        Args:
            case: Its model is in the body.
            day: Local date, `YYYY-MM-DD`.
            reference: Of the model's manifest; its embedding statistics scale the projections.
        """
        key = (case.body.model, day)
        before = self._sketches.get(key, Sketch())
        if before.cases >= MAX_DAY_CASES:
            return
        self._sketches[key] = merge([before, sketch_of(case, reference)])
        self._unsaid.add(key)
        for old in sorted(self._sketches, key=lambda k: k[1])[:-_KEPT_DAYS]:
            if old not in self._unsaid:
                del self._sketches[old]

    def take_changed(self) -> list[SketchBody]:
        """What has changed since the last call, ready for the outbox.

        The revision is the number of cases counted, so that the fuller of two sketches is the newer one, also after
        a restart that forgot some.
        """
        changed = sorted(self._unsaid)
        bodies = [
            SketchBody(model, day, self._sketches[model, day].cases, encode_sketch(self._sketches[model, day]))
            for model, day in changed
        ]
        self._unsaid.clear()
        return bodies


def sketch_of(case: DecidedCase, reference: ReferenceSketch) -> Sketch:
    """The sketch of one case. A feature that is missing or not a number is left out."""
    body = case.body
    values = {"confidence": body.confidence / _E4}
    values |= {name: share / _E4 for name, share in zip(_QUALITY, body.quality, strict=False)}
    if len(case.probabilities) > 1:
        spread = -sum(p * math.log(p) for p in case.probabilities.values() if p > 0)
        values["entropy"] = spread / math.log(len(case.probabilities))
    if case.embedding is not None:
        mean, std = np.array(reference.embedding_mean), np.array(reference.embedding_std)
        directions = project(np.asarray(case.embedding, dtype=np.float64), mean, std)
        values |= {f"projection_{k}": float(value) for k, value in enumerate(directions)}
    histograms = {
        name: FEATURES[name].histogram(np.array([value])) for name, value in values.items() if not math.isnan(value)
    }
    return msgspec.structs.replace(
        Sketch(),
        cases=1,
        decisions={body.decision: 1},
        refusals={body.reason: 1} if body.decision == "refuse" else {},
        classes={body.condition: 1},
        histograms=histograms,
    )
