"""From an alarm to where it comes from: which crop, district or device carries the drift of a feature.

It ranks; it does not test. Whether there is drift at all is what `verdict` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pikvani_contract.sketch import Sketch, merge
from pikvani_server.drift.statistics import psi_terms
from pikvani_server.drift.verdict import counts_of

UNKNOWN_DISTRICT = "unknown"


@dataclass(frozen=True)
class Contribution:
    """A part's weight in a drift.

    Attributes:
        name: Crop, district or device.
        cases: Of the current window.
        weight: For a crop its terms of the PSI of the classes; for a district or device its excess PSI times its
            share of cases. Not a probability, comparable within one list only.
    """

    name: str
    cases: int
    weight: float


def by_crop(reference: Sketch, current: Sketch) -> list[Contribution]:
    """Crops by their part of the PSI of the classes, the heaviest first; empty where a side has no class."""
    ours, theirs = counts_of("classes", reference, current)
    if not ours.sum() or not theirs.sum():
        return []
    names = sorted({*reference.classes, *current.classes})
    weights: dict[str, float] = {}
    for name, term in zip(names, psi_terms(list(ours), list(theirs)), strict=True):
        crop = name.split("/")[0]
        weights[crop] = weights.get(crop, 0.0) + float(term)
    return _ranked([Contribution(crop, current.crops.get(crop, 0), weight) for crop, weight in weights.items()])


def by_device(feature: str, reference: Sketch, current: Mapping[str, Sketch]) -> list[Contribution]:
    """Devices by their part of a feature's drift, the heaviest first.

    Args:
        feature: `classes`, `decisions` or a key of `FEATURES`.
        reference: Of the fleet.
        current: Sketch of the window by device.
    """
    total = sum(int(counts_of(feature, reference, sketch)[1].sum()) for sketch in current.values())
    found = []
    for name, sketch in current.items():
        ours, theirs = counts_of(feature, reference, sketch)
        if not ours.sum() or not theirs.sum():
            continue
        # Mean of PSI under no change, to first order: (bins - 1)(1/n + 1/m), as of a chi-squared variable.
        bins = int(np.sum((ours > 0) | (theirs > 0)))
        chance = (bins - 1) * (1 / ours.sum() + 1 / theirs.sum())
        excess = float(psi_terms(list(ours), list(theirs)).sum() - chance)
        found.append(Contribution(name, sketch.cases, excess * float(theirs.sum()) / total))
    return _ranked(found)


def by_district(
    feature: str, reference: Sketch, current: Mapping[str, Sketch], districts: Mapping[str, str]
) -> list[Contribution]:
    """As `by_device`, with devices added up by district; a device in no district is in `UNKNOWN_DISTRICT`."""
    groups: dict[str, list[Sketch]] = {}
    for device, sketch in current.items():
        groups.setdefault(districts.get(device, UNKNOWN_DISTRICT), []).append(sketch)
    return by_device(feature, reference, {name: merge(parts) for name, parts in groups.items()})


def _ranked(found: list[Contribution]) -> list[Contribution]:
    return sorted(found, key=lambda part: (-part.weight, part.name))
