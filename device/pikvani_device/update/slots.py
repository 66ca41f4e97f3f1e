"""Two places for a package and one name that says which answers. Only verified packages are ever loaded.

A package is unpacked into the slot that does not answer; the name is then switched by one rename, and the old slot
stays. Whether to switch, watch or go back is not decided here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pikvani_contract.errors import ContractError
from pikvani_contract.model.manifest import MANIFEST_FILE, MAX_FILE_BYTES, MAX_FILES, load_package
from pikvani_contract.model.packing import version_key
from pikvani_contract.packages import AnyPackage, Loader
from pikvani_device.durable_files import move_into_place, replace_file, sync_folder
from pikvani_device.update.errors import TrustStoreError, UntrustedError

log = logging.getLogger(__name__)

_SLOTS = ("a", "b")
_CURRENT = "current"
_VERIFIED = "verified"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,120}")
"""What a manifest may list. Whatever else an archive can spell, no disk of ours needs to be asked about."""
_ASIDE = "~"
_WRITTEN = re.compile(r"([ab])(?: ([0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}))?")


class _Current(NamedTuple):
    """Which slot was activated last; empty where its name is damaged. And the version in it then."""

    slot: str
    version: str


class Slots:
    """Two slots under one folder.

    Args:
        folder: its own; made by the first `install`.
        load: reads and verifies a package of the kind that is kept here.
    """

    def __init__(self, folder: Path, load: Loader = load_package) -> None:
        self._folder = folder
        self._load = load

    def load(self) -> AnyPackage | None:
        """The package that answers, verified file by file; nothing where none may, and the package of birth must.

        Where the slot in use is damaged, an older version in the other answers: it did before. A newer one has not
        passed its self-test or was sent back, and must not answer because a card decays.
        """
        current = self._current()
        if current is None:
            return None
        try:
            return self._verified(current.slot)
        except UntrustedError as error:
            log.error("the slot in use is damaged: %s", error)
        return self._standing_in(current)

    def install(self, tar: Path) -> AnyPackage:
        """Unpack a package into the slot that does not answer; nothing answers differently for it.

        Args:
            tar: a file `TrustedRepository.download` verified.

        Raises:
            UntrustedError: it holds other files than its manifest lists, or says something untrue of them.
            TrustStoreError: the disk does not take it.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._settle()
            slot = self._idle()
            place = self._folder / slot
            # The mark goes first: whatever is found half removed or half written later is not verified.
            self._mark(slot).unlink(missing_ok=True)
            sync_folder(self._folder)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            names = _unpack(tar, place)
            package = self._load(place)
            listed = {MANIFEST_FILE, *(entry.path for entry in package.manifest.files)}
            if names != listed:
                raise UntrustedError(f"{tar}: holds {sorted(names ^ listed)} that its manifest does not; refused")
            replace_file(self._mark(slot), _digest(place).encode())
        except OSError as error:
            raise TrustStoreError(f"{self._folder}: cannot be written ({error}); make room or mend the disk") from error
        except (ContractError, tarfile.TarError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
            # Readers of archives and manifests fail in many ways on what was made to break them; an error that gets
            # past here would be met again at every start.
            raise UntrustedError(f"{tar}: not the package it says it is ({error}); refused") from error
        return package

    def staged(self) -> AnyPackage:
        """The package in the slot that does not answer, verified file by file.

        Raises:
            UntrustedError: there is no sound one.
        """
        return self._verified(self._idle())

    @property
    def staged_version(self) -> str:
        """Version of the package in the slot that does not answer; nothing where there is no sound one."""
        try:
            return self.staged().manifest.version
        except UntrustedError:
            return ""

    @property
    def switched_at_ns(self) -> int:
        """Changes when another slot answers: the time of the switch, 0 before the first."""
        try:
            return (self._folder / _CURRENT).stat().st_mtime_ns
        except OSError:
            return 0

    def activate(self) -> AnyPackage:
        """Let the slot that does not answer now answer from the next load on: one rename.

        Raises:
            UntrustedError: what is in it does not verify; nothing was switched.
            TrustStoreError: the disk does not take it.
        """
        slot = self._idle()
        package = self._verified(slot)
        try:
            self._name(slot, package)
        except OSError as error:
            raise TrustStoreError(f"{self._folder}: the slot cannot be switched ({error}); mend the disk") from error
        return package

    def _current(self) -> _Current | None:
        try:
            written = _WRITTEN.fullmatch((self._folder / _CURRENT).read_text("ascii"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            log.error("%s cannot be read: %s", self._folder / _CURRENT, error)
            return _Current("", "")
        return _Current(written[1], written[2] or "") if written else _Current("", "")

    def _name(self, slot: str, package: AnyPackage) -> None:
        replace_file(self._folder / _CURRENT, f"{slot} {package.manifest.version}".encode())

    def _idle(self) -> str:
        """The slot that was not activated last."""
        current = self._current()
        return _other(current.slot if current and current.slot else _SLOTS[1])

    def _standing_in(self, current: _Current) -> AnyPackage | None:
        """The package beside a damaged one, if it may answer for it."""
        if not current.slot or not current.version:
            return None
        try:
            held = self._verified(_other(current.slot))
        except UntrustedError:
            return None
        return held if version_key(held.manifest.version) < version_key(current.version) else None

    def _settle(self) -> None:
        """Where one slot answers for a damaged one, say so: or the next package would be unpacked over it."""
        current = self._current()
        if current is None:
            return
        try:
            self._verified(current.slot)
        except UntrustedError:
            if (held := self._standing_in(current)) is not None:
                self._name(_other(current.slot), held)

    def _verified(self, slot: str) -> AnyPackage:
        if not slot:
            raise UntrustedError(f"{self._folder / _CURRENT} names no slot; install again")
        place = self._folder / slot
        try:
            if self._mark(slot).read_text() != _digest(place):
                raise UntrustedError(f"{place}: the manifest is not the one that was verified; install again")
            return self._load(place)
        except (OSError, ContractError, UnicodeDecodeError) as error:
            raise UntrustedError(f"{place}: no verified package ({error}); install again") from error

    def _mark(self, slot: str) -> Path:
        return self._folder / f"{slot}.{_VERIFIED}"


def _other(slot: str) -> str:
    return _SLOTS[1 - _SLOTS.index(slot)]


def _digest(place: Path) -> str:
    return hashlib.sha256((place / MANIFEST_FILE).read_bytes()).hexdigest()


def _unpack(tar: Path, place: Path) -> set[str]:
    names: set[str] = set()
    folders: set[str] = set()
    with tarfile.open(tar, "r:") as opened:
        for member in opened:
            path = PurePosixPath(member.name)
            above = {str(parent) for parent in path.parents}
            # Sparse files would unpack to more than was signed for; a name twice, or one under another, is a lie.
            plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
            named = _NAME.fullmatch(member.name) and str(path) == member.name and ".." not in path.parts
            if not plain or not named or member.name in names | folders or above & names:
                raise UntrustedError(f"{tar}: {member.name[:120]!r} has no place in a package; refused")
            names.add(member.name)
            folders |= above
            if member.size > MAX_FILE_BYTES or len(names) > MAX_FILES + 1:
                raise UntrustedError(f"{tar}: {member.name!r} is more than a package may hold; refused")
            source = opened.extractfile(member)
            file = place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(file.name + _ASIDE)
            with aside.open("xb") as stream:
                if source is not None:
                    shutil.copyfileobj(source, stream)
                stream.flush()
                os.fsync(stream.fileno())
            move_into_place(aside, file)
    sync_folder(place)
    return names
