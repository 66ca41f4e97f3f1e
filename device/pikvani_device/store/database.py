"""The store: a case and its outbox record become durable together, and leave only on the centre's receipt.

One connection, one lock: every method may be called from any thread. Other processes may hold the same file
open (SQLite's WAL); `synchronous=FULL` means that what a method returned from survives the plug being pulled.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from sqlite_utils import Database

from pikvani_contract.clock import Clock
from pikvani_contract.messages import Body, CaseBody, Lane, LaneDepth, Receipt, Record
from pikvani_contract.sequences import SequenceSet
from pikvani_contract.wire import pack_body
from pikvani_device.errors import StoreError
from pikvani_device.store.durable import Durable
from pikvani_device.store.keys import (
    KIND_LANES,
    LANES,
    SEQ_BITS,
    SEQ_MASK,
    StoredCase,
    WaitingOutbox,
    case_id,
    case_of,
    committed,
    pending,
    shared,
    span,
)
from pikvani_device.store.schema import migrations

_LOCK_WAIT_S = 10
_SHED_ORDER = (Lane.BULK, Lane.SKETCH)
_decode_case = msgspec.msgpack.Decoder(CaseBody)
_decode_intervals = msgspec.msgpack.Decoder(list[tuple[int, int]])
_APPEND = """INSERT INTO records
    SELECT MAX((o.stream << 40) + o.highest, COALESCE((SELECT MAX(id) FROM records WHERE id BETWEEN ? AND ?), 0)) + 1,
        ?, ?, ?, ?, ?, ?, ?
    FROM outboxes o WHERE o.stream = ? RETURNING id, (SELECT outbox FROM outboxes WHERE stream = ?)"""


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
        # A sync is quick once it need not grow the log's file as well: a log of 1 MB is grown through sooner than one
        # of 4, and moves a case's page to the database hardly more often.
        connection.execute("PRAGMA wal_autocheckpoint=250")
        connection.execute("PRAGMA journal_size_limit=4194304")
        # What is deleted is overwritten: a thumbnail that was sent and let go must not stay in a free page.
        connection.execute("PRAGMA secure_delete=ON")
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise StoreError(
                f"case store {path} is damaged ({damage}): run 'pikvani-device rescue', nothing was changed"
            )
        migrations.apply(Database(connection))
        return Store(path, connection, clock)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"case store {path} cannot be opened: {error}; check the disk and the file") from error


class Store(Durable):
    """Cases, outbox and facts of one device. Get one from `open_store`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Clock) -> None:
        super().__init__(path, connection)
        self.changed = threading.Event()
        """Set whenever something was put into the outbox by this process."""
        self._clock = clock
        self._last: dict[int, tuple[int, bytes]] = {}
        self._data_version = -1
        with self._transaction("open a boot in"):
            self._boot = self._current_boot()

    def record_case(self, body: CaseBody, photo_names: Sequence[str] = (), traits: bytes | None = None) -> StoredCase:
        """Remember a case, with its `drift.traits`, and queue it for the centre, in one durable transaction.

        Raises:
            StoreError: it could not be made durable; nothing of it was kept.
        """
        names = msgspec.json.encode(photo_names).decode()
        outbox, seq, wall_ms = self._append("record a case in", "case", pack_body(body), names, traits)
        return StoredCase(case_id(outbox, seq), wall_ms, body, tuple(photo_names), synced=False)

    def enqueue(self, kind: str, body: Body) -> tuple[bytes, int]:
        """Queue a record that is not a case: an alarm, a sketch, a block of a thumbnail.

        Returns:
            Outbox id and sequence it got.

        Raises:
            StoreError: it could not be made durable.
        """
        outbox, seq, _ = self._append(f"queue a {kind} in", kind, pack_body(body))
        return outbox, seq

    def _append(
        self, doing: str, kind: str, encoded: bytes, names: str | None = None, traits: bytes | None = None
    ) -> tuple[bytes, int, int]:
        """One row, durable, under the next key of its stream; returns outbox id, sequence and wall time."""
        stream = self._boot * LANES + int(KIND_LANES[kind])
        with self._lock:
            moment = self._clock.now()
            row = (kind, moment.mono_ms, moment.offset_ms, int(moment.trust), encoded, names, traits)
            try:
                key, outbox = self._append_after_last(stream, row) or self._append_counting(stream, row)
            except sqlite3.Error as error:
                self._last.clear()
                raise StoreError(
                    f"cannot {doing} case store {self.path}: {error}; free disk space or replace the card"
                ) from error
            self._last[stream] = (key, outbox)
        self.changed.set()
        return outbox, key & SEQ_MASK, moment.wall_ms

    def _append_after_last(self, stream: int, row: tuple[object, ...]) -> tuple[int, bytes] | None:
        """The quick way: the key after the one we gave out last, if no other process has written since."""
        last = self._last.get(stream)
        ((version,),) = self._db.execute("PRAGMA data_version")
        if last is None or version != self._data_version:
            self._last.clear()
            self._data_version = version
            return None
        try:
            self._db.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (last[0] + 1, *row))
        except sqlite3.IntegrityError:  # another process was quicker
            return None
        return last[0] + 1, last[1]

    def _append_counting(self, stream: int, row: tuple[object, ...]) -> tuple[int, bytes]:
        """One statement is a transaction of its own: it takes the lock, counts, writes and syncs once."""
        values = (*span(stream), *row, stream, stream)
        rows = self._db.execute(_APPEND, values).fetchall()
        if not rows:
            self._db.execute(
                "INSERT OR IGNORE INTO outboxes (stream, outbox, highest) VALUES (?, ?, 0)", (stream, os.urandom(8))
            )
            rows = self._db.execute(_APPEND, values).fetchall()
        found: tuple[int, bytes] = rows[0]
        return found

    def waiting(self) -> list[WaitingOutbox]:
        """The outboxes that hold records, in the order they shall be drained: lane, then oldest boot."""
        found = []
        with self._lock:
            for stream, outbox, held in self._read(
                "SELECT stream, outbox, committed FROM outboxes ORDER BY stream % 16, stream"
            ):
                where, values = _within(pending(stream, _sequences(held)))
                ((oldest,),) = self._read(f"SELECT MIN(id) FROM records WHERE {where}", values)  # noqa: S608
                if oldest is not None:
                    boots_ago = self._boot - stream // LANES
                    lane = Lane(stream % LANES)
                    found.append(WaitingOutbox(outbox, lane, boots_ago, oldest & SEQ_MASK, stream))
        return found

    def records_after(self, waiting: WaitingOutbox, seq: int, limit: int) -> list[Record]:
        """At most `limit` records of an outbox with a sequence over `seq`, ascending."""
        start = (waiting.stream << SEQ_BITS) + seq + 1
        with self._lock:
            held = self._read("SELECT committed FROM outboxes WHERE stream = ?", (waiting.stream,))
            intervals = pending(waiting.stream, _sequences(held[0][0])) if held else ()
            where, values = _within([(max(a, start), b) for a, b in intervals if b >= start])
            rows = self._read(
                f"""SELECT id & ?, mono_ms, offset_ms, trust, kind, body FROM records
               WHERE {where} ORDER BY id LIMIT ?""",  # noqa: S608 - intervals of numbers
                (SEQ_MASK, *values, limit),
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
            StoreError: it could not be made durable.
        """
        with self._transaction("apply receipts in"):
            removed = sum(self._apply(receipt) for receipt in receipts)
            for name, value in (facts or {}).items():
                self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
        return removed

    def _apply(self, receipt: Receipt) -> int:
        row = self._db.execute("SELECT stream, committed FROM outboxes WHERE outbox = ?", (receipt.outbox,)).fetchone()
        if row is None:
            return 0
        stream, base, removed = row[0], row[0] << SEQ_BITS, 0
        last = self._db.execute("SELECT MAX(id) FROM records WHERE id BETWEEN ? AND ?", span(stream)).fetchone()[0]
        if last is None:
            return 0
        if stream % LANES != Lane.RESULT:
            return sum(self._remove(stream, base + a, base + b) for a, b in committed(receipt))
        sequences = _sequences(row[1])
        before = pending(stream, sequences)
        # Never beyond what was given out: a receipt that lies must not swallow cases to come.
        said = [(first, min(end, last & SEQ_MASK)) for first, end in committed(receipt) if first <= last & SEQ_MASK]
        # Only what is new is counted: counting all that waits, at every receipt, would make a long queue slow.
        if news := shared(before, [(base + first, base + end) for first, end in said]):
            for first, end in said:
                sequences.add_interval(first, end)
            removed = self._count(news)
            self._db.execute(
                "UPDATE outboxes SET committed = ?, highest = MAX(highest, ?) WHERE stream = ?",
                (msgspec.msgpack.encode(sequences.intervals()), sequences.highest, stream),
            )
        return removed

    def _count(self, intervals: Sequence[tuple[int, int]]) -> int:
        where, values = _within(intervals)
        found: int = self._db.execute(f"SELECT COUNT(*) FROM records WHERE {where}", values).fetchone()[0]  # noqa: S608
        return found

    def _remove(self, stream: int, first: int, last: int) -> int:
        found = self._db.execute("SELECT MAX(id), COUNT(*) FROM records WHERE id BETWEEN ? AND ?", (first, last))
        highest, count = found.fetchone()
        if count:
            self._db.execute("DELETE FROM records WHERE id BETWEEN ? AND ?", (first, last))
            self._db.execute(
                "UPDATE outboxes SET highest = MAX(highest, ?) WHERE stream = ?",
                (highest & SEQ_MASK, stream),
            )
        return int(count)

    def latest_cases(self, limit: int, after: str = "") -> list[StoredCase]:
        """The last `limit` cases, newest first; where a case is named, of those that came after it."""
        outbox, seq = case_of(after) if after else (b"", 0)
        rows = self._read(
            """SELECT o.outbox, c.id, mono_ms + offset_ms, body, photo_names, o.committed
               FROM (SELECT * FROM records WHERE kind = 'case' AND (id >> 40) % 16 = 0
                     AND id > COALESCE((SELECT (stream << 40) + ? FROM outboxes WHERE outbox = ?), 0)
                     ORDER BY id DESC LIMIT ?) c
               JOIN outboxes o ON o.stream = c.id >> 40 ORDER BY c.id DESC""",
            (seq, outbox, limit),
        )
        known: dict[bytes, SequenceSet] = {}
        return [
            StoredCase(
                case_id(outbox, key & SEQ_MASK),
                wall_ms,
                _decode_case.decode(body),
                tuple(json.loads(names)),
                (key & SEQ_MASK) in known.setdefault(outbox, _sequences(held)),
            )
            for outbox, key, wall_ms, body, names, held in rows
        ]

    def depths(self) -> list[LaneDepth]:
        """What waits and what was shed, a row for every lane that ever held anything."""
        waiting = dict.fromkeys(Lane, (0, 0))
        with self._lock:
            for stream, held in self._read("SELECT stream, committed FROM outboxes"):
                records, size = self._waiting_in(stream, held)
                lane = Lane(stream % LANES)
                waiting[lane] = (waiting[lane][0] + records, waiting[lane][1] + size)
        shed = {Lane(lane): (r, b) for lane, r, b in self._read("SELECT lane, records, bytes FROM shed")}
        return [
            LaneDepth(int(lane), *waiting[lane], *shed.get(lane, (0, 0)))
            for lane in Lane
            if waiting[lane][0] or lane in shed
        ]

    def _waiting_in(self, stream: int, held: bytes) -> tuple[int, int]:
        """Records and bytes that wait in one stream."""
        where, values = _within(pending(stream, _sequences(held)))
        ((records, size),) = self._read(
            f"SELECT COUNT(*), COALESCE(SUM(LENGTH(body)), 0) FROM records WHERE {where}",  # noqa: S608
            values,
        )
        return records, size

    def shed(self, max_bytes: int) -> int:
        """Give up the oldest thumbnails and voice notes, then the oldest sketches, until the queue fits.

        Cases and alarms are never shed. What goes is counted and shows in `depths`.

        Args:
            max_bytes: what the bodies in the outbox may take together.

        Returns:
            Bytes shed.
        """
        if self._file_bytes() <= max_bytes:
            return 0
        with self._transaction("shed from"):
            streams = self._db.execute("SELECT stream, committed FROM outboxes").fetchall()
            total = sum(self._waiting_in(*each)[1] for each in streams)
            over = total - max_bytes
            for lane in _SHED_ORDER:
                if over <= 0:
                    break
                over -= self._shed_lane(lane, over)
        shed: int = max(0, total - max_bytes - over)
        return shed

    def _file_bytes(self) -> int:
        """The whole database's size; the outbox is never larger."""
        ((pages,),), ((size,),) = self._read("PRAGMA page_count"), self._read("PRAGMA page_size")
        return int(pages * size)

    def _shed_lane(self, lane: Lane, over: int) -> int:
        rows = self._db.execute(
            "SELECT id, LENGTH(body) FROM records WHERE (id >> 40) % 16 = ? ORDER BY id", (int(lane),)
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
        """Drop cases of before `wall_ms` that the centre has.

        Returns:
            Names of the photo files nobody needs any more.
        """
        names: list[tuple[str]] = []
        with self._transaction("forget old cases in"):
            streams = self._db.execute("SELECT stream, committed FROM outboxes WHERE stream % 16 = 0").fetchall()
            for stream, held in streams:
                base = stream << SEQ_BITS
                for first, last in _sequences(held).intervals():
                    names += self._db.execute(
                        """DELETE FROM records WHERE id BETWEEN ? AND ? AND mono_ms + offset_ms < ?
                           RETURNING photo_names""",
                        (base + first, base + last, wall_ms),
                    ).fetchall()
        return [name for (found,) in names for name in json.loads(found)]

    def fact(self, name: str) -> str | None:
        """A remembered fact, or None."""
        rows = self._read("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def set_fact(self, name: str, value: str) -> None:
        """Remember a fact durably."""
        with self._transaction("remember a fact in"):
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _current_boot(self) -> int:
        boot_id = self._clock.now().boot_id
        last = self._db.execute("SELECT boot, boot_id FROM boots ORDER BY boot DESC LIMIT 1").fetchone()
        if last is not None and last[1] == boot_id:
            found: int = last[0]
            return found
        # An outbox of an earlier boot that is drained, and whose cases are forgotten, will never be named again.
        self._db.execute(
            """DELETE FROM outboxes WHERE NOT EXISTS
               (SELECT 1 FROM records r WHERE r.id BETWEEN stream << 40 AND (stream << 40) + 1099511627775)"""
        )
        boot = last[0] + 1 if last else 1
        self._db.execute("INSERT INTO boots VALUES (?, ?)", (boot, boot_id))
        return boot


def _sequences(held: bytes) -> SequenceSet:
    return SequenceSet(_decode_intervals.decode(held))


def _within(intervals: Sequence[tuple[int, int]]) -> tuple[str, list[int]]:
    """A condition on `id` and its values; without an interval nothing fulfils it."""
    if not intervals:
        return "0", []
    return " OR ".join(["id BETWEEN ? AND ?"] * len(intervals)), [key for pair in intervals for key in pair]
