"""Gets out of a damaged database what can still be read, into a new one beside it. The damaged file is kept.

Rows keep their outbox id and sequence, so what the centre has already is not taken twice. It never runs by itself: a
technician decides, with `pikvani-device rescue`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pikvani_contract.clock import Clock
from pikvani_device.errors import StoreError
from pikvani_device.store.database import open_store

DAMAGED = ".damaged-"
"""Stands in the name of a damaged database that was replaced."""
_MAX_KEY = 2**62
_MANY = 500
_TABLES = {
    "boots": ("boot", ("boot", "boot_id")),
    "outboxes": ("stream", ("stream", "outbox", "highest", "committed")),
    "records": ("id", ("id", "kind", "mono_ms", "offset_ms", "trust", "body", "photo_names", "traits")),
    "consents": (
        "id",
        ("id", "outbox", "seq", "code", "purposes", "given_by", "notice", "locale", "wall_ms", "notes"),
    ),
    "erasures": ("id", ("id", "outbox", "seq", "whole", "wall_ms")),
}


@dataclass(frozen=True)
class Rescued:
    """What a rescue found.

    Attributes:
        cases: cases in the new database.
        waiting: records in its outbox.
        unnamed: records left behind because the id of their outbox could not be read.
        damaged: where the damaged file lies now.
    """

    cases: int
    waiting: int
    unnamed: int
    damaged: Path


def rescue(path: Path, clock: Clock) -> Rescued:
    """Replace a damaged database by what can be read of it.

    Raises:
        StoreError: there is nothing there, or the new one cannot be written.
    """
    if not path.is_file():
        raise StoreError(f"there is no case store at {path}: nothing to rescue")
    damaged = path.with_name(f"{path.name}{DAMAGED}{clock.now().wall_ms}")
    try:
        # The log belongs to the file it was written for: they move together.
        for suffix in ("-wal", "-shm"):
            log = path.with_name(path.name + suffix)
            if log.exists():
                log.rename(damaged.with_name(damaged.name + suffix))
        path.rename(damaged)
        open_store(path, clock).close()
        with sqlite3.connect(path, isolation_level=None) as new, sqlite3.connect(damaged) as old:
            new.execute("BEGIN IMMEDIATE")
            new.execute("DELETE FROM boots")
            for table, (key, wanted) in _TABLES.items():
                columns = _present(old, table, wanted)
                marks = ", ".join("?" * len(columns))
                sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - constants
                new.executemany(sql, _readable(old, table, key, columns))
            unnamed = new.execute("DELETE FROM records WHERE id >> 40 NOT IN (SELECT stream FROM outboxes)").rowcount
            # No sequence may be given out again, whatever the damaged counter said.
            new.execute(
                """UPDATE outboxes SET highest = MAX(highest, COALESCE(
                    (SELECT MAX(id) & 1099511627775 FROM records r WHERE r.id >> 40 = stream), 0))"""
            )
            new.execute("COMMIT")
            (cases,) = new.execute("SELECT COUNT(*) FROM records WHERE kind = 'case'").fetchone()
        store = open_store(path, clock)
        waiting = sum(depth.records for depth in store.depths())
        store.close()
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"rescue of {path} failed: {error}; the damaged file is kept as {damaged}") from error
    return Rescued(cases, waiting, unnamed, damaged)


def _present(old: sqlite3.Connection, table: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The columns the damaged file has; all of them where that cannot be read. It may be of an older version."""
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return wanted
    return tuple(name for name in wanted if name in there) or wanted


def _readable(old: sqlite3.Connection, table: str, key: str, columns: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    """Every row that can be read, ascending; a damaged page is stepped over by the shortest step that works."""
    sql = f"SELECT {', '.join(columns)} FROM {table} WHERE {key} >= ? ORDER BY {key} LIMIT ?"  # noqa: S608 - constants

    def rows_from(start: int, limit: int) -> list[tuple[object, ...]] | None:
        try:
            return old.execute(sql, (start, limit)).fetchall()
        except sqlite3.DatabaseError:
            return None

    start, limit = 0, _MANY
    while start < _MAX_KEY:
        rows = rows_from(start, limit)
        if rows:
            yield from rows
            start, limit = int(str(rows[-1][0])) + 1, _MANY
        elif rows is not None:
            return
        elif limit > 1:
            limit = 1
        else:
            start = _first_readable(start, lambda at: rows_from(at, 1) is not None)


def _first_readable(damaged: int, readable: Callable[[int], bool]) -> int:
    """The lowest key from which reading works again, by doubling steps and then halving the last one."""
    step = 1
    while damaged + step < _MAX_KEY and not readable(damaged + step):
        step *= 2
    low, high = damaged + step // 2, min(damaged + step, _MAX_KEY)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if readable(middle) else (middle, high)
    return high
