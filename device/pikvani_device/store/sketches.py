"""The part of the store that daily sketches need: cases to count, sketches said, and how far all is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pikvani_contract.messages import CaseBody, Lane, SketchBody
from pikvani_contract.wire import pack_body
from pikvani_device.store.database import Store
from pikvani_device.store.keys import LANES

_POSITION = "drift.said_to"
_decode = msgspec.msgpack.Decoder(CaseBody)


@dataclass(frozen=True)
class CountableCase:
    """A case as a sketch counts it.

    Attributes:
        key: its row; ascending in the order of recording.
        wall_ms: UTC milliseconds as the device believed.
        trust: a `ClockTrust`.
        body: what was asked and answered.
        traits: bins the record does not hold; None for a case of before they were kept.
    """

    key: int
    wall_ms: int
    trust: int
    body: CaseBody
    traits: bytes | None


class SketchShelf:
    """A view of one store. Methods raise `StoreError` when the disk fails.

    Args:
        store: open.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def position(self) -> int:
        """Key of the last case that needs no more counting; 0 at the beginning."""
        return int(self._store.fact(_POSITION) or 0)

    def cases_after(self, key: int, limit: int) -> list[CountableCase]:
        """At most `limit` cases behind `key`, ascending."""
        rows = self._store._read(
            """SELECT id, mono_ms + offset_ms, trust, body, traits FROM records
               WHERE id > ? AND kind = 'case' ORDER BY id LIMIT ?""",
            (key, limit),
        )
        return [CountableCase(i, wall_ms, trust, _decode.decode(body), t) for i, wall_ms, trust, body, t in rows]

    def said(self) -> dict[tuple[str, str], SketchBody]:
        """The sketches kept, by model and day."""
        rows = self._store._read("SELECT model, day, revision, data FROM said_sketches")
        return {(model, day): SketchBody(model, day, revision, data) for model, day, revision, data in rows}

    def say(self, bodies: Sequence[SketchBody], position: int, oldest_day: str, max_day_bytes: int) -> int:
        """Queue sketches, remember them, and move the position: one durable transaction.

        Args:
            bodies: at most one a model and day.
            position: key of the last case that is in them.
            oldest_day: what was said of earlier days is forgotten.
            max_day_bytes: all sketches of one model and day together; beyond it one is remembered but not queued.

        Returns:
            How many were queued.
        """
        queued, store = 0, self._store
        stream = store._boot * LANES + int(Lane.SKETCH)
        with store._transaction("queue the day's sketch in"):
            moment = store._clock.now()
            said_at = ("sketch", moment.mono_ms, moment.offset_ms, int(moment.trust))
            database = store._db
            for body in bodies:
                row = database.execute(
                    "SELECT spent_bytes FROM said_sketches WHERE model = ? AND day = ?", (body.model, body.day)
                ).fetchone()
                spent = row[0] if row else 0
                if not spent or spent + len(body.data) <= max_day_bytes:
                    store._append_counting(stream, (*said_at, pack_body(body), None, None))
                    spent += len(body.data)
                    queued += 1
                database.execute(
                    "INSERT OR REPLACE INTO said_sketches VALUES (?, ?, ?, ?, ?)",
                    (body.model, body.day, body.revision, body.data, spent),
                )
            database.execute("DELETE FROM said_sketches WHERE day < ?", (oldest_day,))
            database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_POSITION, str(position)))
            # The next record of this lane counts anew: a key given out here might yet be rolled back.
            store._last.pop(stream, None)
        if queued:
            store.changed.set()
        return queued
