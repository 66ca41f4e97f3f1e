"""Whether a window has drifted from its reference, what kind of drift it is, and in which features.

A feature has drifted when it is both beyond chance and large enough to matter. Beyond chance: a parametric bootstrap,
corrected for the number of features, of the KS distance for numbers and of PSI for names. Large enough: the excess of
PSI over what chance alone gives, whose threshold is the same for any sample size. Classes are judged within each crop,
and the crop mix beside them as what is seen. It sees histograms only: it cannot tell concept drift, which needs labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.sketch import FEATURES, Sketch
from pikvani_server.drift.crops import counts_by_name, groups_of, mix_of, risen_label, within_crops
from pikvani_server.drift.statistics import psi_terms_of_rows

Kind = Literal["none", "data", "prediction", "both", "cannot_say"]
PREDICTION_FEATURES = ("classes", "decisions", "confidence", "entropy")
"""What the model said. All other features are what it saw; `crops` among them, the mix of crops it was shown."""
Counts = NDArray[np.float64]
Strata = Sequence[tuple[Counts, Counts]]
"""Counts on both sides `[bins]` by stratum. A feature is one stratum; several crops judged together are one each."""
_FIRST_DRAWS = 200
_DRAWS_BEYOND = 5
"""Draws expected beyond a p-value at the level: enough to tell it from its half."""
_CLEARLY_CHANCE = 8
_ROUNDING = 1e-12


@dataclass(frozen=True)
class VerdictSettings:
    """How a verdict is come to.

    Attributes:
        false_alarm_rate: Chance of any alarm in one verdict when nothing changed, all features together.
        least_excess: Excess PSI that matters. 0.25 is the customary "significant shift"; at the customary "some
            change", 0.1, monsoons that come at unlike dates alarm more than once a device-year.
        least_cases: Fewer cases on either side say nothing.
        seed: Of the bootstrap, so that the same counts give the same verdict everywhere.
    """

    false_alarm_rate: float = 0.005
    least_excess: float = 0.25
    least_cases: int = 30
    seed: int = 1


@dataclass(frozen=True)
class FeatureVerdict:
    """One feature judged.

    Attributes:
        name: Which; `classes` once for each crop with cases enough, and once for the other crops together.
        psi: Its PSI.
        ks: KS distance at the bin edges; 0 for names, which have no order.
        excess: PSI less what chance gives on average.
        p_value: Of the bootstrap; 1 where the excess is too small to matter, which needs none.
        drifted: The outcome.
        label: For classes the `crop/condition` whose share within its crop grew most; else empty.
        crop: For classes the crop judged, empty for several together.
    """

    name: str
    psi: float
    ks: float
    excess: float
    p_value: float
    drifted: bool
    label: str = ""
    crop: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells one feature of a verdict from another."""
        return self.name, self.crop


@dataclass(frozen=True)
class Verdict:
    """The kind of drift, and the features judged, the largest excess first."""

    kind: Kind
    features: tuple[FeatureVerdict, ...] = ()


def judge(reference: Sketch, current: Sketch, settings: VerdictSettings | None = None) -> Verdict:
    """Judge a window against its reference, both of one model version.

    Returns:
        `cannot_say` where a side has too few cases or no feature in common.
    """
    use = settings or VerdictSettings()
    pairs = {name: counts_of(name, reference, current) for name in ("crops", "decisions", *FEATURES)}
    enough = {n: pair for n, pair in pairs.items() if min(*(side.sum() for side in pair)) >= use.least_cases}
    groups = groups_of(within_crops(reference, current), use.least_cases)
    if not enough and not groups:
        return Verdict("cannot_say")
    rng = np.random.default_rng(use.seed)
    level = use.false_alarm_rate / (len(enough) + len(groups))
    judged = []
    for group in groups:
        strata = [(part.reference, part.current) for part in group]
        crop = group[0].crop if len(group) == 1 else ""
        found = _judged("classes", strata, level, use.least_excess, rng)
        judged.append(replace(found, label=risen_label(group), crop=crop))
    risen = {feature.label for feature in judged if feature.drifted}
    mix = mix_of(reference, current, risen)
    if risen and min(*(side.sum() for side in mix)) < use.least_cases:
        enough.pop("crops", None)
    elif "crops" in enough:
        enough["crops"] = mix
    judged += [_judged(name, [pair], level, use.least_excess, rng) for name, pair in enough.items()]
    judged.sort(key=lambda feature: (-feature.excess, feature.key))
    return Verdict(kind_of(judged), tuple(judged))


def kind_of(features: Iterable[FeatureVerdict]) -> Kind:
    """The kind of drift that these features make together."""
    said = {feature.name in PREDICTION_FEATURES for feature in features if feature.drifted}
    kinds: dict[frozenset[bool], Kind] = {
        frozenset(): "none",
        frozenset({True}): "prediction",
        frozenset({False}): "data",
        frozenset({True, False}): "both",
    }
    return kinds[frozenset(said)]


def counts_of(feature: str, reference: Sketch, current: Sketch) -> tuple[Counts, Counts]:
    """Counts of a feature on both sides, `[bins]` in the same order; classes, crops and decisions by name."""
    if feature in ("classes", "crops", "decisions"):
        ours, theirs = getattr(reference, feature), getattr(current, feature)
        names = sorted({*ours, *theirs})
        return counts_by_name(ours, names), counts_by_name(theirs, names)
    empty = (0,) * FEATURES[feature].count
    sides = (np.array(side.histograms.get(feature, empty), dtype=np.float64) for side in (reference, current))
    ours, theirs = sides
    return ours, theirs


def excess_by_size(strata: Strata) -> tuple[float, float]:
    """PSI, and its excess over what chance gives to first order.

    Chance gives (bins - 1)(1/n + 1/m), as of a chi-squared variable. Strata count by their share of the window.
    """
    psi = by_chance = 0.0
    for (reference, current), weight in zip(strata, _weights(strata), strict=True):
        bins = int(np.sum(reference + current > 0))
        psi += weight * float(_psi(reference[None, :], current[None, :])[0])
        by_chance += weight * (bins - 1) * float(1 / reference.sum() + 1 / current.sum())
    return psi, psi - by_chance


def _weights(strata: Strata) -> list[float]:
    total = sum(float(current.sum()) for _, current in strata)
    return [float(current.sum()) / total for _, current in strata]


def _judged(name: str, strata: Strata, level: float, least_excess: float, rng: np.random.Generator) -> FeatureVerdict:
    ordered = name in FEATURES
    psi, excess = excess_by_size(strata)
    ks = float(_ks(strata[0][0][None, :], strata[0][1][None, :])[0]) if ordered else 0.0
    if psi < least_excess:
        # What chance alone gives is yet to be taken off, so no draw can make it drift.
        return FeatureVerdict(name, psi, ks, excess, 1.0, False)
    drawn_psi, drawn_ks = _drawn(strata, ordered, _FIRST_DRAWS, rng)
    excess = psi - float(drawn_psi.mean())
    # KS for numbers, because neighbouring bins add up in it: with few cases it sees a shift that PSI does not.
    seen, drawn = (ks, drawn_ks) if ordered else (psi, drawn_psi)
    beyond = int(np.sum(drawn >= seen - _ROUNDING))
    # More draws only where they can change the outcome: an excess too small to matter is none whatever its p-value,
    # and what chance beats several times among few draws has a p-value far above the level.
    wanted = math.ceil(_DRAWS_BEYOND / level)
    for count in (min(10 * _FIRST_DRAWS, wanted), wanted):
        if excess < least_excess or len(drawn) >= wanted or beyond >= _CLEARLY_CHANCE * max(1.0, level * len(drawn)):
            break
        drawn = _drawn(strata, ordered, count, rng)[1 if ordered else 0]
        beyond = int(np.sum(drawn >= seen - _ROUNDING))
    p_value = (1 + beyond) / (1 + len(drawn))
    return FeatureVerdict(name, psi, ks, excess, p_value, excess >= least_excess and p_value <= level)


def _drawn(strata: Strata, ordered: bool, draws: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """PSI and, where bins have an order, KS of so many samples of these sizes when nothing changed."""
    psi, ks = np.zeros(draws), np.zeros(draws)
    for (reference, current), weight in zip(strata, _weights(strata), strict=True):
        pair = _chance(reference, current, draws, rng)
        psi += weight * _psi(*pair)
        ks = _ks(*pair) if ordered else ks
    return psi, ks


def _psi(reference: Counts, current: Counts) -> Counts:
    return np.asarray(psi_terms_of_rows(reference, current).sum(axis=1), dtype=np.float64)


def _ks(reference: Counts, current: Counts) -> Counts:
    f = np.cumsum(reference, axis=1) / reference.sum(axis=1, keepdims=True)
    g = np.cumsum(current, axis=1) / current.sum(axis=1, keepdims=True)
    return np.asarray(np.max(np.abs(f - g), axis=1), dtype=np.float64)


def _chance(reference: Counts, current: Counts, draws: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Pairs of samples of these sizes `[draws, bins]` from one distribution: the pooled one.

    Parametric bootstrap of a multinomial (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 16).
    """
    pooled = reference + current
    shares = pooled / pooled.sum()
    one = rng.multinomial(int(reference.sum()), shares, size=draws).astype(np.float64)
    two = rng.multinomial(int(current.sum()), shares, size=draws).astype(np.float64)
    return one, two
