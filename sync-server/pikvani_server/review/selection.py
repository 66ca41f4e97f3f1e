"""Which cases a person shall look at: all that the model was unsure of, and a fair sample of the rest. Pure.

The choice depends on the case alone, so any process makes the same one. The chance it is made with is kept, so that an
accuracy can be told for all cases and not only for the hard ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from pikvani_contract.consent import Consent

Why = Literal["unsure", "sampled"]
SAMPLE_SHARE = 0.05
UNSURE_BELOW_E4 = 6_000
_ASKED_AGAIN = "more"
"""The same plant comes again with another photograph; that case is the one to look at."""


@dataclass(frozen=True)
class Selected:
    """Why a case was taken, with which chance, and how soon it should be looked at (higher first)."""

    why: Why
    share: float
    priority: float


def select(
    device_id: str, outbox: bytes, seq: int, decision: str, confidence_e4: int, consents: int
) -> Selected | None:
    """Whether a case is taken; None for no. Without consent to the photograph never."""
    if not consents & Consent.PHOTO or decision == _ASKED_AGAIN:
        return None
    if decision == "refuse" or confidence_e4 < UNSURE_BELOW_E4:
        # Nearest to the middle first: there a label teaches most (uncertainty sampling, Lewis and Gale 1994).
        return Selected("unsure", 1.0, 1.0 - abs(confidence_e4 / 10_000 - 0.5))
    if lot(device_id, outbox, seq) < SAMPLE_SHARE:
        return Selected("sampled", SAMPLE_SHARE, 2.0)
    return None


def lot(device_id: str, outbox: bytes, seq: int) -> float:
    """A number from 0 to 1 that nobody can choose and everybody draws alike."""
    digest = hashlib.blake2b(f"{device_id}/{seq}/".encode() + outbox, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
