"""Optional assets: a Vosk model, spoken prompts. Installed from a file or a stick, held against a sha256, listed.

A folder of assets carries `assets.json`, a list of `{"name", "kind", "version", "file", "sha256"}`; each file is a tar
or zip archive of one folder. Nothing is fetched from a network here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Literal

import msgspec
from msgspec import Meta

from pikvani_device.durable_files import sync_folder
from pikvani_device.errors import DeviceError

LIST_FILE = "assets.json"
Kind = Literal["vosk", "prompts-mr", "prompts-hi", "prompts-en"]
_MAX_LIST_BYTES = 100_000
_MAX_BYTES = 3 * 2**30
_MAX_FILES = 2_000
_CHUNK = 1 << 20


class AssetError(DeviceError):
    """An asset cannot be listed, checked or installed."""


class Asset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One asset: on a stick, or as it was installed (then with every file's hash)."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,60}$")]
    kind: Kind
    version: Annotated[str, Meta(max_length=40)]
    file: Annotated[str, Meta(max_length=120)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    files: dict[str, str] = {}


class Assets:
    """What is installed in a folder.

    Args:
        folder: made when something is installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def installed(self) -> list[Asset]:
        """Every asset that was installed whole, by name."""
        return [asset for asset, _ in self._found()]

    def folder_of(self, kind: str) -> Path | None:
        """Where the newest asset of a kind lies; None for none."""
        found = [(place.stat().st_mtime_ns, place) for asset, place in self._found() if asset.kind == kind]
        return max(found)[1] / "content" if found else None

    def check(self) -> list[str]:
        """What is wrong with installed assets, a line each; empty where every file is as it was installed."""
        wrong = []
        for asset, place in self._found():
            for name, expected in asset.files.items():
                path = place / "content" / name
                if not path.is_file():
                    wrong.append(f"{asset.name}: {name} is gone; install it again")
                elif _sha256(path) != expected:
                    wrong.append(f"{asset.name}: {name} has changed; install it again")
        return wrong

    def install(self, source: Path, sha256: str = "", kind: Kind = "vosk") -> list[Asset]:
        """Install from a folder with `assets.json`, or from one archive.

        Args:
            source: the folder or the archive.
            sha256: of the archive; needed where `source` is one.
            kind: of that archive.

        Raises:
            AssetError: a hash does not fit, the archive is none, or the disk failed; nothing is half installed.
        """
        if source.is_dir():
            listed = _listed(source / LIST_FILE)
            return [self._install(source / asset.file, asset) for asset in listed]
        if not sha256:
            raise AssetError(f"{source}: give --sha256, as its publisher states it, so that it can be checked")
        name = source.name.split(".")[0].lower()
        try:
            asset = msgspec.convert(
                {"name": name, "kind": kind, "version": "", "file": source.name, "sha256": sha256.lower()}, Asset
            )
        except msgspec.ValidationError as error:
            raise AssetError(f"{source}: {error}; give 64 hexadecimal digits and a plain file name") from None
        return [self._install(source, asset)]

    def _install(self, archive: Path, asset: Asset) -> Asset:
        if PurePosixPath(asset.file).name != asset.file or not archive.is_file():
            raise AssetError(f"{archive} is not there: copy it beside {LIST_FILE}")
        if _sha256(archive) != asset.sha256:
            raise AssetError(f"{archive} is not the file {LIST_FILE} or --sha256 means: fetch it again")
        place, making = self.folder / asset.name, self.folder / f".{asset.name}.new"
        shutil.rmtree(making, ignore_errors=True)
        try:
            (making / "content").mkdir(parents=True)
            files = {name: _write(data, making / "content" / name) for name, data in _unpacked(archive)}
            if not files:
                raise AssetError(f"{archive} holds no file: fetch it again")
            done = msgspec.structs.replace(asset, files=_without_top(making / "content", files))
            _write_bytes(making / "asset.json", msgspec.json.encode(done))
            shutil.rmtree(place, ignore_errors=True)
            making.rename(place)
            sync_folder(self.folder)
        except OSError as error:
            raise AssetError(f"{self.folder}: cannot be written ({error.strerror}); free some space") from None
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return done

    def _found(self) -> Iterator[tuple[Asset, Path]]:
        for path in sorted(self.folder.glob("[!.]*/asset.json")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=Asset), path.parent
            except (OSError, msgspec.MsgspecError) as error:
                raise AssetError(f"{path} cannot be read ({error}): remove {path.parent} and install again") from None


def _listed(path: Path) -> list[Asset]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LIST_BYTES + 1)
        if len(data) > _MAX_LIST_BYTES:
            raise AssetError(f"{path} is larger than {_MAX_LIST_BYTES} bytes: not a list of assets")
        return msgspec.json.decode(data, type=list[Asset])
    except OSError as error:
        raise AssetError(f"{path} cannot be read ({error.strerror}); give a folder of assets, or one archive") from None
    except msgspec.MsgspecError as error:
        raise AssetError(f"{path} is no list of assets: {error}") from None


def _unpacked(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Regular files of an archive, names checked, never more than the limits."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as held:
            infos = [info for info in held.infolist() if not info.is_dir()]
            _within_limits(archive, [(info.filename, info.file_size) for info in infos])
            for info in infos:
                with held.open(info) as data:
                    yield info.filename, data
        return
    try:
        with tarfile.open(archive) as held_tar:
            members = []
            for member in held_tar:
                members.append((member.name, member.size))
                if len(members) > _MAX_FILES * 2 or not (member.isfile() or member.isdir()):
                    raise AssetError(f"{archive} holds links or too many files: not an asset")
            _within_limits(archive, members)
            for member in held_tar.getmembers():
                stream = held_tar.extractfile(member) if member.isfile() else None
                if stream is not None:
                    yield member.name, stream
    except tarfile.TarError as error:
        raise AssetError(f"{archive} is neither tar nor zip ({error}): fetch it again") from None


def _within_limits(archive: Path, members: list[tuple[str, int]]) -> None:
    if len(members) > _MAX_FILES or sum(size for _, size in members) > _MAX_BYTES:
        raise AssetError(f"{archive} holds more than {_MAX_FILES} files or {_MAX_BYTES} bytes: not an asset")
    for name, _ in members:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
            raise AssetError(f"{archive} holds the name {name[:80]!r}, which leads out of its folder: do not use it")


def _without_top(content: Path, files: dict[str, str]) -> dict[str, str]:
    """Lift the content out of a single top folder, as archives of models have one."""
    tops = {PurePosixPath(name).parts[0] for name in files}
    if len(tops) != 1 or any(len(PurePosixPath(name).parts) == 1 for name in files):
        return files
    (top,) = tops
    for entry in list((content / top).iterdir()):
        entry.rename(content / f".lifted-{entry.name}")
    (content / top).rmdir()
    for entry in list(content.iterdir()):
        entry.rename(content / entry.name.removeprefix(".lifted-"))
    return {str(PurePosixPath(*PurePosixPath(name).parts[1:])): digest for name, digest in files.items()}


def _write(data: IO[bytes], path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), _MAX_BYTES
    with path.open("xb") as file:
        while piece := data.read(_CHUNK):
            left -= len(piece)
            if left < 0:
                raise AssetError(f"{path.name} is larger than it says: do not use this archive")
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _write_bytes(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
