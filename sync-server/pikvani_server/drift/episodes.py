"""Verdicts, some a week, to alarms: one alarm is one stretch of weeks that drifted. Pure.

Alarms follow from the verdicts alone, whatever the order in which these came, so a late day may move or take back one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

MIX = "crops"
"""The crop mix names an alarm only where nothing else drifted: a new disease must not hide behind it."""
MOST_QUIET_WEEKS = 1
"""A stretch goes on over so many quiet weeks."""
DRIFTED = frozenset({"data", "prediction", "both", "concept"})
TRUSTED = frozenset({"season", "peers", "models", "labels"})
"""What a verdict was judged against so that the season cannot raise it. Against `recent` days it is only a warning."""


@dataclass(frozen=True)
class Judged:
    """One verdict: its window's last day, kind, basis, the feature that drifted most, and the label that rose in it."""

    end: date
    kind: str
    basis: str
    feature: str = ""
    excess: float = 0.0
    label: str = ""


@dataclass(frozen=True)
class Episode:
    """One alarm; `level` is `alarm` or `warning`, `open` while its stretch has not ended."""

    first: date
    last: date
    kind: str
    level: Literal["alarm", "warning"]
    feature: str
    excess: float
    open: bool
    label: str = ""


def episodes(verdicts: Iterable[Judged]) -> list[Episode]:
    """The alarms of one scope, name, model and source, in order of time."""
    ordered = sorted(verdicts, key=lambda v: v.end)
    stretches: list[list[Judged]] = []
    for verdict in ordered:
        if verdict.kind not in DRIFTED:
            continue
        if stretches and (verdict.end - stretches[-1][-1].end).days <= 7 * (MOST_QUIET_WEEKS + 1):
            stretches[-1].append(verdict)
        else:
            stretches.append([verdict])
    newest = ordered[-1].end if ordered else date.min
    return [_episode(stretch, newest) for stretch in stretches]


def _episode(stretch: list[Judged], newest: date) -> Episode:
    worst = max(stretch, key=lambda v: (v.feature != MIX, v.excess, v.end))
    kinds = {verdict.kind for verdict in stretch}
    kind = kinds.pop() if len(kinds) == 1 else "both"
    level: Literal["alarm", "warning"] = "alarm" if any(v.basis in TRUSTED for v in stretch) else "warning"
    still = (newest - stretch[-1].end).days <= 7 * MOST_QUIET_WEEKS
    return Episode(stretch[0].end, stretch[-1].end, kind, level, worst.feature, worst.excess, still, worst.label)
