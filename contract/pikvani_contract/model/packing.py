"""A model package as one file of the same bytes wherever it is packed, and its name in a repository.

An uncompressed tar: one signed hash stands for the whole package, so that files of two versions never mix on a device.
Models come first: of one architecture they have one length, so that those of two versions lie at the same place, which
is what small differences are made from. Both ends pack: the centre to sign, a device to have the old file again.
"""

from __future__ import annotations

import io
import re
import tarfile

from pikvani_contract.model.manifest import MANIFEST_FILE, Package

_TARGET = re.compile(r"models/(?P<name>[a-z][a-z0-9_-]{0,60})-(?P<version>[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6})\.tar")


def packed_bytes(package: Package) -> bytes:
    """The package as a tar of exactly the files its manifest lists, and the manifest.

    Raises:
        OSError: one of them cannot be read.
    """
    packed = io.BytesIO()
    manifest = package.manifest
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        models = {binding.file for binding in manifest.bindings}
        names = {MANIFEST_FILE, *(entry.path for entry in manifest.files)}
        for name in sorted(names, key=lambda name: (name not in models, name)):
            data = (package.folder / name).read_bytes()
            member = tarfile.TarInfo(name)  # owner, time and mode are its fixed defaults
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def package_target(name: str, version: str) -> str:
    """The target path of a package."""
    return f"models/{name}-{version}.tar"


def package_of_target(path: str) -> tuple[str, str] | None:
    """Name and version out of a target path; None where it is no package's."""
    found = _TARGET.fullmatch(path)
    return (found["name"], found["version"]) if found else None


def difference_target(name: str, old: str, new: str) -> str:
    """The target path of the difference from version `old` to `new`."""
    return f"differences/{name}-{old}-to-{new}"


def version_key(version: str) -> tuple[int, ...]:
    """What orders versions such as 1.10.0."""
    return tuple(int(part) for part in version.split("."))
