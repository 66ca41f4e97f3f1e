"""How often may be guessed. Counted in the store, so it holds over any number of workers, and before the guess is
looked at, so that many at once gain nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pikvani_server.store import Store
from pikvani_server.store.schema_accounts import limits


@dataclass(frozen=True)
class Limit:
    """`most` tries in `within`; then none until that is over."""

    most: int
    within: timedelta


PAIR = Limit(5, timedelta(minutes=15))
"""One name from one address."""
NAME = Limit(50, timedelta(hours=1))
"""One name from anywhere: high, because whoever knows a name could shut its owner out."""
ADDRESS = Limit(100, timedelta(hours=1))
"""One address with any names."""
CODE = Limit(5, timedelta(minutes=15))
"""Second-factor codes of one account."""


def take(store: Store, tries: dict[str, Limit], now: datetime) -> timedelta:
    """Count a try under each key.

    Args:
        store: where it is counted.
        tries: limit by key.
        now: UTC.

    Returns:
        Zero where the try may be made, else how long to wait.
    """
    wait = timedelta(0)
    with store.writing("counting sign-ins") as connection:
        for key, limit in sorted(tries.items()):
            row = store.insert(limits).values(key=key[:200], tries=1, until=now + limit.within)
            over = limits.c.until <= now
            done = connection.execute(
                row.on_conflict_do_update(
                    index_elements=["key"],
                    set_={
                        "tries": sa.case((over, 1), else_=limits.c.tries + 1),
                        "until": sa.case((over, row.excluded.until), else_=limits.c.until),
                    },
                ).returning(limits.c.tries, limits.c.until)
            ).one()
            if done.tries > limit.most:
                wait = max(wait, done.until - now)
    return wait


def give_back(store: Store, keys: list[str]) -> None:
    """The try was a good one: it does not count."""
    with store.writing("counting sign-ins") as connection:
        for key in sorted(keys):
            change = sa.update(limits).where(limits.c.key == key[:200], limits.c.tries > 0)
            connection.execute(change.values(tries=limits.c.tries - 1))


def clear(store: Store, keys: list[str]) -> None:
    """Begin anew."""
    with store.writing("counting sign-ins") as connection:
        connection.execute(sa.delete(limits).where(limits.c.key.in_([key[:200] for key in keys])))


def prune(store: Store, now: datetime) -> int:
    """Forget what is over; returns how many."""
    with store.writing("pruning sign-ins") as connection:
        return int(connection.execute(sa.delete(limits).where(limits.c.until <= now)).rowcount)
