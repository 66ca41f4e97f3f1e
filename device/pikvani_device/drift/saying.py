"""Says each day's sketch once the day is over, out of the cases on the disk; a kill loses and doubles nothing.

The cases are the only truth: a position says up to which of them all is said, and moves in the same transaction that
queues the sketches. Cases of today wait for tomorrow. A case that comes to a day already said, because a clock was put
right, makes that day's sketch be said again, within `MAX_DAY_BYTES`.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta, timezone

from pikvani_contract.clock import Clock, ClockTrust
from pikvani_contract.errors import WireError
from pikvani_device.drift.feeder import Feeder
from pikvani_device.store import Store
from pikvani_device.store.sketches import CountableCase, SketchShelf

log = logging.getLogger(__name__)

INDIA = timezone(timedelta(hours=5, minutes=30))
"""A village's day, whatever time zone the machine was left in."""
MAX_DAY_BYTES = 2_048
"""What the sketches of one model and day may cost together; the first always goes."""
KEPT_DAYS = 30
"""Days whose sketch is kept to be added to."""
_MISTAKEN_AHEAD = timedelta(days=366)
_PAGE = 1_000


def local_day(wall_ms: int) -> str:
    """The village's date of a UTC time in milliseconds, `YYYY-MM-DD`."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(INDIA).date().isoformat()


def say_finished_days(store: Store, clock: Clock) -> int:
    """Queue the sketches of all days that are over and not said yet.

    Does nothing while nothing has confirmed the clock: then nobody knows which day it is.

    Returns:
        Sketches queued.

    Raises:
        StoreError: the disk failed; nothing was queued.
    """
    moment = clock.now()
    if moment.trust < ClockTrust.FLOOR:
        return 0
    today = local_day(moment.wall_ms)
    mistaken = local_day(moment.wall_ms + int(_MISTAKEN_AHEAD.total_seconds() * 1000))
    shelf = SketchShelf(store)
    position, finished = shelf.position(), []
    while page := shelf.cases_after(position, _PAGE):
        waiting = [i for i, case in enumerate(page) if _is_open(case, today, mistaken)]
        finished += page[: waiting[0]] if waiting else page
        if waiting:
            break
        position = page[-1].key
    if not finished:
        return 0
    feeder = Feeder()
    said = shelf.said()
    for body in said.values():
        try:
            feeder.resume(body)
        except WireError as error:
            log.warning("the sketch of %s is counted anew: %s", body.day, error)
    for case in finished:
        if case.trust >= ClockTrust.FLOOR and local_day(case.wall_ms) < mistaken:
            feeder.add(case.body, case.traits, local_day(case.wall_ms))
    oldest = local_day(moment.wall_ms - KEPT_DAYS * 86_400_000)
    return shelf.say(feeder.take_changed(), finished[-1].key, oldest, MAX_DAY_BYTES)


def _is_open(case: CountableCase, today: str, mistaken: str) -> bool:
    """Whether a case must wait: its day is not over. One dated far ahead, or by nobody's clock, is passed over."""
    return case.trust >= ClockTrust.FLOOR and today <= local_day(case.wall_ms) < mistaken
