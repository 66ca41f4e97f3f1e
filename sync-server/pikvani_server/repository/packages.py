"""A model package ready to be signed: verified, packed, named. Signs nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pikvani_contract.model.manifest import Manifest, PackageError, load_package
from pikvani_contract.model.packing import package_target, packed_bytes
from pikvani_server.repository.errors import SigningError


@dataclass(frozen=True)
class PackedPackage:
    """A package ready to be signed."""

    manifest: Manifest
    data: bytes

    @property
    def target_path(self) -> str:
        """Its name in the repository."""
        return package_target(self.manifest.name, self.manifest.version)

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
    return PackedPackage(package.manifest, packed_bytes(package))
