"""From an alarm to where it comes from: which crop, district or device carries the drift of a feature.

It ranks; it does not test. Whether there is drift at all is what `verdict` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pikvani_contract.sketch import Sketch, merge
from pikvani_server.drift.crops import mix_of, within_crops
from pikvani_server.drift.statistics import psi_terms
from pikvani_server.drift.verdict import Strata, counts_of, excess_by_size

UNKNOWN_DISTRICT = "unknown"


@dataclass(frozen=True)
class Contribution:
    """A part's weight in a drift.

    Attributes:
        name: Crop, district or device.
        cases: Of the current window.
        weight: For a crop the excess PSI of the classes within it times its share of cases, or its terms of the PSI of
            the mix; for a district or device its excess PSI times its share of cases. Not a probability, comparable
            within one list only.
    """

    name: str
    cases: int
    weight: float


def by_crop(reference: Sketch, current: Sketch, feature: str = "classes") -> list[Contribution]:
    """Crops by what is unlike within them, for `crops` by their part of the mix; empty where a side has no class."""
    cases = current.crops
    if feature == "crops":
        ours, theirs = mix_of(reference, current)
        if not ours.sum() or not theirs.sum():
            return []
        terms = psi_terms(list(ours), list(theirs))
        names = sorted({*reference.crops, *cases})
        return _ranked([Contribution(n, cases.get(n, 0), float(term)) for n, term in zip(names, terms, strict=True)])
    whole = sum(cases.values())
    found = []
    for part in within_crops(reference, current):
        _, excess = excess_by_size([(part.reference, part.current)])
        found.append(Contribution(part.crop, cases[part.crop], excess * cases[part.crop] / whole))
    return _ranked(found)


def by_device(feature: str, reference: Sketch, current: Mapping[str, Sketch]) -> list[Contribution]:
    """Devices by their part of a feature's drift, the heaviest first.

    Args:
        feature: `classes` (within each crop), `crops`, `decisions` or a key of `FEATURES`.
        reference: Of the fleet.
        current: Sketch of the window by device.
    """
    told = {name: _strata(feature, reference, sketch) for name, sketch in current.items()}
    sizes = {name: sum(float(theirs.sum()) for _, theirs in strata) for name, strata in told.items()}
    total = sum(sizes.values())
    found = []
    for name, strata in told.items():
        if strata:
            _, excess = excess_by_size(strata)
            found.append(Contribution(name, current[name].cases, excess * sizes[name] / total))
    return _ranked(found)


def by_district(
    feature: str, reference: Sketch, current: Mapping[str, Sketch], districts: Mapping[str, str]
) -> list[Contribution]:
    """As `by_device`, with devices added up by district; a device in no district is in `UNKNOWN_DISTRICT`."""
    groups: dict[str, list[Sketch]] = {}
    for device, sketch in current.items():
        groups.setdefault(districts.get(device, UNKNOWN_DISTRICT), []).append(sketch)
    return by_device(feature, reference, {name: merge(parts) for name, parts in groups.items()})


def _strata(feature: str, reference: Sketch, current: Sketch) -> Strata:
    if feature == "classes":
        return [(part.reference, part.current) for part in within_crops(reference, current)]
    ours, theirs = counts_of(feature, reference, current)
    return [(ours, theirs)] if ours.sum() and theirs.sum() else []


def _ranked(found: list[Contribution]) -> list[Contribution]:
    return sorted(found, key=lambda part: (-part.weight, part.name))
