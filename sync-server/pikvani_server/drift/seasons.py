"""Which past days a window may be judged against: the same weeks of the same crop season, in earlier years.

So the monsoon's grey light and the change from cotton to chickpea are not drift. It knows India's crop seasons and
nothing of sketches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

SeasonName = Literal["kharif", "rabi", "zaid"]
AROUND_DAYS = 21
"""Sowing moves with the onset of the monsoon by about this much."""


@dataclass(frozen=True)
class Season:
    """One crop season; `year` is the year it began in, so rabi 2025 ends in March 2026."""

    name: SeasonName
    year: int

    @property
    def first_day(self) -> date:
        """Kharif from 1 June, rabi from 1 November, zaid from 1 April."""
        return date(self.year, {"kharif": 6, "rabi": 11, "zaid": 4}[self.name], 1)


def season_of(day: date) -> Season:
    """Kharif is June to October, rabi November to March, zaid April and May."""
    if day.month >= 11:
        return Season("rabi", day.year)
    if day.month <= 3:
        return Season("rabi", day.year - 1)
    return Season("zaid" if day.month <= 5 else "kharif", day.year)


def reference_days(day: date, history: Iterable[date], around_days: int = AROUND_DAYS) -> list[date]:
    """Days of `history` that `day` may be judged against, ascending.

    They lie in an earlier year of the season of `day`, at most `around_days` from the same place in it. This year's
    days are left out, because drift that came slowly would become its own reference. Empty means: cannot say.
    """
    season = season_of(day)
    place = (day - season.first_day).days
    chosen = []
    for past in history:
        then = season_of(past)
        near = abs((past - then.first_day).days - place) <= around_days
        if near and then.name == season.name and then.year < season.year:
            chosen.append(past)
    return sorted(set(chosen))
