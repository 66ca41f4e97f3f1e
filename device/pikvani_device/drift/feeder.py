"""Counts decided cases into the day's sketch of their model. No disk, no clock, no network."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pikvani_contract.messages import CaseBody, SketchBody
from pikvani_contract.sketch import FEATURES, MAX_DAY_CASES, SKETCH_SCHEMA, Sketch, decode_sketch, encode_sketch
from pikvani_device.drift.traits import bins_of, place

_E4 = 10_000
_QUALITY = ("sharpness", "brightness", "leaf_share")


@dataclass
class _Tally:
    """A sketch that can still be counted into."""

    cases: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, sketch: Sketch) -> _Tally:
        histograms = {name: list(counts) for name, counts in sketch.histograms.items()}
        decisions, refusals, classes = (Counter(part) for part in (sketch.decisions, sketch.refusals, sketch.classes))
        return cls(sketch.cases, decisions, refusals, classes, histograms)

    def count(self, body: CaseBody, traits: bytes | None) -> None:
        self.cases += 1
        self.decisions[body.decision] += 1
        if body.decision == "refuse":
            self.refusals[body.reason] += 1
        self.classes[body.condition] += 1
        shares = {"confidence": body.confidence} | dict(zip(_QUALITY, body.quality, strict=False))
        bins = {name: place(FEATURES[name], share / _E4) for name, share in shares.items()}
        for name, at in (bins | bins_of(traits)).items():
            if at is not None:
                self.histograms.setdefault(name, [0] * FEATURES[name].count)[at] += 1

    def sketch(self) -> Sketch:
        parts = (self.decisions, self.refusals, self.classes)
        decisions, refusals, classes = (dict(sorted(part.items())) for part in parts)
        histograms = {name: tuple(counts) for name, counts in sorted(self.histograms.items())}
        return Sketch(SKETCH_SCHEMA, self.cases, decisions, refusals, classes, histograms)


class Feeder:
    """Sketches of some days, by model and day."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._unsaid: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        """Sketches held."""
        return len(self._tallies)

    def resume(self, body: SketchBody) -> None:
        """Go on from what was said before.

        Raises:
            WireError: The bytes are no sketch.
        """
        self._tallies[body.model, body.day] = _Tally.of(decode_sketch(body.data))

    def add(self, body: CaseBody, traits: bytes | None, day: str) -> None:
        """Count a case.

        Args:
            body: the record that was queued.
            traits: `traits_of` the case, None where they are not known.
            day: local date, `YYYY-MM-DD`.
        """
        tally = self._tallies.setdefault((body.model, day), _Tally())
        if tally.cases >= MAX_DAY_CASES:
            return
        tally.count(body, traits)
        self._unsaid.add((body.model, day))

    def take_changed(self) -> list[SketchBody]:
        """What has changed since the last call, ready for the outbox.

        The revision is the number of cases counted, so that the fuller of two sketches is the newer one, also after
        a restart that forgot some.
        """
        changed = sorted(self._unsaid)
        self._unsaid.clear()
        bodies = []
        for model, day in changed:
            tally = self._tallies[model, day]
            bodies.append(SketchBody(model, day, tally.cases, encode_sketch(tally.sketch())))
        return bodies
