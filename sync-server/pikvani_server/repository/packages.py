"""A model package as one file of the same bytes wherever and whenever it is packed. Signs nothing.

An uncompressed tar: one signed hash stands for the whole package, so that files of two versions never mix on a device.
Models come first: of one architecture they have one length, so that those of two versions lie at the same place, which
is what small differences are made from.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from pikvani_contract.model.manifest import MANIFEST_FILE, Manifest, PackageError, load_package
from pikvani_server.repository.errors import SigningError


@dataclass(frozen=True)
class PackedPackage:
    """A package ready to be signed."""

    manifest: Manifest
    data: bytes

    @property
    def target_path(self) -> str:
        """Its name in the repository."""
        return f"models/{self.manifest.name}-{self.manifest.version}.tar"

    @property
    def sha256(self) -> str:
        """Hash of the packed bytes: what a stamp is given for."""
        return hashlib.sha256(self.data).hexdigest()


def pack(folder: Path) -> PackedPackage:
    """Verify a package folder and pack exactly the files its manifest lists.

    Raises:
        SigningError: the folder does not fit its manifest.
    """
    try:
        package = load_package(folder)
    except (PackageError, OSError) as error:
        raise SigningError(f"{folder}: not a package to sign ({error})") from None
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        models = {binding.file for binding in package.manifest.bindings}
        names = {MANIFEST_FILE, *(entry.path for entry in package.manifest.files)}
        for name in sorted(names, key=lambda name: (name not in models, name)):
            data = (folder / name).read_bytes()
            member = tarfile.TarInfo(name)  # owner, time and mode are its fixed defaults
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return PackedPackage(package.manifest, packed.getvalue())
