"""Photographs of cases as files: encoded anew, and on the disk before anything names them."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from pikvani_device.diagnosis.photo import Photo, encode_for_keeping
from pikvani_device.errors import StoreError


def keep_photo(folder: Path, photo: Photo) -> str:
    """Write a photograph, durable on return.

    Args:
        folder: made when it is missing.
        photo: what to keep.

    Returns:
        Its file name.

    Raises:
        StoreError: it could not be written; nothing of it is left.
    """
    name = f"{secrets.token_hex(8)}.jpg"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            file.write(encode_for_keeping(photo))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
        raise StoreError(
            f"{folder}: the photograph cannot be kept ({error.strerror}); free some space on the disk"
        ) from None
    return name
