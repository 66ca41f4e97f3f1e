"""A package of any kind ready to be signed: verified, packed, named. Signs nothing."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pikvani_contract.advice.package import SOURCES_FILE
from pikvani_contract.errors import ContractError
from pikvani_contract.model.gates import demanded
from pikvani_contract.model.manifest import MANIFEST_FILE, Package, PackageError, load_package
from pikvani_contract.model.packing import package_target, packed_bytes, runtimes_packed
from pikvani_contract.packages import LOADERS, AnyPackage, Described, kind_of
from pikvani_contract.speech.package import SpeechPackage
from pikvani_contract.speech.prompts import PromptPack
from pikvani_server.repository.errors import SigningError

_CARDS = {"model": "MODEL_CARD.md", "advice": SOURCES_FILE}
"""What a person must have read before a package is approved; where nothing is named, the manifest itself."""


@dataclass(frozen=True)
class PackedPackage:
    """A package ready to be signed.

    Attributes:
        kind: `model`, `advice`, `speech` or `prompts`.
        manifest: what it says of itself.
        data: all of it, packed.
        parts: what a device with one runtime needs of it, packed, by runtime; empty where that is all of it.
        card: name of what must be read before it is approved.
        card_sha256: hash of that; empty where it is missing.
        licences: of what it was made from, as its manifest names them.
        gates: it must have passed; empty where its own reader already held it to all rules.
    """

    kind: str
    manifest: Described
    data: bytes
    parts: dict[str, bytes]
    card: str
    card_sha256: str
    licences: frozenset[str]
    gates: tuple[str, ...] = ()

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
        kind = kind_of(folder)
        package = LOADERS[kind](folder)
        card = folder / _CARDS.get(kind, MANIFEST_FILE)
        card_sha256 = hashlib.sha256(card.read_bytes()).hexdigest() if card.is_file() else ""
        data = packed_bytes(package)
        runtimes = runtimes_packed(package.manifest) if isinstance(package, Package) else ()
        parts = {runtime: packed_bytes(package, runtime) for runtime in runtimes}
    except (ContractError, OSError) as error:
        raise SigningError(f"{folder}: not a package to sign ({error})") from None
    gates = demanded(package.manifest) if isinstance(package, Package) else ()
    return PackedPackage(kind, package.manifest, data, parts, card.name, card_sha256, _licences(package), gates)


def _licences(package: AnyPackage) -> frozenset[str]:
    if isinstance(package, Package):
        return frozenset(source.licence for source in package.manifest.data)
    if isinstance(package, SpeechPackage):
        return frozenset(corpus.licence for corpus in package.manifest.corpora)
    return frozenset([package.manifest.licence]) if isinstance(package, PromptPack) else frozenset()


def part_of(tar: bytes, runtime: str) -> bytes:
    """The part for one runtime of a package that was packed whole.

    Raises:
        SigningError: these are not the bytes of a package with a model for that runtime.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="pikvani-package-") as folder:
            with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
                opened.extractall(folder, filter="data")
            return packed_bytes(load_package(Path(folder)), runtime)
    except (PackageError, OSError, tarfile.TarError) as error:
        raise SigningError(f"the signed file holds no package for {runtime} ({error})") from None
