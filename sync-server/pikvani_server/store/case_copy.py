"""Cases as PostgreSQL's binary COPY takes them: a third of the work of writing them as text, at both ends.

Layout: PostgreSQL manual, COPY, "Binary Format". Columns of fixed size come first, so that one `struct` packs them all;
texts that recur (crops, conditions, versions) are encoded once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any

from pikvani_server.store.rows import CASE_COLUMNS, Row

_TIMES = ("received_at", "happened_at")
_BIG = ("seq", "mono_ms", "offset_ms", "latency_ms", "consents")
_SMALL = ("trust", "confidence_e4", "photos")
_RECURRING = (
    "device_id",
    "time_quality",
    "decision",
    "reason",
    "crop",
    "condition",
    "model",
    "runtime",
    "channel",
    "locale",
)
_OWN = ("others", "quality_e4")
COPY_COLUMNS = (*_TIMES, *_BIG, *_SMALL, "outbox", *_RECURRING, *_OWN)
"""The columns in the order in which they are written here."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_PIECE_ROWS = 500
TRAILER = b"\xff\xff"
_FIXED = struct.Struct(">h" + "iq" * (len(_TIMES) + len(_BIG)) + "ih" * len(_SMALL) + "i")
_LENGTH = struct.Struct(">i")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH_US = (_EPOCH - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


def _columns(names: tuple[str, ...]) -> itemgetter[Any]:
    return itemgetter(*(CASE_COLUMNS.index(name) for name in names))


_fixed, _recurring_of, _own = _columns((*_TIMES, *_BIG, *_SMALL, "outbox")), _columns(_RECURRING), _columns(_OWN)


def encode_cases(rows: Sequence[Row]) -> Iterator[bytes]:
    """Rows in the order of `CASE_COLUMNS` as a binary COPY stream of `COPY_COLUMNS`, in pieces of some hundred rows.

    A piece can be sent while the next one is made: the database works at the same time as we do.

    Raises:
        struct.error: a number does not fit its column.
        UnicodeEncodeError: a text cannot be written in UTF-8.
    """
    yield HEADER
    for at in range(0, len(rows), _PIECE_ROWS):
        yield _encode(rows[at : at + _PIECE_ROWS])
    yield TRAILER


def _encode(rows: Sequence[Row]) -> bytes:
    parts: list[bytes] = []
    columns, fixed, length = len(COPY_COLUMNS), _FIXED.pack, _LENGTH.pack
    for row in rows:
        received, happened_ms, seq, mono_ms, offset_ms, latency_ms, consents, trust, confidence, photos, outbox = (
            _fixed(row)
        )
        times = (8, _microseconds(received), 8, happened_ms * 1_000 - _EPOCH_US)
        numbers = (8, seq, 8, mono_ms, 8, offset_ms, 8, latency_ms, 8, consents, 2, trust, 2, confidence, 2, photos)
        parts.append(fixed(columns, *times, *numbers, len(outbox)))
        parts.append(outbox)
        parts.extend(map(_recurring, _recurring_of(row)))
        for text in _own(row):
            data = text.encode()
            parts.append(length(len(data)))
            parts.append(data)
    return b"".join(parts)


@lru_cache(4_096)
def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


@lru_cache(4_096)
def _recurring(text: str) -> bytes:
    data = text.encode()
    return _LENGTH.pack(len(data)) + data
