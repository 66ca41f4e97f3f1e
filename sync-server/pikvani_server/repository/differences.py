"""Small differences between two versions of a package file, for links paid by the megabyte. Signs nothing.

The form stands in `pikvani_contract.repository`. Fine-tuned weights move little and equal architectures lie at equal
places, so most of it is zeros.
"""

from __future__ import annotations

import hashlib

import numpy as np
import zstandard

from pikvani_contract.repository import DIFFERENCE_MAGIC

_LEVEL = 19


def make_difference(old: bytes, new: bytes) -> bytes | None:
    """The difference from `old` to `new`, or nothing where the new file alone, compressed, is no larger."""
    changes = np.frombuffer(new, np.uint8).copy()
    shared = min(len(old), len(new))
    changes[:shared] -= np.frombuffer(old, np.uint8, shared)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    difference = DIFFERENCE_MAGIC + hashlib.sha256(old).digest() + compressor.compress(changes.tobytes())
    return difference if len(difference) < len(compressor.compress(new)) else None
