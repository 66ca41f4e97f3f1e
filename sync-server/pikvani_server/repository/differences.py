"""Small differences between two versions of a package file, for links paid by the megabyte. Signs nothing.

Form: the magic line, SHA-256 of the old file, then one zstd frame of as many bytes as the new file has: new minus old,
byte by byte modulo 256, over their common length, and the new bytes themselves after it. Fine-tuned weights move little
and equal architectures lie at equal places, so most of it is zeros.
"""

from __future__ import annotations

import hashlib

import numpy as np
import zstandard

MAGIC = b"pikvani-difference-1\n"
_LEVEL = 19


def make_difference(old: bytes, new: bytes) -> bytes | None:
    """The difference from `old` to `new`, or nothing where the new file alone, compressed, is no larger."""
    changes = np.frombuffer(new, np.uint8).copy()
    shared = min(len(old), len(new))
    changes[:shared] -= np.frombuffer(old, np.uint8, shared)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    difference = MAGIC + hashlib.sha256(old).digest() + compressor.compress(changes.tobytes())
    return difference if len(difference) < len(compressor.compress(new)) else None
