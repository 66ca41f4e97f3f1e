"""Does it serve everyone alike? The measures of the field, with intervals, and silence where there is too little. Pure.

Groups are districts, crops, languages or kinds of device. A group is compared with the one that fares best among those
large enough to say.
- Disparate impact: a group's share of cases that got an answer, divided by the best group's. Below 0.8 it fails the
  four-fifths rule (29 CFR 1607.4(D)).
- True-positive-rate gap (equal opportunity, Hardt et al. 2016): of labelled diseased cases, the share named rightly.
- Predictive-value gap (Chouldechova 2017): of labelled answers, the share that is right.
Intervals: ratios by the log method of Katz et al. 1978, differences by Newcombe 1998 (method 10, Wilson scores).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

LEAST = 30
"""Fewer cases in a group's denominator say nothing."""
FOUR_FIFTHS = 0.8
_Z = 1.959964

Says = Literal["fine", "unfair", "unclear", "too_few"]
"""`unfair` where the whole interval lies beyond the limit, `fine` where none of it does, else `unclear`."""


@dataclass(frozen=True)
class Share:
    """`hits` of `cases`."""

    hits: int
    cases: int

    @property
    def value(self) -> float:
        """Between 0 and 1; 0 of nothing is 0."""
        return self.hits / self.cases if self.cases else 0.0


@dataclass(frozen=True)
class GroupCounts:
    """What is counted of one group.

    Attributes:
        answered: answers among all cases.
        found: diseased cases named rightly and answered, among labelled diseased cases.
        right: right ones among labelled answers.
    """

    answered: Share
    found: Share
    right: Share


@dataclass(frozen=True)
class Compared:
    """One group against the best one.

    Attributes:
        group: its name.
        share: its own.
        low: lower end of its 95% interval (Wilson).
        high: upper end.
        against: the group it is compared with, empty where none can be.
        measure: ratio of shares for disparate impact, else the difference (this group minus the best).
        measure_low: lower end of its 95% interval.
        measure_high: upper end.
        says: the outcome.
    """

    group: str
    share: Share
    low: float
    high: float
    against: str
    measure: float
    measure_low: float
    measure_high: float
    says: Says


@dataclass(frozen=True)
class Audit:
    """The three measures, a row a group, by name."""

    disparate_impact: list[Compared]
    true_positive_rate: list[Compared]
    predictive_value: list[Compared]


def audit(groups: Mapping[str, GroupCounts], tolerated_gap: float = 0.10, least: int = LEAST) -> Audit:
    """Audit one way of grouping.

    Args:
        groups: counts by group.
        tolerated_gap: difference of shares that is accepted.
        least: denominators below it are too few to say.
    """
    return Audit(
        _ratios({name: g.answered for name, g in groups.items()}, least),
        _gaps({name: g.found for name, g in groups.items()}, tolerated_gap, least),
        _gaps({name: g.right for name, g in groups.items()}, tolerated_gap, least),
    )


def wilson(share: Share) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927); all of 0 to 1 for no cases."""
    n = share.cases
    if not n:
        return 0.0, 1.0
    p, z2 = share.value, _Z**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def ratio_interval(one: Share, other: Share) -> tuple[float, float, float]:
    """Ratio of two shares with its 95% interval. A zero count has half a case added on both sides."""
    a, n, c, m = float(one.hits), float(one.cases), float(other.hits), float(other.cases)
    if not a or not c:
        a, n, c, m = a + 0.5, n + 0.5, c + 0.5, m + 0.5
    ratio = (a / n) / (c / m)
    error = math.sqrt(max(0.0, 1 / a - 1 / n + 1 / c - 1 / m))
    return ratio, ratio * math.exp(-_Z * error), ratio * math.exp(_Z * error)


def difference_interval(one: Share, other: Share) -> tuple[float, float, float]:
    """`one` minus `other` with its 95% interval."""
    (l1, u1), (l2, u2), p1, p2 = wilson(one), wilson(other), one.value, other.value
    low = (p1 - p2) - math.sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2)
    high = (p1 - p2) + math.sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
    return p1 - p2, max(-1.0, low), min(1.0, high)


def _best(shares: Mapping[str, Share], least: int) -> str | None:
    large = [name for name, share in shares.items() if share.cases >= least]
    return max(large, key=lambda name: (shares[name].value, shares[name].cases, name), default=None)


def _ratios(shares: Mapping[str, Share], least: int) -> list[Compared]:
    best = _best(shares, least)
    found = []
    for name, share in sorted(shares.items()):
        if share.cases < least or best is None:
            found.append(_silent(name, share, 1.0))
            continue
        if name == best:
            found.append(Compared(name, share, *wilson(share), best, 1.0, 1.0, 1.0, "fine"))
            continue
        ratio, low, high = ratio_interval(share, shares[best])
        says: Says = "unfair" if high < FOUR_FIFTHS else "fine" if low >= FOUR_FIFTHS else "unclear"
        found.append(Compared(name, share, *wilson(share), best, ratio, low, high, says))
    return found


def _gaps(shares: Mapping[str, Share], tolerated: float, least: int) -> list[Compared]:
    best = _best(shares, least)
    found = []
    for name, share in sorted(shares.items()):
        if share.cases < least or best is None:
            found.append(_silent(name, share, 0.0))
            continue
        if name == best:
            found.append(Compared(name, share, *wilson(share), best, 0.0, 0.0, 0.0, "fine"))
            continue
        gap, low, high = difference_interval(share, shares[best])
        says: Says = "unfair" if high < -tolerated else "fine" if low >= -tolerated else "unclear"
        found.append(Compared(name, share, *wilson(share), best, gap, low, high, says))
    return found


def _silent(name: str, share: Share, neutral: float) -> Compared:
    return Compared(name, share, *wilson(share), "", neutral, neutral, neutral, "too_few")
