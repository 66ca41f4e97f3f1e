"""Notes what became of requests, so that people see it: one row for the same thing, however often it comes."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pikvani_server.ingest.reading import clean
from pikvani_server.store import Store
from pikvani_server.store.schema_enrolment import enrolment_events

_ANYBODY = ("malformed", "unknown_claim", "bad_proof", "unknown_identity")
"""Reasons a stranger can bring about under any name he makes up: a day of each is one row."""


def note(
    store: Store,
    connection: sa.Connection,
    kind: str,
    now: datetime,
    device_id: str = "",
    reason: str = "",
    detail: str = "",
    road: str = "",
    batch: str = "",
    key: bytes = b"",
) -> None:
    """Add an event inside the caller's transaction; the same one again is counted.

    Args:
        store: knows the dialect's insert.
        connection: in a transaction that writes.
        kind: as the table says.
        now: UTC.
        device_id: whom it is about, as it says itself.
        reason: a key of `enrolment.REASONS`, or a word.
        detail: for people.
        road: `https`, `mqtt` or `cli`.
        batch: of the card.
        key: what else tells two events apart.
    """
    day = now.date().isoformat() if kind in ("refused", "suspected") else now.isoformat()
    same: tuple[Any, ...] = (kind, reason, day) if reason in _ANYBODY else (kind, reason, day, device_id, detail, key)
    insert = store.insert(enrolment_events).values(
        digest=hashlib.sha256(repr(same).encode()).digest()[:16],
        first_at=now,
        last_at=now,
        kind=kind,
        device_id=clean(device_id, 64),
        batch=clean(batch, 64),
        reason=clean(reason, 64),
        detail=clean(detail, 400),
        road=road,
    )
    counted = {"times": enrolment_events.c.times + 1, "last_at": now, "device_id": insert.excluded.device_id}
    connection.execute(insert.on_conflict_do_update(index_elements=["digest"], set_=counted))
