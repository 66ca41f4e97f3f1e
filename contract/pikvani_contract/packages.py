"""The kinds of packages that travel signed: models, advice, speech, prompts. What they share, and how each is read.

All are a folder with a `manifest.json` that lists every other file with its hash. Trust, slots and the steps of an
update are the same for all; what a package holds, and whether it holds together, only its own reader knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pikvani_contract.advice.package import load_advice_package
from pikvani_contract.model.manifest import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    FileEntry,
    PackageError,
    load_package,
)
from pikvani_contract.speech.package import load_speech_package
from pikvani_contract.speech.prompts import load_prompt_pack


class Described(Protocol):
    """What every manifest says."""

    @property
    def name(self) -> str:
        """Name of the package; its versions follow one another under it."""
        ...

    @property
    def version(self) -> str:
        """Three numbers with dots."""
        ...

    @property
    def files(self) -> Sequence[FileEntry]:
        """Every file but the manifest."""
        ...


class AnyPackage(Protocol):
    """A package of any kind that was read and fits its manifest."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        ...

    @property
    def manifest(self) -> Described:
        """What it says of itself."""
        ...


Loader = Callable[[Path], AnyPackage]
"""Reads a folder and verifies it; raises a `ContractError` where anything is missing, changed or contradictory."""

LOADERS: dict[str, Loader] = {
    "model": load_package,
    "advice": load_advice_package,
    "speech": load_speech_package,
    "prompts": load_prompt_pack,
}
"""How each kind is read."""
_MARKS = {"bindings": "model", "units": "speech", "clips": "prompts"}


def kind_of(folder: Path) -> str:
    """Which kind of package lies in a folder: as its manifest says, or as only that kind's manifest could be.

    Raises:
        PackageError: it holds no manifest of a kind this software knows.
    """
    path = folder / MANIFEST_FILE
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise PackageError(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes: not a manifest")
        told = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise PackageError(f"{path} cannot be read ({error}): give the folder of a package") from None
    kind = ""
    if isinstance(told, dict):
        kind = str(told.get("kind") or next((name for mark, name in _MARKS.items() if mark in told), ""))
    if kind not in LOADERS:
        raise PackageError(f"{path} is of no kind this software knows ({', '.join(LOADERS)}): update the software")
    return kind


def load_any(folder: Path) -> AnyPackage:
    """Read and verify a package of whatever kind.

    Raises:
        ContractError: it is of no known kind, or not what its manifest says.
    """
    return LOADERS[kind_of(folder)](folder)
