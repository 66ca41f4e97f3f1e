"""Tombstones inside a transaction: what they turn away, and what they delete. Both databases alike.

A tombstone may come before its case, after it, twice, or by a stick years later: whatever the order, what is left is
the same, because what arrives is held against the tombstones and a tombstone that arrives deletes what is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from pikvani_server.store import schema
from pikvani_server.store.rows import (
    BLOCK_COLUMNS,
    CASE_COLUMNS,
    CONSENT_COLUMNS,
    ERASURE_COLUMNS,
    Row,
    Settlement,
    StreamKey,
)
from pikvani_server.store.schema_learning import review_items, review_labels, review_leases
from pikvani_server.store.schema_privacy import consents, erasures

Key = tuple[str, bytes, int]
"""Device, outbox and sequence of a case."""
_KEY = ("device_id", "outbox", "seq")
_ARRIVING = {
    name: (itemgetter(columns.index("device_id"), columns.index("outbox")), columns)
    for name, columns in (("cases", CASE_COLUMNS), ("blocks", BLOCK_COLUMNS), ("consents", CONSENT_COLUMNS))
}
"""What a tombstone can turn away: how to read the stream of a row, and its columns."""
_AGAIN_AFTER = timedelta(days=1)
"""What comes so long after a device obeyed was not under way: an old copy of its card lives."""


def of(table: sa.Table, key: Key) -> sa.ColumnElement[bool]:
    """The rows of a case in a table."""
    return sa.and_(*(table.c[name] == value for name, value in zip(_KEY, key, strict=True)))


def turn_away(connection: sa.Connection, settlement: Settlement) -> None:
    """Take out of a settlement what was erased before it came. The records count as committed all the same."""
    streams = {stream(row) for name, (stream, _) in _ARRIVING.items() for row in getattr(settlement, name)}
    if not streams:
        return
    known = _tombstones(connection, streams)
    known |= {_key(row, ERASURE_COLUMNS): row[ERASURE_COLUMNS.index("whole")] for row in settlement.erasures}
    if not known:
        return
    found = {name: [_key(row, at) for row in getattr(settlement, name)] for name, (_, at) in _ARRIVING.items()}
    cases_before = len(settlement.cases)
    away: dict[Key, int] = {}
    for name, keys in found.items():
        kept = []
        for row, key in zip(getattr(settlement, name), keys, strict=True):
            if key in known and (known[key] or name != "cases"):
                away[key] = away.get(key, 0) + 1
            else:
                kept.append(row)
        setattr(settlement, name, kept)
    settlement.counts.cases -= cases_before - len(settlement.cases)
    for key, count in sorted(away.items()):
        _note_again(connection, key, count, max(settlement.seen.values()))


def bury(connection: sa.Connection, insert: Any, rows: Iterable[Row]) -> None:
    """Keep tombstones that devices sent and delete what they name, in the caller's transaction."""
    for row in sorted(rows, key=lambda row: _key(row, ERASURE_COLUMNS)):
        values = dict(zip(ERASURE_COLUMNS, row, strict=True))
        lay(connection, insert, values | {"confirmed_at": values["received_at"]})


def lay(connection: sa.Connection, insert: Any, values: dict[str, Any]) -> None:
    """Keep one tombstone, or widen the one that is there, and delete what it names."""
    key: Key = (values["device_id"], values["outbox"], values["seq"])
    fresh = insert(erasures).values(**values)
    wider = sa.and_(fresh.excluded.whole, sa.not_(erasures.c.whole))
    connection.execute(
        fresh.on_conflict_do_update(
            index_elements=list(_KEY),
            set_={
                "whole": sa.or_(erasures.c.whole, fresh.excluded.whole),
                "confirmed_at": sa.func.coalesce(fresh.excluded.confirmed_at, erasures.c.confirmed_at),
                "noted_at": sa.case((wider, None), else_=erasures.c.noted_at),
                "obeyed_at": sa.case((wider, None), else_=erasures.c.obeyed_at),
            },
        )
    )
    whole = connection.scalar(sa.select(erasures.c.whole).where(of(erasures, key)))
    delete(connection, key, bool(whole))


def delete(connection: sa.Connection, key: Key, whole: bool) -> None:
    """Delete what a tombstone names: files, what people said of them, consent, unread letters; then the case."""
    files = schema.files
    pictures = [bytes(row[0]).hex() for row in connection.execute(sa.select(files.c.sha256).where(of(files, key)))]
    queued = connection.scalar(sa.select(review_items.c.sha256).where(of(review_items, key)))
    before = connection.scalar(sa.select(erasures.c.pictures).where(of(erasures, key))) or ""
    told = sorted({*before.split(), *pictures, *([queued] if queued else [])})
    # A letter is what nobody could read: one of this device may hold the case.
    letters = schema.dead_letters.c.device_id == key[0]
    doomed: list[Any] = [sa.delete(table).where(of(table, key)) for table in _TABLES]
    doomed.append(sa.delete(schema.dead_letters).where(letters))
    if whole:
        doomed.append(sa.delete(schema.cases).where(of(schema.cases, key)))
    removed = sum(max(0, connection.execute(statement).rowcount) for statement in doomed)
    if not whole:
        connection.execute(sa.update(schema.cases).where(of(schema.cases, key)).values(consents=0))
    change = {"removed": erasures.c.removed + removed, "pictures": " ".join(told)}
    connection.execute(sa.update(erasures).where(of(erasures, key)).values(change))


_TABLES = (schema.blocks, schema.files, review_items, review_labels, review_leases, consents)


def _tombstones(connection: sa.Connection, streams: set[StreamKey]) -> dict[Key, bool]:
    devices, outboxes = {device_id for device_id, _ in streams}, {outbox for _, outbox in streams}
    query = sa.select(*(erasures.c[name] for name in _KEY), erasures.c.whole).where(
        erasures.c.device_id.in_(sorted(devices)), erasures.c.outbox.in_(sorted(outboxes))
    )
    return {(row.device_id, bytes(row.outbox), row.seq): row.whole for row in connection.execute(query)}


def _note_again(connection: sa.Connection, key: Key, count: int, now: datetime) -> None:
    late = erasures.c.confirmed_at < now - _AGAIN_AFTER
    change = {
        "came_again": erasures.c.came_again + count,
        # The device has it again: it is told again to erase it.
        "confirmed_at": sa.case((late, None), else_=erasures.c.confirmed_at),
        "ordered_at": sa.case((late, None), else_=erasures.c.ordered_at),
    }
    connection.execute(sa.update(erasures).where(of(erasures, key)).values(change))


def _key(row: Row, columns: tuple[str, ...]) -> Key:
    device_id, outbox, seq = (row[columns.index(name)] for name in _KEY)
    return device_id, bytes(outbox), seq
