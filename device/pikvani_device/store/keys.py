"""How rows of the store are named, and what its methods give back. No database here.

A record's key is stream * 2^40 + sequence; a stream is boot * 16 + lane. One integer orders by boot, lane and
sequence, and names a span of records without an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pikvani_contract.messages import CaseBody, Lane, Receipt
from pikvani_contract.sequences import SequenceSet

SEQ_BITS = 40
SEQ_MASK = (1 << SEQ_BITS) - 1
LANES = 16
"""Streams a boot may have."""
KIND_LANES = {
    "case": Lane.RESULT,
    "alarm": Lane.ALARM,
    "consent": Lane.ALARM,
    "erasure": Lane.ALARM,
    "sketch": Lane.SKETCH,
    "update": Lane.UPDATE,
    "block": Lane.BULK,
}
"""Which lane a kind of record takes."""


@dataclass(frozen=True)
class StoredCase:
    """A case as this device remembers it.

    Attributes:
        case_id: unique over all devices: the outbox id in hex, a hyphen, the sequence.
        wall_ms: UTC milliseconds when it was recorded, as the device believed.
        body: what was asked and answered.
        photo_names: file names under the photo folder.
        synced: whether the centre has said that it is committed there.
    """

    case_id: str
    wall_ms: int
    body: CaseBody
    photo_names: tuple[str, ...]
    synced: bool


@dataclass(frozen=True)
class WaitingOutbox:
    """An outbox that still holds records.

    Attributes:
        outbox: its id.
        lane: whose turn it is.
        boots_ago: 0 when its monotonic times are of this boot.
        oldest: the lowest sequence it holds.
        stream: its number inside this database.
    """

    outbox: bytes
    lane: Lane
    boots_ago: int
    oldest: int
    stream: int


def span(stream: int) -> tuple[int, int]:
    """The first and last key a stream's records can have."""
    return stream << SEQ_BITS, (stream << SEQ_BITS) + SEQ_MASK


def committed(receipt: Receipt) -> Iterator[tuple[int, int]]:
    """The intervals a receipt says are committed. A hostile `upto` is cut to what a key can hold."""
    start, upto = 1, min(receipt.upto, SEQ_MASK)
    for gap_first, gap_last in receipt.gaps:
        if start < gap_first <= upto:
            yield start, gap_first - 1
        start = max(start, gap_last + 1)
    if start <= upto:
        yield start, upto


def pending(stream: int, sequences: SequenceSet) -> tuple[tuple[int, int], ...]:
    """The key intervals of a stream in which what is not committed lies: its gaps and all above."""
    base = stream << SEQ_BITS
    gaps = [(base + first, base + last) for first, last in sequences.gaps()]
    return (*gaps, (base + sequences.highest + 1, base + SEQ_MASK))


def shared(some: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What two ascending lists of disjoint closed intervals have in common, ascending."""
    found, i, j = [], 0, 0
    while i < len(some) and j < len(others):
        first, last = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if first <= last:
            found.append((first, last))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return found


def case_id(outbox: bytes, seq: int) -> str:
    """The name of a case, unique over all devices."""
    return f"{outbox.hex()}-{seq}"


def case_of(name: str) -> tuple[bytes, int]:
    """Outbox and sequence of a case's name.

    Raises:
        ValueError: it is no such name.
    """
    outbox, _, seq = name.partition("-")
    if len(outbox) != 16 or not seq.isascii() or not seq.isdecimal() or not 1 <= int(seq[:20]) <= SEQ_MASK:
        raise ValueError(f"{name[:60]!r} is not the name of a case")
    return bytes.fromhex(outbox), int(seq)
