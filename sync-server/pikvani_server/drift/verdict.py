"""Whether a window has drifted from its reference, what kind of drift it is, and in which features.

A feature has drifted when it is both beyond chance and large enough to matter. Beyond chance: a parametric bootstrap,
corrected for the number of features, of the KS distance for numbers and of PSI for names. Large enough: the excess of
PSI over what chance alone gives, whose threshold is the same for any sample size. It sees histograms only: it cannot
tell concept drift, which needs labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.sketch import FEATURES, Sketch
from pikvani_server.drift.statistics import psi_terms_of_rows

Kind = Literal["none", "data", "prediction", "both", "cannot_say"]
PREDICTION_FEATURES = ("classes", "decisions", "confidence", "entropy")
"""What the model said. All other features are what it saw."""
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
        name: Which.
        psi: Its PSI.
        ks: KS distance at the bin edges; 0 for names, which have no order.
        excess: PSI less what chance gives on average.
        p_value: Of the bootstrap; 1 where the excess is too small to matter, which needs none.
        drifted: The outcome.
    """

    name: str
    psi: float
    ks: float
    excess: float
    p_value: float
    drifted: bool


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
    pairs = {name: counts_of(name, reference, current) for name in ("classes", "decisions", *FEATURES)}
    enough = {n: (r, c) for n, (r, c) in pairs.items() if min(r.sum(), c.sum(), use.least_cases) >= use.least_cases}
    if not enough:
        return Verdict("cannot_say")
    rng = np.random.default_rng(use.seed)
    level = use.false_alarm_rate / len(enough)
    judged = [_judged(name, r, c, level, use.least_excess, rng) for name, (r, c) in enough.items()]
    judged.sort(key=lambda feature: (-feature.excess, feature.name))
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


def counts_of(feature: str, reference: Sketch, current: Sketch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts of a feature on both sides, `[bins]` in the same order; classes and decisions by name."""
    if feature in ("classes", "decisions"):
        ours, theirs = getattr(reference, feature), getattr(current, feature)
        names = sorted({*ours, *theirs})
        return _vector([ours.get(n, 0) for n in names]), _vector([theirs.get(n, 0) for n in names])
    empty = (0,) * FEATURES[feature].count
    return _vector(reference.histograms.get(feature, empty)), _vector(current.histograms.get(feature, empty))


def _vector(counts: list[int] | tuple[int, ...]) -> NDArray[np.float64]:
    return np.array(counts, dtype=np.float64)


def _judged(
    name: str,
    reference: NDArray[np.float64],
    current: NDArray[np.float64],
    level: float,
    least_excess: float,
    rng: np.random.Generator,
) -> FeatureVerdict:
    ordered = name in FEATURES
    one, two = reference[None, :], current[None, :]
    psi, ks = float(_psi(one, two)[0]), float(_ks(one, two)[0]) if ordered else 0.0
    if psi < least_excess:
        # The excess is smaller still, so no draw can make it drift; what chance gives is told by its first order:
        # (bins - 1)(1/n + 1/m), as of a chi-squared variable.
        bins = int(np.sum(reference + current > 0))
        by_chance = (bins - 1) * float(1 / reference.sum() + 1 / current.sum())
        return FeatureVerdict(name, psi, ks, psi - by_chance, 1.0, False)
    draws = _chance(reference, current, _FIRST_DRAWS, rng)
    excess = psi - float(_psi(*draws).mean())
    # KS for numbers, because neighbouring bins add up in it: with few cases it sees a shift that PSI does not.
    seen, drawn = (ks, _ks(*draws)) if ordered else (psi, _psi(*draws))
    beyond = int(np.sum(drawn >= seen - _ROUNDING))
    # More draws only where they can change the outcome: an excess too small to matter is none whatever its p-value,
    # and what chance beats several times among few draws has a p-value far above the level.
    wanted = math.ceil(_DRAWS_BEYOND / level)
    for count in (min(10 * _FIRST_DRAWS, wanted), wanted):
        if excess < least_excess or len(drawn) >= wanted or beyond >= _CLEARLY_CHANCE * max(1.0, level * len(drawn)):
            break
        draws = _chance(reference, current, count, rng)
        drawn = _ks(*draws) if ordered else _psi(*draws)
        beyond = int(np.sum(drawn >= seen - _ROUNDING))
    p_value = (1 + beyond) / (1 + len(drawn))
    return FeatureVerdict(name, psi, ks, excess, p_value, excess >= least_excess and p_value <= level)


def _psi(reference: NDArray[np.float64], current: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(psi_terms_of_rows(reference, current).sum(axis=1), dtype=np.float64)


def _ks(reference: NDArray[np.float64], current: NDArray[np.float64]) -> NDArray[np.float64]:
    f = np.cumsum(reference, axis=1) / reference.sum(axis=1, keepdims=True)
    g = np.cumsum(current, axis=1) / current.sum(axis=1, keepdims=True)
    return np.asarray(np.max(np.abs(f - g), axis=1), dtype=np.float64)


def _chance(
    reference: NDArray[np.float64], current: NDArray[np.float64], draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of samples of these sizes `[draws, bins]` from one distribution: the pooled one.

    Parametric bootstrap of a multinomial (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 16).
    """
    pooled = reference + current
    shares = pooled / pooled.sum()
    one = rng.multinomial(int(reference.sum()), shares, size=draws).astype(np.float64)
    two = rng.multinomial(int(current.sum()), shares, size=draws).astype(np.float64)
    return one, two
