"""What both ends must spell alike in a signed repository. Packages and their names: `model.packing`."""

from __future__ import annotations

import zstandard

_LEAST_DICTIONARY = 8

SIGNED_AT_FIELD = "x-pikvani-signed-at"
"""Field of `timestamp.json`: UTC second it was signed at, as `2026-01-31T12:00:00Z`; the floor under device clocks."""

DIFFERENCE_MAGIC = b"pikvani-difference-2\n"
"""How a difference begins. Then follow SHA-256 of the old file, a length S in eight bytes (big-endian), and one zstd
frame of as many bytes as the new file has: the new file from S on, with the old file from S on as dictionary, then
new minus old over the first S bytes, byte by byte modulo 256. Weights stay in their places and move little; texts grow
and shrink, and what they shift is found again by the dictionary."""


def difference_dictionary(old: bytes, start: int) -> zstandard.ZstdCompressionDict | None:
    """What the part from `start` on was compressed against; None where the old file ends before."""
    rest = old[start:]
    if len(rest) < _LEAST_DICTIONARY:
        return None
    return zstandard.ZstdCompressionDict(rest, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
