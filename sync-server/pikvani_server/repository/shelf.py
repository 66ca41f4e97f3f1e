"""The repository's files: read, and replaced whole. Signs nothing; knows names, versions and the order of writing.

`metadata/` and `targets/` are what devices read and may be copied as they are; `staged/` is the desk's own. A reader
sees the old state or the new one, never half: everything a timestamp leads to is there before the timestamp is.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    Root,
    Snapshot,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from pikvani_server.repository.errors import SigningError

_Role = TypeVar("_Role", Root, Snapshot, Targets, Timestamp)
_COMPACT = JSONSerializer(compact=True)


class Shelf:
    """One repository on disk.

    Args:
        folder: holds `metadata/`, `targets/` and `staged/`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._metadata = folder / "metadata"
        self._staged = folder / "staged" / "targets.json"

    @property
    def is_empty(self) -> bool:
        """Whether no root was ever written here."""
        return not any(self._metadata.glob("*.root.json"))

    def newest(self, role: type[_Role]) -> Metadata[_Role]:
        """The newest published file of a top-level role.

        Raises:
            SigningError: there is none, or it cannot be read.
        """
        if role is Timestamp:
            return _read(self._metadata / "timestamp.json", role)
        files = self._metadata.glob(f"*.{role.type}.json")
        numbers = [int(file.name.split(".")[0]) for file in files if file.name.split(".")[0].isdecimal()]
        if not numbers:
            raise SigningError(f"{self.folder}: no {role.type} here; make it with `repository init`")
        return _read(self._metadata / f"{max(numbers)}.{role.type}.json", role)

    def publish(self, metadata: Metadata[Root] | Metadata[Snapshot] | Metadata[Targets] | Metadata[Timestamp]) -> None:
        """Write a signed file where devices look for it; a timestamp last of all."""
        signed = metadata.signed
        name = "timestamp.json" if isinstance(signed, Timestamp) else f"{signed.version}.{signed.type}.json"
        _replace(self._metadata / name, metadata.to_bytes(_COMPACT))

    def staged(self) -> Metadata[Targets] | None:
        """Targets signed at the offline desk and not published yet."""
        return _read(self._staged, Targets) if self._staged.exists() else None

    def stage(self, metadata: Metadata[Targets]) -> None:
        """Keep signed targets until `publish`."""
        _replace(self._staged, metadata.to_bytes(_COMPACT))

    def unstage(self) -> None:
        """Forget staged targets: they are published."""
        self._staged.unlink(missing_ok=True)

    def put_target(self, target_path: str, sha256: str, data: bytes) -> None:
        """Write a target under its hash-prefixed name; harmless until metadata names it."""
        parent, _, name = target_path.rpartition("/")
        _replace(self.folder / "targets" / parent / f"{sha256}.{name}", data)

    def read_target(self, target_path: str, sha256: str) -> bytes:
        """The bytes of a target.

        Raises:
            SigningError: they are not here.
        """
        parent, _, name = target_path.rpartition("/")
        path = self.folder / "targets" / parent / f"{sha256}.{name}"
        try:
            return path.read_bytes()
        except OSError as error:
            raise SigningError(f"{path}: cannot be read ({error.strerror}); restore it from its copy") from None


def _read(path: Path, role: type[_Role]) -> Metadata[_Role]:
    try:
        metadata: Metadata[Any] = Metadata.from_file(str(path))
    except (RepositoryError, OSError) as error:
        raise SigningError(f"{path}: cannot be read ({error}); restore the repository from its copy") from None
    if metadata.signed.type != role.type:
        raise SigningError(f"{path}: holds {metadata.signed.type}, not {role.type}; restore it from its copy")
    return metadata


def _replace(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(aside).chmod(0o644)  # a web server under another user reads it
        Path(aside).replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise SigningError(f"{path}: cannot be written ({error.strerror}); nothing was published") from None
