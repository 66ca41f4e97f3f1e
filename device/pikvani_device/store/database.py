"""The store: a case and its outbox record become durable together, and leave only on the centre's receipt.

One connection, one lock: every method may be called from any thread. Other processes may hold the same file
open (SQLite's WAL); `synchronous=FULL` means that what a method returned from survives the plug being pulled.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from sqlite_utils import Database

from pikvani_contract.clock import Clock
from pikvani_contract.messages import Body, CaseBody, Lane, LaneDepth, Receipt, Record
from pikvani_contract.wire import pack_body
from pikvani_device.errors import StoreError
from pikvani_device.store.keys import (
    LANES,
    SEQ_BITS,
    SEQ_MASK,
    StoredCase,
    WaitingOutbox,
    case_id,
    committed,
    span,
)
from pikvani_device.store.schema import migrations

_LOCK_WAIT_S = 10
_KIND_LANES = {"case": Lane.RESULT, "alarm": Lane.ALARM, "sketch": Lane.SKETCH, "block": Lane.BULK}
_SHED_ORDER = (Lane.BULK, Lane.SKETCH)
_decode_case = msgspec.msgpack.Decoder(CaseBody)


def open_store(path: Path, clock: Clock) -> Store:
    """Open the database at `path`, creating or migrating it as needed.

    Raises:
        StoreError: the file cannot be opened, is no database, is damaged, or is from a newer version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_size_limit=4194304")
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise StoreError(
                f"case store {path} is damaged ({damage}): run 'pikvani-device rescue', nothing was changed"
            )
        migrations.apply(Database(connection))
        return Store(path, connection, clock)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"case store {path} cannot be opened: {error}; check the disk and the file") from error


class Store:
    """Cases, outbox and facts of one device. Get one from `open_store`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Clock) -> None:
        self.path = path
        self.changed = threading.Event()
        """Set whenever something was put into the outbox by this process."""
        self._db = connection
        self._clock = clock
        self._lock = threading.RLock()
        with self._transaction("open a boot in"):
            self._boot = self._current_boot()

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            self._db.close()

    # -- putting in ---------------------------------------------------------------------------------------

    def record_case(self, body: CaseBody, photo_names: Sequence[str] = ()) -> StoredCase:
        """Remember a case and queue it for the centre, in one durable transaction.

        Raises:
            StoreError: it could not be made durable; nothing of it was kept.
        """
        encoded = pack_body(body)
        with self._transaction("record a case in"):
            moment = self._clock.now()
            key, outbox, seq = self._append("case", encoded)
            self._db.execute(
                "INSERT INTO cases (id, wall_ms, trust, body, photo_names) VALUES (?, ?, ?, ?, ?)",
                (key, moment.wall_ms, int(moment.trust), encoded, json.dumps(list(photo_names))),
            )
        self.changed.set()
        return StoredCase(case_id(outbox, seq), moment.wall_ms, body, tuple(photo_names), synced=False)

    def enqueue(self, kind: str, body: Body) -> tuple[bytes, int]:
        """Queue a record that is not a case: an alarm, a sketch, a block of a thumbnail.

        Returns:
            Outbox id and sequence it got.

        Raises:
            StoreError: it could not be made durable.
        """
        with self._transaction(f"queue a {kind} in"):
            _, outbox, seq = self._append(kind, pack_body(body))
        self.changed.set()
        return outbox, seq

    def _append(self, kind: str, encoded: bytes) -> tuple[int, bytes, int]:
        moment = self._clock.now()
        stream = self._boot * LANES + int(_KIND_LANES[kind])
        row = self._db.execute("SELECT outbox, highest FROM outboxes WHERE stream = ?", (stream,)).fetchone()
        if row is None:
            row = (os.urandom(8), 0)
            self._db.execute("INSERT INTO outboxes VALUES (?, ?, 0)", (stream, row[0]))
        outbox, left = row
        last = self._db.execute("SELECT MAX(id) FROM outbox WHERE id BETWEEN ? AND ?", span(stream)).fetchone()[0]
        key = max((stream << SEQ_BITS) + left, last or 0) + 1
        self._db.execute(
            "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?)",
            (key, kind, moment.mono_ms, moment.offset_ms, int(moment.trust), encoded),
        )
        return key, outbox, key & SEQ_MASK

    # -- draining -----------------------------------------------------------------------------------------

    def waiting(self) -> list[WaitingOutbox]:
        """The outboxes that hold records, in the order they shall be drained: lane, then oldest boot."""
        rows = self._read(
            """SELECT outbox, stream,
                   (SELECT MIN(id) FROM outbox r WHERE r.id BETWEEN stream << 40 AND (stream << 40) + ?) AS oldest
               FROM outboxes WHERE oldest IS NOT NULL ORDER BY stream % 16, stream""",
            (SEQ_MASK,),
        )
        return [
            WaitingOutbox(outbox, Lane(stream % LANES), self._boot - stream // LANES, oldest & SEQ_MASK, stream)
            for outbox, stream, oldest in rows
        ]

    def records_after(self, waiting: WaitingOutbox, seq: int, limit: int) -> list[Record]:
        """At most `limit` records of an outbox with a sequence over `seq`, ascending."""
        first, last = span(waiting.stream)
        rows = self._read(
            """SELECT id & ?, mono_ms, offset_ms, trust, kind, body FROM outbox
               WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?""",
            (SEQ_MASK, first + seq + 1, last, limit),
        )
        return [
            Record(seq, mono_ms, offset_ms, trust, kind, msgspec.Raw(body))
            for seq, mono_ms, offset_ms, trust, kind, body in rows
        ]

    def apply_receipts(self, receipts: Iterable[Receipt], facts: Mapping[str, str] | None = None) -> int:
        """Let go of everything the centre says it has committed, in one durable transaction.

        Args:
            receipts: what the centre said.
            facts: remembered together with it.

        Returns:
            How many records left the outbox.

        Raises:
            StoreError: the deletion could not be made durable.
        """
        now_ms = self._clock.now().wall_ms
        with self._transaction("apply receipts in"):
            removed = sum(self._apply(receipt, now_ms) for receipt in receipts)
            for name, value in (facts or {}).items():
                self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
        return removed

    def _apply(self, receipt: Receipt, now_ms: int) -> int:
        row = self._db.execute("SELECT stream FROM outboxes WHERE outbox = ?", (receipt.outbox,)).fetchone()
        if row is None:
            return 0
        base, removed = row[0] << SEQ_BITS, 0
        for first, last in committed(receipt):
            removed += self._remove(row[0], base + first, base + last)
            self._db.execute(
                "UPDATE cases SET synced_ms = ? WHERE id BETWEEN ? AND ? AND synced_ms IS NULL",
                (now_ms, base + first, base + last),
            )
        return removed

    def _remove(self, stream: int, first: int, last: int) -> int:
        found = self._db.execute("SELECT MAX(id), COUNT(*) FROM outbox WHERE id BETWEEN ? AND ?", (first, last))
        highest, count = found.fetchone()
        if count:
            self._db.execute("DELETE FROM outbox WHERE id BETWEEN ? AND ?", (first, last))
            self._db.execute(
                "UPDATE outboxes SET highest = MAX(highest, ?) WHERE stream = ?",
                (highest & SEQ_MASK, stream),
            )
        return int(count)

    # -- looking ------------------------------------------------------------------------------------------

    def latest_cases(self, limit: int) -> list[StoredCase]:
        """The last `limit` cases, newest first."""
        rows = self._read(
            """SELECT o.outbox, c.id & ?, wall_ms, body, photo_names, synced_ms
               FROM (SELECT * FROM cases ORDER BY id DESC LIMIT ?) c JOIN outboxes o ON o.stream = c.id >> 40
               ORDER BY c.id DESC""",
            (SEQ_MASK, limit),
        )
        return [
            StoredCase(
                case_id(o, s),
                wall_ms,
                _decode_case.decode(body),
                tuple(json.loads(names)),
                synced is not None,
            )
            for o, s, wall_ms, body, names, synced in rows
        ]

    def depths(self) -> list[LaneDepth]:
        """What waits and what was shed, a row for every lane that ever held anything."""
        waiting = dict.fromkeys(Lane, (0, 0))
        for lane, records, size in self._read(
            "SELECT (id >> 40) % 16 AS lane, COUNT(*), SUM(LENGTH(body)) FROM outbox GROUP BY lane"
        ):
            waiting[Lane(lane)] = (records, size)
        shed = {Lane(lane): (r, b) for lane, r, b in self._read("SELECT lane, records, bytes FROM shed")}
        return [
            LaneDepth(int(lane), *waiting[lane], *shed.get(lane, (0, 0)))
            for lane in Lane
            if waiting[lane][0] or lane in shed
        ]

    # -- keeping the disk bounded -------------------------------------------------------------------------

    def shed(self, max_bytes: int) -> int:
        """Give up the oldest thumbnails and voice notes, then the oldest sketches, until the queue fits.

        Cases and alarms are never shed. What goes is counted and shows in `depths`.

        Args:
            max_bytes: what the bodies in the outbox may take together.

        Returns:
            Bytes shed.
        """
        with self._transaction("shed from"):
            (total,) = self._db.execute("SELECT COALESCE(SUM(LENGTH(body)), 0) FROM outbox").fetchone()
            over = total - max_bytes
            for lane in _SHED_ORDER:
                if over <= 0:
                    break
                over -= self._shed_lane(lane, over)
        shed: int = max(0, total - max_bytes - over)
        return shed

    def _shed_lane(self, lane: Lane, over: int) -> int:
        rows = self._db.execute(
            "SELECT id, LENGTH(body) FROM outbox WHERE (id >> 40) % 16 = ? ORDER BY id", (int(lane),)
        )
        doomed, freed = [], 0
        for key, size in rows:
            if freed >= over:
                break
            doomed.append(key)
            freed += size
        for key in doomed:
            self._remove(key >> SEQ_BITS, key, key)
        if doomed:
            self._db.execute(
                """INSERT INTO shed VALUES (?, ?, ?) ON CONFLICT (lane)
                   DO UPDATE SET records = records + excluded.records, bytes = bytes + excluded.bytes""",
                (int(lane), len(doomed), freed),
            )
        return freed

    def forget_synced_before(self, wall_ms: int) -> list[str]:
        """Drop cases the centre committed before `wall_ms`.

        Returns:
            Names of the photo files nobody needs any more.
        """
        with self._transaction("forget old cases in"):
            rows = self._db.execute(
                "DELETE FROM cases WHERE synced_ms < ? RETURNING photo_names", (wall_ms,)
            ).fetchall()
        return [name for (names,) in rows for name in json.loads(names)]

    # -- facts --------------------------------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        """A remembered fact, or None."""
        rows = self._read("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def set_fact(self, name: str, value: str) -> None:
        """Remember a fact durably."""
        with self._transaction("remember a fact in"):
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # -- inside -------------------------------------------------------------------------------------------

    def _current_boot(self) -> int:
        boot_id = self._clock.now().boot_id
        last = self._db.execute("SELECT boot, boot_id FROM boots ORDER BY boot DESC LIMIT 1").fetchone()
        if last is not None and last[1] == boot_id:
            found: int = last[0]
            return found
        # An outbox of an earlier boot that is drained, and whose cases are forgotten, will never be named again.
        self._db.execute(
            """DELETE FROM outboxes WHERE NOT EXISTS (SELECT 1 FROM outbox r WHERE r.id >> 40 = stream)
               AND NOT EXISTS (SELECT 1 FROM cases c WHERE c.id >> 40 = stream)"""
        )
        boot = last[0] + 1 if last else 1
        self._db.execute("INSERT INTO boots VALUES (?, ?)", (boot, boot_id))
        return boot

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"cannot read case store {self.path}: {error}") from error

    @contextmanager
    def _transaction(self, doing: str) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):  # closed, or rolled back by SQLite itself
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise StoreError(
                        f"cannot {doing} case store {self.path}: {error}; free disk space or replace the card"
                    ) from error
                raise
