"""Files that are whole after a power cut: written aside, synced, renamed, the folder synced. Nothing else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Make `path` hold `data`: before and after a power cut it holds either the old bytes or all of the new.

    Raises:
        OSError: the disk is full, gone or read-only.
    """
    if _holds(path, data):
        return  # a memory card wears by writes, and most checks find nothing new
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        move_into_place(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def move_into_place(aside: Path, path: Path) -> None:
    """Rename an already synced file to `path` and sync the folder, so that the name survives too."""
    aside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names put into a folder, or taken out of it, durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
