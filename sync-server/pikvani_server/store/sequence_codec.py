"""Sequence sets as bytes in a `streams` row: a flat MessagePack array of firsts and lasts. No database."""

from __future__ import annotations

import msgspec

from pikvani_contract.sequences import SequenceSet

_decoder = msgspec.msgpack.Decoder(list[int])
_encoder = msgspec.msgpack.Encoder()


def to_bytes(sequences: SequenceSet) -> bytes:
    """Encode; the empty set is no bytes at all."""
    flat = [bound for interval in sequences.intervals() for bound in interval]
    return _encoder.encode(flat) if flat else b""


def from_bytes(data: bytes) -> SequenceSet:
    """Decode what `to_bytes` gave.

    Raises:
        msgspec.DecodeError: the row is damaged.
    """
    if not data:
        return SequenceSet()
    flat = _decoder.decode(data)
    return SequenceSet(zip(flat[::2], flat[1::2], strict=True))
