"""Two places for a package and one name that says which answers. Only verified packages are ever loaded.

A package is unpacked into the slot that does not answer; the name is then switched by one rename, and the old slot
stays. Whether to switch, watch or go back is not decided here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

from pikvani_contract.errors import ContractError
from pikvani_contract.model.manifest import MANIFEST_FILE, MAX_FILE_BYTES, MAX_FILES, load_package
from pikvani_contract.packages import AnyPackage, Loader
from pikvani_device.update.durable_files import move_into_place, replace_file
from pikvani_device.update.errors import TrustStoreError, UntrustedError

_SLOTS = ("a", "b")
_CURRENT = "current"
_VERIFIED = "verified"


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
        """The package that answers, verified file by file; nothing before the first was activated.

        Where the slot in use does not verify, the other answers if it does: a device with one sound package works.

        Raises:
            UntrustedError: a slot was activated, and neither is sound.
        """
        current = self._current()
        if current is None:
            return None
        broken = []
        for slot in (current, _other(current)):
            try:
                return self._verified(slot)
            except UntrustedError as error:
                broken.append(str(error))
        raise UntrustedError("; ".join(broken))

    def install(self, tar: Path) -> AnyPackage:
        """Unpack a package into the slot that does not answer; nothing answers differently for it.

        Args:
            tar: a file `TrustedRepository.download` verified.

        Raises:
            UntrustedError: it holds other files than its manifest lists, or says something untrue of them.
            TrustStoreError: the disk does not take it.
        """
        slot = _other(self._current() or _SLOTS[1])
        place = self._folder / slot
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The mark goes first: whatever is found half removed or half written later is not verified.
            self._mark(slot).unlink(missing_ok=True)
            _sync(self._folder)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            names = _unpack(tar, place)
            package = self._load(place)
            listed = {MANIFEST_FILE, *(entry.path for entry in package.manifest.files)}
            if names != listed:
                raise UntrustedError(f"{tar}: holds {sorted(names ^ listed)} that its manifest does not; refused")
            replace_file(self._mark(slot), _digest(place).encode())
        except (ContractError, tarfile.TarError) as error:
            raise UntrustedError(f"{tar}: not the package it says it is ({error}); refused") from error
        except OSError as error:
            raise TrustStoreError(f"{place}: cannot be written ({error}); make room or mend the disk") from error
        return package

    def staged(self) -> AnyPackage:
        """The package in the slot that does not answer, verified file by file.

        Raises:
            UntrustedError: there is no sound one.
        """
        return self._verified(_other(self._current() or _SLOTS[1]))

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
        slot = _other(self._current() or _SLOTS[1])
        package = self._verified(slot)
        try:
            replace_file(self._folder / _CURRENT, slot.encode())
        except OSError as error:
            raise TrustStoreError(f"{self._folder}: the slot cannot be switched ({error}); mend the disk") from error
        return package

    def _current(self) -> str | None:
        try:
            slot = (self._folder / _CURRENT).read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise TrustStoreError(f"{self._folder / _CURRENT}: cannot be read ({error}); mend the disk") from error
        # A name damaged on the card: either slot may be the newer, and `load` takes only a sound one.
        return slot if slot in _SLOTS else _SLOTS[0]

    def _verified(self, slot: str) -> AnyPackage:
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
    with tarfile.open(tar, "r:") as opened:
        for member in opened:
            path = Path(member.name)
            if not member.isreg() or path.is_absolute() or ".." in path.parts or member.name in names:
                raise UntrustedError(f"{tar}: {member.name!r} has no place in a package; refused")
            names.add(member.name)
            if member.size > MAX_FILE_BYTES or len(names) > MAX_FILES + 1:
                raise UntrustedError(f"{tar}: {member.name!r} is more than a package may hold; refused")
            source = opened.extractfile(member)
            file = place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(file.name + ".new")
            with aside.open("xb") as stream:
                if source is not None:
                    shutil.copyfileobj(source, stream)
                stream.flush()
                os.fsync(stream.fileno())
            move_into_place(aside, file)
    _sync(place)
    return names


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
