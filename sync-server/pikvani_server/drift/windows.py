"""Which days a verdict is about and which it compares them with. Pure calendar; no sketches, no database.

Windows of two weeks end on Wednesdays and Sundays, so that a fault waits at most four days to be looked for and a day
belongs to four of them. Daily windows would see it a day or two earlier, at twice the false alarms (docs/long-runs.md).
"""

from __future__ import annotations

from datetime import date, timedelta

from pikvani_server.drift.seasons import reference_days

WINDOW_DAYS = 14
RECENT_DAYS = 42
"""Days right before a window that stand in where no earlier year is known."""
ENDS = (2, 6)
"""Weekdays on which windows end, Monday being 0."""


def window_days(end: date) -> list[date]:
    """The days of the window that ends on `end`, ascending."""
    return [end - timedelta(days=back) for back in range(WINDOW_DAYS - 1, -1, -1)]


def recent_days(end: date) -> list[date]:
    """The days right before the window that ends on `end`, ascending."""
    first = end - timedelta(days=WINDOW_DAYS)
    return [first - timedelta(days=back) for back in range(RECENT_DAYS - 1, -1, -1)]


def season_days(end: date, history: list[date]) -> list[date]:
    """Days of `history` in the same weeks of the same season of earlier years, ascending."""
    return reference_days(end - timedelta(days=WINDOW_DAYS // 2), history)


def windows_of(day: date, today: date) -> list[date]:
    """Ends of the finished windows that `day` lies in."""
    later = (day + timedelta(days=ahead) for ahead in range(WINDOW_DAYS))
    return [end for end in later if end.weekday() in ENDS and end < today]


def uses(end: date, day: date) -> bool:
    """Whether the verdict of the window that ends on `end` can depend on what happened on `day`."""
    if day > end:
        return False
    if (end - day).days < WINDOW_DAYS + RECENT_DAYS:
        return True
    return bool(season_days(end, [day]))
