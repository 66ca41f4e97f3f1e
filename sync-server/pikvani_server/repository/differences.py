"""Small differences between two versions of a package file, for links paid by the megabyte. Signs nothing.

The form stands in `pikvani_contract.repository`. Fine-tuned weights move little and equal architectures lie at equal
places, so most of it is zeros.
"""

from __future__ import annotations

import hashlib
import io
import tarfile

import numpy as np
import zstandard

from pikvani_contract.repository import DIFFERENCE_MAGIC, difference_dictionary

_LEVEL = 19
_QUICK = 3
_BLOCK = 512


def make_difference(old: bytes, new: bytes) -> bytes | None:
    """The difference from `old` to `new`, or nothing where the new file alone, compressed, is no larger."""
    # Where a text begins to shift is not known beforehand: a quick try of each place tells which is best.
    places = {0, min(len(old), len(new)), *_ends(old, new)}
    best = min(sorted(places), key=lambda shared: len(_difference(old, new, shared, _QUICK)))
    made = _difference(old, new, best, _LEVEL)
    return made if len(made) < len(zstandard.ZstdCompressor(level=_LEVEL).compress(new)) else None


def _difference(old: bytes, new: bytes, shared: int, level: int) -> bytes:
    moved = np.frombuffer(new, np.uint8, shared) - np.frombuffer(old, np.uint8, shared)
    compressor = zstandard.ZstdCompressor(
        level=level, write_checksum=True, dict_data=difference_dictionary(old, shared), write_dict_id=False
    )
    head = DIFFERENCE_MAGIC + hashlib.sha256(old).digest() + shared.to_bytes(8, "big")
    return head + compressor.compress(new[shared:] + moved.tobytes())


def _ends(old: bytes, new: bytes) -> list[int]:
    """Where the first files of both tars end, as far as they have the same names and lengths."""
    ends: list[int] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(old)) as first, tarfile.open(fileobj=io.BytesIO(new)) as second:
            for a, b in zip(first, second, strict=False):
                if (a.name, a.size, a.offset_data) != (b.name, b.size, b.offset_data):
                    break
                ends.append(min(b.offset_data + -(-b.size // _BLOCK) * _BLOCK, len(old), len(new)))
    except tarfile.TarError:
        pass  # no tars: then only whole files are tried
    return ends
