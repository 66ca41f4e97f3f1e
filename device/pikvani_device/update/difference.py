"""Rebuilds a new package file from the old one and a small difference. Does not trust it: the signed hash decides.

The other half, which makes differences, is at the centre; the form is written down in the contract.
"""

from __future__ import annotations

import hashlib
import io

import numpy as np
import zstandard
from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from pikvani_contract.repository import DIFFERENCE_MAGIC as MAGIC
from pikvani_contract.repository import difference_dictionary
from pikvani_device.update.errors import UntrustedError

_HASHED = len(MAGIC) + hashlib.sha256().digest_size
_HEAD = _HASHED + 8


def rebuild(old: bytes, difference: bytes, target: TargetFile) -> bytes:
    """The new file.

    Args:
        old: the file this device has.
        difference: the difference, itself a verified target or not.
        target: what is signed about the new file.

    Raises:
        UntrustedError: the difference is for another old file, is damaged, or does not give what was signed.
    """
    if not difference.startswith(MAGIC) or len(difference) < _HEAD:
        raise UntrustedError(f"{target.path}: not a difference; fetch the whole file if the budget allows")
    if difference[len(MAGIC) : _HASHED] != hashlib.sha256(old).digest():
        raise UntrustedError(f"{target.path}: the difference is for another old file; fetch one for this version")
    shared = int.from_bytes(difference[_HASHED:_HEAD], "big")
    if shared > min(len(old), target.length):
        raise UntrustedError(f"{target.path}: the difference names more than both files share; fetch it again")
    try:
        # The announced size is checked first: a few bytes may claim to unpack to more than this device has.
        if zstandard.frame_content_size(difference[_HEAD:]) != target.length:
            raise UntrustedError(f"{target.path}: the difference gives another length than was signed")
        dictionary = difference_dictionary(old, shared)
        changes = zstandard.ZstdDecompressor(dict_data=dictionary).decompress(difference[_HEAD:])
    except zstandard.ZstdError as error:
        raise UntrustedError(f"{target.path}: the difference is damaged ({error}); fetch it again") from None
    rest = target.length - shared
    moved = np.frombuffer(changes, np.uint8, shared, rest) + np.frombuffer(old, np.uint8, shared)
    rebuilt = moved.tobytes() + changes[:rest]
    try:
        target.verify_length_and_hashes(io.BytesIO(rebuilt))
    except LengthOrHashMismatchError:
        raise UntrustedError(
            f"{target.path}: what the difference gives is not what was signed; fetch it again"
        ) from None
    return rebuilt
