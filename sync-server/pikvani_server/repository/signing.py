"""The desk where roles are signed: root by two of three, targets offline, snapshot and timestamp online.

Each act is what one command does; what it needs of others' acts it verifies as a device would before it writes.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner, Key  # type: ignore[attr-defined]
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from pikvani_contract.model.packing import difference_target, package_target
from pikvani_contract.repository import SIGNED_AT_FIELD
from pikvani_server.repository.differences import make_difference
from pikvani_server.repository.errors import SigningError
from pikvani_server.repository.packages import PackedPackage, part_of
from pikvani_server.repository.shelf import Shelf

ROOT_THRESHOLD = 2
ROOT_KEYS = 3
LIFETIMES = {
    "root": timedelta(days=730),
    "targets": timedelta(days=365),
    "snapshot": timedelta(days=90),
    # A stick may be weeks on its way to a village, and what it carries must still count there.
    "timestamp": timedelta(days=30),
}
_COMPACT = JSONSerializer(compact=True)


def initialise(
    shelf: Shelf,
    root_publics: Sequence[Key],
    root_signers: Sequence[CryptoSigner],
    online: dict[str, CryptoSigner],
    now: datetime,
) -> None:
    """Make a repository with no targets yet.

    Args:
        shelf: where; must be empty.
        root_publics: the three root keys.
        root_signers: at least two of them, to sign with.
        online: signers of `targets` (for this once), `snapshot` and `timestamp`.
        now: the time, UTC.

    Raises:
        SigningError: there is a repository already, or the keys are not as many as they must be, or not distinct.
    """
    if not shelf.is_empty:
        raise SigningError(
            f"{shelf.folder}: there is a repository already; use `repository rotate-root` to change keys"
        )
    others = [online[role].public_key for role in ("targets", "snapshot", "timestamp")]
    if len({key.keyid for key in (*root_publics, *others)}) != ROOT_KEYS + len(others):
        raise SigningError(f"{ROOT_KEYS} root keys and one for each other role are needed, all different")
    root = Root(expires=_until("root", now), consistent_snapshot=True)
    for key in root_publics:
        root.add_key(key, "root")
    root.roles["root"].threshold = ROOT_THRESHOLD
    for role, signer in online.items():
        root.add_key(signer.public_key, role)
    signed = _signed(root, root_signers)
    _verify(root, "root", signed)
    shelf.publish(signed)
    _stage(shelf, Targets(expires=_until("targets", now)), online["targets"])
    publish(shelf, online["snapshot"], online["timestamp"], now)


def add_target(
    shelf: Shelf, package: PackedPackage, registry: dict[str, Any], signer: CryptoSigner, now: datetime
) -> TargetFile:
    """Sign for a package, or for a new stage of one already there; `publish` shows it to devices.

    Raises:
        SigningError: the version is taken by other bytes, or the key is not the targets key.
    """
    target = TargetFile.from_data(package.target_path, package.data, ["sha256"])
    target.unrecognized_fields["custom"] = registry
    targets = _next_targets(shelf, now)
    known = targets.targets.get(package.target_path)
    if known is not None and known.hashes != target.hashes:
        raise SigningError(f"{package.target_path}: already signed with other bytes; give the package a new version")
    targets.targets[package.target_path] = target
    shelf.put_target(package.target_path, package.sha256, package.data)
    for runtime, data in package.parts.items():
        # Stage and stamp are those of the whole: a device asks for its part only where the whole may be taken.
        _put(shelf, targets, package_target(package.manifest.name, package.manifest.version, runtime), data)
    _stage(shelf, targets, signer)
    return target


def add_difference(
    shelf: Shelf, package: PackedPackage, old_version: str, signer: CryptoSigner, now: datetime
) -> list[TargetFile]:
    """Sign for the differences from an older version to a package already signed for, where they are worth it.

    One for each runtime the package is packed for, or one for the whole.

    Returns:
        What was signed; nothing where the file itself, compressed, is no larger.

    Raises:
        SigningError: either version is not signed for, or the key is not the targets key.
    """
    targets = _next_targets(shelf, now)
    name, version = package.manifest.name, package.manifest.version
    old_path = package_target(name, old_version)
    for path in (old_path, package.target_path):
        if path not in targets.targets:
            raise SigningError(f"{path}: not signed for; add it with `repository add-target` first")
    whole = shelf.read_target(old_path, targets.targets[old_path].hashes["sha256"])
    signed = []
    for runtime, data in (package.parts or {"": package.data}).items():
        old = part_of(whole, runtime) if runtime else whole
        difference = make_difference(old, data)
        if difference is None:
            continue
        target = _put(shelf, targets, difference_target(name, old_version, version, runtime), difference)
        target.unrecognized_fields["custom"] = {"base_sha256": hashlib.sha256(old).hexdigest()}
        signed.append(target)
    if signed:
        _stage(shelf, targets, signer)
    return signed


def _put(shelf: Shelf, targets: Targets, path: str, data: bytes) -> TargetFile:
    target = TargetFile.from_data(path, data, ["sha256"])
    targets.targets[path] = target
    shelf.put_target(path, target.hashes["sha256"], data)
    return target


def renew_targets(shelf: Shelf, signer: CryptoSigner, now: datetime) -> None:
    """Sign the same targets anew: before they expire, or after their key changed."""
    _stage(shelf, _next_targets(shelf, now), signer)


def publish(shelf: Shelf, snapshot_signer: CryptoSigner, timestamp_signer: CryptoSigner, now: datetime) -> None:
    """Show devices what is staged, under a new snapshot and timestamp. Without anything staged, renews both.

    Raises:
        SigningError: staged targets are not signed as the root demands or do not follow the published ones.
    """
    root = shelf.newest(Root).signed
    staged = shelf.staged()
    targets = staged or shelf.newest(Targets)
    _verify(root, "targets", targets)
    entry = MetaFile.from_data(targets.signed.version, targets.to_bytes(_COMPACT), ["sha256"])
    first = not (shelf.folder / "metadata" / "timestamp.json").exists()
    snapshot = Snapshot(expires=_until("snapshot", now)) if first else copy.deepcopy(shelf.newest(Snapshot).signed)
    if not first:
        snapshot.version += 1
        snapshot.expires = _until("snapshot", now)
    snapshot.meta["targets.json"] = entry
    signed_snapshot = _signed(snapshot, [snapshot_signer])
    _verify(root, "snapshot", signed_snapshot)
    timestamp = _next_timestamp(shelf, now, first)
    timestamp.snapshot_meta = MetaFile.from_data(snapshot.version, signed_snapshot.to_bytes(_COMPACT), ["sha256"])
    signed_timestamp = _signed(timestamp, [timestamp_signer])
    _verify(root, "timestamp", signed_timestamp)
    shelf.publish(targets)
    shelf.publish(signed_snapshot)
    shelf.publish(signed_timestamp)
    shelf.unstage()


def refresh_timestamp(shelf: Shelf, signer: CryptoSigner, now: datetime) -> None:
    """Say again, dated now, that the newest snapshot is the newest. Run daily."""
    root = shelf.newest(Root).signed
    timestamp = _next_timestamp(shelf, now, first=False)
    signed = _signed(timestamp, [signer])
    _verify(root, "timestamp", signed)
    shelf.publish(signed)


def rotate_root(
    shelf: Shelf, role: str, remove: str, add: Key | None, signers: Sequence[CryptoSigner], now: datetime
) -> int:
    """Publish a new root, with one key changed or only its date renewed.

    Args:
        shelf: where.
        role: whose key changes.
        remove: beginning of the id of the key that goes; empty for none.
        add: the key that comes, if any.
        signers: root keys that meet the old threshold and the new.
        now: the time, UTC.

    Returns:
        Version of the new root.

    Raises:
        SigningError: too few signatures, no such key, or a role would be left with too few keys.
    """
    old = shelf.newest(Root).signed
    new = copy.deepcopy(old)
    new.version += 1
    new.expires = _until("root", now)
    if remove:
        gone = [keyid for keyid in new.roles[role].keyids if keyid.startswith(remove)]
        if len(gone) != 1:
            raise SigningError(f"{role} has {len(gone)} keys that begin with {remove}; give more of the id")
        new.revoke_key(gone[0], role)
    if add is not None:
        if add.keyid in new.keys:
            raise SigningError(f"key {add.keyid[:12]} is in use already; make a new one with `keys generate`")
        new.add_key(add, role)
    needed = ROOT_KEYS if role == "root" else 1
    if len(new.roles[role].keyids) != needed:
        raise SigningError(
            f"{role} would have {len(new.roles[role].keyids)} keys, it needs {needed}; remove and add one"
        )
    signed = _signed(new, signers)
    _verify(old, "root", signed)
    _verify(new, "root", signed)
    shelf.publish(signed)
    return int(new.version)


def _next_targets(shelf: Shelf, now: datetime) -> Targets:
    published = shelf.newest(Targets).signed
    staged = shelf.staged()
    targets = copy.deepcopy(staged.signed if staged else published)
    targets.version = published.version + 1
    targets.expires = _until("targets", now)
    return targets


def _next_timestamp(shelf: Shelf, now: datetime, first: bool) -> Timestamp:
    if first:
        timestamp = Timestamp(expires=_until("timestamp", now))
    else:
        timestamp = copy.deepcopy(shelf.newest(Timestamp).signed)
        timestamp.version += 1
        timestamp.expires = _until("timestamp", now)
        before = timestamp.unrecognized_fields.get(SIGNED_AT_FIELD, "")
        # Devices take this as the time it is at least: a desk whose clock went back must not sign.
        if before > _as_text(now):
            raise SigningError(
                f"the last timestamp was signed at {before}, now is {_as_text(now)}; set this clock right"
            )
    timestamp.unrecognized_fields[SIGNED_AT_FIELD] = _as_text(now)
    return timestamp


def _stage(shelf: Shelf, targets: Targets, signer: CryptoSigner) -> None:
    signed = _signed(targets, [signer])
    _verify(shelf.newest(Root).signed, "targets", signed)
    shelf.stage(signed)


def _signed(role: Any, signers: Sequence[CryptoSigner]) -> Metadata[Any]:
    metadata: Metadata[Any] = Metadata(role)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata


def _verify(root: Root, role: str, metadata: Metadata[Any]) -> None:
    try:
        root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except RepositoryError as error:
        raise SigningError(f"devices would refuse this {role} ({error}); bring the keys the root names") from None


def _until(role: str, now: datetime) -> datetime:
    return now.astimezone(UTC).replace(microsecond=0) + LIFETIMES[role]


def _as_text(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
