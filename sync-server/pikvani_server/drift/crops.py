"""The classes within each crop, and the crop mix apart from them: other crops brought are not a new disease. Pure.

Shares of conditions are taken within their crop, so a season, a market or a new variety that changes which crops are
brought moves none of them. The mix is judged without conditions that have risen: an outbreak brings more of its crop.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.sketch import Sketch

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class WithinCrop:
    """Cases of one crop by condition, on both sides at least one."""

    crop: str
    labels: tuple[str, ...]
    reference: Counts
    current: Counts

    @property
    def growth(self) -> Counts:
        """By how much the share of each label within the crop has grown."""
        return np.asarray(self.current / self.current.sum() - self.reference / self.reference.sum(), dtype=np.float64)


def within_crops(reference: Sketch, current: Sketch) -> list[WithinCrop]:
    """The crops that both sides have and that have more than one condition, in order of their names."""
    labels: dict[str, list[str]] = {}
    for label in sorted({*reference.classes, *current.classes}):
        labels.setdefault(crop_of(label), []).append(label)
    found = []
    for crop, names in labels.items():
        ours, theirs = counts_by_name(reference.classes, names), counts_by_name(current.classes, names)
        if ours.sum() and theirs.sum() and len(names) > 1:
            found.append(WithinCrop(crop, tuple(names), ours, theirs))
    return found


def groups_of(parts: list[WithinCrop], least_cases: int) -> list[list[WithinCrop]]:
    """What is judged on its own: each crop with cases enough, and the others together if they have enough together."""
    alone = [[part] for part in parts if min(part.reference.sum(), part.current.sum()) >= least_cases]
    rest = [part for part in parts if min(part.reference.sum(), part.current.sum()) < least_cases]
    sizes = sum(part.reference.sum() for part in rest), sum(part.current.sum() for part in rest)
    return [*alone, rest] if min(sizes) >= least_cases else alone


def risen_label(parts: list[WithinCrop]) -> str:
    """The `crop/condition` whose share within its crop grew most, crops by their share of the window's cases."""
    growth = [
        (label, g * part.current.sum()) for part in parts for label, g in zip(part.labels, part.growth, strict=True)
    ]
    return max(growth, key=lambda one: (one[1], one[0]))[0]


def mix_of(reference: Sketch, current: Sketch, without: Collection[str] = ()) -> tuple[Counts, Counts]:
    """Cases by crop on both sides, some labels left out."""
    sides = [_by_crop(side, without) for side in (reference, current)]
    names = sorted({*sides[0], *sides[1]})
    return counts_by_name(sides[0], names), counts_by_name(sides[1], names)


def counts_by_name(counts: dict[str, int], names: list[str]) -> Counts:
    """Counts in the order of the names, 0 where there is none."""
    return np.array([counts.get(name, 0) for name in names], dtype=np.float64)


def crop_of(label: str) -> str:
    """The crop of a `crop/condition`."""
    return label.split("/")[0]


def _by_crop(sketch: Sketch, without: Collection[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for label, count in sketch.classes.items():
        if label not in without:
            counts[crop_of(label)] = counts.get(crop_of(label), 0) + count
    return counts
