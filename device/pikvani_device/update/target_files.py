"""Brings one signed file to this disk, over as many calls as the link needs. Believes length and hash, nothing else.

A file grows under a hidden name that carries its hash, so that a cut costs no byte twice and the parts of two versions
never mix. It gets its real name only when all of it is there, verified and synced.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from pikvani_device.durable_files import move_into_place
from pikvani_device.update.errors import TrustStoreError, UnreachableError, UntrustedError
from pikvani_device.update.fetching import Fetcher

_LONGEST_NAME = 180  # of the 255 bytes a file name may have, less what a part adds


def local_name(target_path: str) -> str:
    """The file name a target is kept under: one name a path, inside its folder whatever the path says."""
    name = quote(target_path, safe="")
    if name.startswith(".") or len(name) > _LONGEST_NAME:
        return f"target-{hashlib.sha256(target_path.encode()).hexdigest()}"
    return name


def is_verified(path: Path, target: TargetFile) -> bool:
    """Whether `path` holds exactly the signed bytes."""
    try:
        with path.open("rb") as stream:
            target.verify_length_and_hashes(stream)
    except (OSError, LengthOrHashMismatchError):
        return False
    return True


def missing(target: TargetFile, folder: Path) -> int:
    """How many bytes of a target are not in `folder` yet: what `bring` would cost."""
    name = local_name(target.path)
    if is_verified(folder / name, target):
        return 0
    part = _part(folder, name, target)
    here = part.stat().st_size if part.exists() else 0
    return target.length - here if here <= target.length else target.length


def bytes_here(folder: Path) -> int:
    """Bytes of the files on the way to `folder` and there."""
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else 0


def throw_away(folder: Path) -> None:
    """Remove the files on the way: they are of use no more, and a card is small."""
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        path.unlink()


def bring(fetcher: Fetcher, location: str, target: TargetFile, folder: Path) -> Path:
    """Fetch what is missing of a target and verify all of it.

    Args:
        fetcher: where the bytes come from.
        location: its path in the repository.
        target: signed length and hashes.
        folder: where it shall lie.

    Returns:
        Path of the verified file.

    Raises:
        UnreachableError: the link broke; what came is kept, and the next call continues.
        UntrustedError: the bytes are not those signed; they were thrown away.
        TrustStoreError: the disk does not take them.
    """
    path = folder / local_name(target.path)
    if is_verified(path, target):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = _part(folder, path.name, target)
        _sweep(part, path.name, target)
        if not part.exists() or part.stat().st_size < target.length:
            _grow(part, fetcher, location, target)
        if not is_verified(part, target):
            part.unlink()
            raise UntrustedError(
                f"{target.path}: the bytes differ from what was signed and were thrown away; "
                "try again, from another source if it repeats"
            )
        move_into_place(part, path)
    except OSError as error:
        raise TrustStoreError(f"{folder}: cannot keep {target.path} ({error}); make room or mend the disk") from error
    return path


def _part(folder: Path, name: str, target: TargetFile) -> Path:
    return folder / f".{name}.{next(iter(target.hashes.values()))[:32]}.part"


def _sweep(part: Path, name: str, target: TargetFile) -> None:
    for other in part.parent.iterdir():
        # Beginnings of a version nobody offers any more would fill the card.
        if other != part and other.name.startswith(f".{name}.") and other.suffix == ".part":
            other.unlink()
    if part.exists() and part.stat().st_size > target.length:
        part.unlink()


def _grow(part: Path, fetcher: Fetcher, location: str, target: TargetFile) -> None:
    size = part.stat().st_size if part.exists() else 0
    with closing(fetcher.fetch(location, size)) as pieces:
        piece = _next(pieces, location)  # before a file is made: a source that has nothing leaves nothing here
        with part.open("ab") as stream:
            while piece is not None:
                size += len(piece)
                stream.write(piece[: max(0, target.length - size + len(piece))])
                piece = _next(pieces, location) if size <= target.length else None
            stream.flush()
            os.fsync(stream.fileno())
    if size > target.length:
        part.unlink()
        raise UntrustedError(f"{target.path}: more bytes came than the {target.length} signed; try another source")
    if size < target.length:
        raise UnreachableError(
            f"{target.path}: {size} of {target.length} bytes came before the source ended; try again to continue"
        )


def _next(pieces: Iterator[bytes], location: str) -> bytes | None:
    try:
        return next(pieces, None)
    except FileNotFoundError as error:
        raise UnreachableError(f"{location}: signed for, but the repository has it not; try again later") from error
    except OSError as error:
        raise UnreachableError(f"{location}: {error}; try again to continue where it broke") from error
