"""A diagnosis as the record that crosses the link: shares become ten-thousandths, the long tail is left behind."""

from __future__ import annotations

from pikvani_contract.messages import CaseBody
from pikvani_device.diagnosis.result import Diagnosis

_OTHERS = 2  # the runners-up a person at the centre looks at; each costs bytes on a link paid by the megabyte


def case_body(diagnosis: Diagnosis, photos: int, crop: str | None, channel: str, locale: str) -> CaseBody:
    """A diagnosis as the record that crosses the link."""
    ranked = sorted(diagnosis.probabilities.items(), key=lambda item: -item[1])
    others = [(label, _e4(p)) for label, p in ranked if label != diagnosis.condition]
    best = diagnosis.best_quality
    return CaseBody(
        decision=diagnosis.decision,
        reason=diagnosis.reason,
        crop=crop or "",
        condition=diagnosis.condition,
        confidence=_e4(diagnosis.confidence),
        others=others[:_OTHERS],
        model=diagnosis.model,
        runtime=diagnosis.runtime,
        photos=photos,
        latency_ms=round(diagnosis.latency_ms),
        quality=[_e4(best.sharpness), _e4(best.brightness), _e4(best.leaf_share)],
        channel=channel,
        locale=locale,
    )


def _e4(share: float) -> int:
    return min(10_000, max(0, round(share * 10_000)))
