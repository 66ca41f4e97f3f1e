"""A package as one file of the same bytes wherever it is packed, and its name in a repository.

An uncompressed tar: one signed hash stands for the whole package, so that files of two versions never mix on a device.
Models come first: of one architecture they have one length, so that those of two versions lie at the same place, which
is what small differences are made from. Both ends pack: the centre to sign, a device to have the old file again.

A device runs one runtime. Packed for it, a package leaves the other runtimes' models out: half the bytes on a link paid
by the megabyte. What is left out is a rule, so both ends get the same bytes from the same package.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from typing import Any, NamedTuple

from pikvani_contract.model.manifest import MANIFEST_FILE, Manifest, Package
from pikvani_contract.packages import AnyPackage

_TARGET = re.compile(
    r"packages/(?P<name>[a-z][a-z0-9_-]{0,60})-(?P<version>[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6})"
    r"(\.(?P<runtime>onnx|tflite))?\.tar"
)


class PackageFile(NamedTuple):
    """What the name of a target says: of which package, which version, and for which runtime; empty for all."""

    name: str
    version: str
    runtime: str = ""


def runtimes_packed(manifest: Manifest) -> tuple[str, ...]:
    """The runtimes a package is packed for on its own; none where it holds the model of one only."""
    runtimes = sorted({binding.runtime for binding in manifest.bindings})
    return tuple(runtimes) if len(runtimes) > 1 else ()


def packed_bytes(package: AnyPackage, runtime: str = "") -> bytes:
    """The package as a tar of exactly the files its manifest lists, and the manifest.

    Args:
        package: what to pack.
        runtime: leave the models of other runtimes out; empty for the whole package. What holds no models, or none
            of others, is packed whole.

    Raises:
        OSError: one of the files cannot be read.
        PackageError: there is no model for that runtime.
    """
    names = {MANIFEST_FILE, *(entry.path for entry in package.manifest.files)}
    files = {name: (package.folder / name).read_bytes() for name in names}
    bindings = package.manifest.bindings if isinstance(package, Package) else ()
    models = {binding.file for binding in bindings}
    if runtime and isinstance(package, Package):
        kept = package.manifest.binding(runtime).file  # type: ignore[arg-type]  # of another word it says what there is
        if left_out := {b.file for b in bindings if b.runtime != runtime} - {kept}:
            files = {name: data for name, data in files.items() if name not in left_out}
            files[MANIFEST_FILE] = _for_runtime(files[MANIFEST_FILE], runtime, left_out)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files, key=lambda name: (name not in models, name)):
            member = tarfile.TarInfo(name)  # owner, time and mode are its fixed defaults
            member.size = len(files[name])
            tar.addfile(member, io.BytesIO(files[name]))
    return packed.getvalue()


def _for_runtime(manifest: bytes, runtime: str, left_out: set[str]) -> bytes:
    told: dict[str, Any] = json.loads(manifest)
    told["bindings"] = [binding for binding in told["bindings"] if binding["runtime"] == runtime]
    told["files"] = [entry for entry in told["files"] if entry["path"] not in left_out]
    return json.dumps(told, indent=1, ensure_ascii=False).encode()


def package_target(name: str, version: str, runtime: str = "") -> str:
    """The target path of a package, or of its part for one runtime."""
    return f"packages/{name}-{version}{_for(runtime)}.tar"


def package_of_target(path: str) -> PackageFile | None:
    """What a target path names; None where it is no package's."""
    found = _TARGET.fullmatch(path)
    return PackageFile(found["name"], found["version"], found["runtime"] or "") if found else None


def difference_target(name: str, old: str, new: str, runtime: str = "") -> str:
    """The target path of the difference from version `old` to `new`."""
    return f"differences/{name}-{old}-to-{new}{_for(runtime)}"


def version_key(version: str) -> tuple[int, ...]:
    """What orders versions such as 1.10.0."""
    return tuple(int(part) for part in version.split("."))


def _for(runtime: str) -> str:
    return f".{runtime}" if runtime else ""
