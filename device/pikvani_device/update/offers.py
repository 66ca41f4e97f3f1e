"""Which signed files a repository offers of a package, and how the fewest bytes bring one. Decides no step.

A package may be signed whole and, beside it, in parts for devices that run one runtime. Stage, stamp and order are the
whole's; a device takes its part of it where there is one. The old file is at hand, so a difference is asked for first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from pikvani_contract.model.packing import difference_target, package_of_target, package_target
from pikvani_device.durable_files import replace_file
from pikvani_device.update.difference import rebuild
from pikvani_device.update.errors import TrustStoreError
from pikvani_device.update.target_files import missing
from pikvani_device.update.trust import TrustedRepository


class Offer(NamedTuple):
    """One version on offer.

    Attributes:
        name: of the package.
        version: its version.
        sha256: of the whole package: what orders and tries go by.
        path: target path of the file to take.
        file_sha256: its signed hash.
    """

    name: str
    version: str
    sha256: str
    path: str
    file_sha256: str


def offers(targets: Mapping[str, TargetFile], name: str, runtime: str, stages: Sequence[str]) -> list[Offer]:
    """The versions of a package that stand at one of `stages`.

    Args:
        targets: what is signed, by path.
        name: of the package.
        runtime: what this device runs; empty where it takes whole packages.
        stages: of the registry.
    """
    found = []
    for path, target in targets.items():
        named = package_of_target(path)
        custom = target.unrecognized_fields.get("custom")
        stage = custom.get("stage") if isinstance(custom, dict) else None
        if named is None or named.name != name or named.runtime or stage not in stages:
            continue
        part = package_target(name, named.version, runtime)
        taken = part if part in targets else path
        signed = targets[taken].hashes.get("sha256", "")
        found.append(Offer(name, named.version, target.hashes.get("sha256", ""), taken, signed))
    return found


def by_difference(
    look: TrustedRepository,
    target: TargetFile,
    previous: str,
    old: Callable[[str], bytes],
    place: Path,
    may_fetch: Callable[[int], bool],
) -> str:
    """Rebuild a file out of the one before and a small difference.

    Args:
        look: where it is offered.
        target: what is signed about the file.
        previous: version of the one before.
        old: its packed bytes, for a runtime.
        place: where the file shall lie.
        may_fetch: whether the budget allows so many bytes.

    Returns:
        Why it cannot be had so, or nothing once it lies there.

    Raises:
        UntrustedError: the difference does not give what is signed.
        UpdateError: the link broke, or the disk fails.
    """
    named = package_of_target(target.path)
    if named is None:
        return "the file is no package's"
    offer = look.targets().get(difference_target(named.name, previous, named.version, named.runtime))
    if offer is None:
        return "no difference is offered"
    before = old(named.runtime)
    custom = offer.unrecognized_fields.get("custom")
    base = custom.get("base_sha256") if isinstance(custom, dict) else None
    if base != hashlib.sha256(before).hexdigest() or offer.length >= target.length:
        return "the difference is for another file"
    if not may_fetch(missing(offer, place.parent)):
        return "the budget does not allow the difference"
    try:
        small = look.download(offer, place.parent)
        replace_file(place, rebuild(before, small.read_bytes(), target))
        small.unlink()
    except OSError as error:
        raise TrustStoreError(f"{place}: cannot be written ({error}); make room or mend the disk") from error
    return ""
