"""The part of the store that consent needs: what was allowed for a case, what of it leaves, and what was erased.

What leaves with a consent is queued in the same transaction that records the consent, so nothing can leave without one.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from pikvani_contract.consent import Consent, ConsentBody, ErasureBody
from pikvani_contract.messages import BlockBody, Body, Lane
from pikvani_contract.wire import pack_body
from pikvani_device.errors import StoreError
from pikvani_device.store.database import Store
from pikvani_device.store.keys import LANES, SEQ_BITS, case_id, case_of

CODE_DIGITS = 8
BLOCK_BYTES = 8_192
"""One piece of a thumbnail or note on the link: over 2G about a second, so a result waits no longer behind it."""
_SCRUB = "erasure.scrub"
_SMALL_BYTES = 64 * 2**20
GivenBy = Literal["self", "parent"]
_decode_block = msgspec.msgpack.Decoder(BlockBody)


@dataclass(frozen=True)
class Sent:
    """A file that leaves with a consent: `what` is `thumbnail` or `voice`."""

    what: str
    data: bytes


@dataclass(frozen=True)
class Given:
    """A consent as this device remembers it.

    Attributes:
        case_id: the case it is for.
        code: digits that its farmer holds.
        purposes: what is allowed now; nothing once it was taken back.
        given_by: `self` or `parent`.
        wall_ms: UTC milliseconds when it was given, as the device believed.
        notes: file names of voice notes kept here.
    """

    case_id: str
    code: str
    purposes: Consent
    given_by: GivenBy
    wall_ms: int
    notes: tuple[str, ...]


class ConsentShelf:
    """A view of one store. Methods raise `StoreError` when the disk fails.

    Args:
        store: open.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def give(
        self,
        case: str,
        purposes: Consent,
        given_by: GivenBy,
        notice: str,
        locale: str,
        sent: Sequence[Sent] = (),
        notes: Sequence[str] = (),
    ) -> str:
        """Record what was allowed for a case and queue what leaves with it: one durable transaction.

        A second consent for the same case adds to the first.

        Returns:
            The code that takes it back.

        Raises:
            StoreError: it was not made durable, or the case was erased.
        """
        outbox, seq = case_of(case)
        store = self._store
        with store._transaction("record a consent in"):
            if self._erased(outbox, seq):
                raise StoreError(f"case {case} was erased: nothing of it can be allowed any more")
            before = self.of(case)
            code = before.code if before else self._new_code()
            if before:
                purposes |= before.purposes
                notes = (*before.notes, *notes)
            store._db.execute(
                "INSERT OR REPLACE INTO consents VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (outbox, seq, code, int(purposes), given_by, notice, locale, self._now_ms(), json.dumps(list(notes))),
            )
            consent = ConsentBody(outbox, seq, int(purposes), given_by, notice, locale)
            self._queue(Lane.ALARM, "consent", [consent])
            for file in sent:
                self._queue(Lane.BULK, "block", _blocks(outbox, seq, file))
        store.changed.set()
        return code

    def find(self, code: str) -> Given | None:
        """The consent that a farmer's digits name."""
        return self._one("code = ?", (code,))

    def of(self, case: str) -> Given | None:
        """The consent for a case."""
        return self._one("outbox = ? AND seq = ?", case_of(case))

    def photos_of(self, case: str) -> tuple[str, ...]:
        """File names of a case's photographs; none where it was forgotten or never kept."""
        found = self._store._read("SELECT photo_names FROM records WHERE id = ?", (self._key(*case_of(case)),))
        return tuple(json.loads(found[0][0])) if found and found[0][0] else ()

    def erase(self, case: str, whole: bool, asked_at: str) -> None:
        """Drop what was allowed, what waits of it and, if `whole`, the case; queue the tombstone: one transaction.

        Files are the caller's to remove first: afterwards nothing here knows their names.
        """
        outbox, seq = case_of(case)
        store = self._store
        with store._transaction("erase from"):
            before = self._erased(outbox, seq)
            whole = whole or before == "whole"
            store._db.execute(
                "INSERT OR REPLACE INTO erasures VALUES (NULL, ?, ?, ?, ?)", (outbox, seq, int(whole), self._now_ms())
            )
            for waiting in self._blocks_waiting(outbox, seq):
                store._remove(waiting >> SEQ_BITS, waiting, waiting)
            key = self._key(outbox, seq)
            if whole:
                store._db.execute("DELETE FROM consents WHERE outbox = ? AND seq = ?", (outbox, seq))
                if key is not None:
                    store._remove(key >> SEQ_BITS, key, key)
            else:
                store._db.execute(
                    "UPDATE consents SET purposes = 0, notes = '[]' WHERE outbox = ? AND seq = ?", (outbox, seq)
                )
            self._queue(Lane.ALARM, "erasure", [ErasureBody(outbox, seq, whole, asked_at)])
            store._db.execute("INSERT OR REPLACE INTO facts VALUES (?, 'due')", (_SCRUB,))
        store.changed.set()

    def is_erased(self, case: str, whole: bool) -> bool:
        """Whether this database has obeyed an erasure of the case, as a whole if that is asked."""
        found = self._erased(*case_of(case))
        return found == "whole" if whole else bool(found)

    def scrub(self, patiently: bool = False) -> bool:
        """Write the file anew, so that no free page and no log holds what was erased; False where it must wait.

        Args:
            patiently: also a large file, which keeps writers waiting for seconds.
        """
        store = self._store
        if store.fact(_SCRUB) is None:
            return True
        if not patiently and store._file_bytes() > _SMALL_BYTES:
            return False
        with store._lock:
            store._read("VACUUM")
            # Another process may just read the log; it is emptied at the next try.
            ((busy, _, _),) = store._read("PRAGMA wal_checkpoint(TRUNCATE)")
        if not busy:
            with store._transaction("note an erasure in"):
                store._db.execute("DELETE FROM facts WHERE name = ?", (_SCRUB,))
        return not busy

    def drop_notes_before(self, wall_ms: int) -> list[str]:
        """Forget voice notes of before `wall_ms`; returns their file names."""
        with self._store._transaction("forget voice notes in"):
            rows = self._store._db.execute("SELECT notes FROM consents WHERE wall_ms < ? AND notes != '[]'", (wall_ms,))
            names = [name for (found,) in rows.fetchall() for name in json.loads(found)]
            if names:
                self._store._db.execute("UPDATE consents SET notes = '[]' WHERE wall_ms < ?", (wall_ms,))
        return names

    def counts(self) -> dict[str, int]:
        """`in_force`, `taken_back` (whole cases among them), and `waiting`: erasures the centre has not committed."""
        ((in_force,),) = self._store._read("SELECT COUNT(*) FROM consents WHERE purposes != 0")
        ((taken_back,),) = self._store._read("SELECT COUNT(*) FROM erasures")
        ((waiting,),) = self._store._read("SELECT COUNT(*) FROM records WHERE kind = 'erasure'")
        return {"in_force": in_force, "taken_back": taken_back, "waiting": waiting}

    # -- inside a transaction or a read --------------------------------------------------------------------

    def _queue(self, lane: Lane, kind: str, bodies: Iterable[Body]) -> None:
        store = self._store
        stream = store._boot * LANES + int(lane)
        moment = store._clock.now()
        for body in bodies:
            row = (kind, moment.mono_ms, moment.offset_ms, int(moment.trust), pack_body(body), None, None)
            store._append_counting(stream, row)
        # The next record of this lane counts anew: a key given out here might yet be rolled back.
        store._last.pop(stream, None)

    def _blocks_waiting(self, outbox: bytes, seq: int) -> list[int]:
        rows = self._store._db.execute("SELECT id, body FROM records WHERE kind = 'block'")
        found = ((key, _decode_block.decode(body)) for key, body in rows)
        return [key for key, body in found if body.outbox == outbox and body.seq == seq]

    def _one(self, where: str, values: tuple[object, ...]) -> Given | None:
        rows = self._store._read(
            f"SELECT outbox, seq, code, purposes, given_by, wall_ms, notes FROM consents WHERE {where}",  # noqa: S608
            values,
        )
        if not rows:
            return None
        outbox, seq, code, purposes, given_by, wall_ms, notes = rows[0]
        return Given(case_id(outbox, seq), code, Consent(purposes), given_by, wall_ms, tuple(json.loads(notes)))

    def _erased(self, outbox: bytes, seq: int) -> str:
        found = self._store._read("SELECT whole FROM erasures WHERE outbox = ? AND seq = ?", (outbox, seq))
        return "" if not found else "whole" if found[0][0] else "sent"

    def _key(self, outbox: bytes, seq: int) -> int | None:
        found = self._store._read("SELECT stream FROM outboxes WHERE outbox = ? AND stream % 16 = 0", (outbox,))
        return (found[0][0] << SEQ_BITS) + seq if found else None

    def _new_code(self) -> str:
        while True:
            code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
            if not self._store._read("SELECT 1 FROM consents WHERE code = ?", (code,)):
                return code

    def _now_ms(self) -> int:
        return self._store._clock.now().wall_ms


def _blocks(outbox: bytes, seq: int, file: Sent) -> Iterable[BlockBody]:
    digest = hashlib.sha256(file.data).digest()
    for offset in range(0, len(file.data), BLOCK_BYTES):
        piece = file.data[offset : offset + BLOCK_BYTES]
        yield BlockBody(outbox, seq, file.what, digest, len(file.data), offset, piece)
