"""What two people's labels make: agreement, or a disagreement that is kept and may be settled by a referee. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["open", "agreed", "disagreed", "settled"]
LOOKS = 2
UNUSABLE = "none/unusable"
"""The label for a picture nobody can name: it counts as a label and trains nothing."""


@dataclass(frozen=True)
class Label:
    """One person's word; role `first` or `referee`."""

    labeller: str
    role: str
    condition: str


@dataclass(frozen=True)
class Outcome:
    """Where an item stands, and the condition agreed on or settled, empty while there is none."""

    state: State
    condition: str


def outcome(labels: Sequence[Label]) -> Outcome:
    """The outcome of all labels given so far. A referee's word settles; the first two stay as they were."""
    referees = [label for label in labels if label.role == "referee"]
    if referees:
        return Outcome("settled", referees[-1].condition)
    firsts = [label for label in labels if label.role == "first"]
    if len(firsts) < LOOKS:
        return Outcome("open", "")
    if len({label.condition for label in firsts}) == 1:
        return Outcome("agreed", firsts[0].condition)
    return Outcome("disagreed", "")


def kappa(pairs: Iterable[tuple[str, str]]) -> float | None:
    """Cohen's kappa (1960) of two people's words on the same items; None where chance alone would agree always."""
    found = list(pairs)
    if not found:
        return None
    seen = sum(a == b for a, b in found) / len(found)
    names = {name for pair in found for name in pair}
    chance = sum(
        sum(a == name for a, _ in found) / len(found) * sum(b == name for _, b in found) / len(found) for name in names
    )
    return None if chance >= 1 else (seen - chance) / (1 - chance)
