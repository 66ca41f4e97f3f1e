"""A small real TUF repository for tests, whose keeper may be honest or may lie. Keys are made anew each time."""

from __future__ import annotations

import contextlib
import copy
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TOP_LEVEL = ("root", "timestamp", "snapshot", "targets")
_MAKERS = {
    "ed25519": CryptoSigner.generate_ed25519,
    "ecdsa": CryptoSigner.generate_ecdsa,
    "rsa": lambda: CryptoSigner.generate_rsa(size=2048),
    **{f"ml-dsa-{size}/1": partial(CryptoSigner.generate_mldsa, scheme=f"ml-dsa-{size}/1") for size in (44, 65, 87)},
}


class TufRepository:
    """Metadata objects and keys in memory, signed files in `folder`. Root needs two of three keys.

    Args:
        folder: where `metadata/` and `targets/` are written.
        now: when it was made; metadata lasts thirty days from then.
        keytype: one of `_MAKERS`, for all roles.
        consistent: whether names carry versions and hashes.
    """

    def __init__(
        self,
        folder: Path,
        now: datetime = NOW,
        keytype: str = "ed25519",
        consistent: bool = True,
        meta_hashes: bool = True,
    ) -> None:
        self.folder = folder
        self.expires = now + timedelta(days=30)
        self.keytype = keytype
        self.meta_hashes = meta_hashes
        (folder / "metadata").mkdir(parents=True)
        (folder / "targets").mkdir()
        self.signers: dict[str, list[CryptoSigner]] = {}
        self.root = Root(expires=self.expires, consistent_snapshot=consistent)
        self.roles: dict[str, Targets] = {"targets": Targets(expires=self.expires)}
        self.snapshot = Snapshot(expires=self.expires)
        self.timestamp = Timestamp(expires=self.expires)
        self._next_version: dict[str, int] = {}
        for role, count in (("root", 3), ("timestamp", 1), ("snapshot", 1), ("targets", 1)):
            self.give_keys(role, count)
        self.root.roles["root"].threshold = 2
        self.publish("root", "targets", "snapshot", "timestamp")

    @property
    def targets(self) -> Targets:
        return self.roles["targets"]

    @property
    def first_root(self) -> bytes:
        return (self.folder / "metadata" / "1.root.json").read_bytes()

    def signer(self) -> CryptoSigner:
        return _MAKERS[self.keytype]()

    def give_keys(self, role: str, count: int = 1) -> None:
        """Replace all keys of a top-level role."""
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        self.signers[role] = [self.signer() for _ in range(count)]
        for signer in self.signers[role]:
            self.root.add_key(signer.public_key, role)

    def add_target(self, path: str, data: bytes, role: str = "targets", served: bytes | None = None) -> TargetFile:
        """Sign for `data`; serve `served` in its place if given."""
        target = TargetFile.from_data(path, data, ["sha256"])
        self.roles[role].targets[path] = target
        parent, slash, name = path.rpartition("/")
        prefix = f"{target.hashes['sha256']}." if self.root.consistent_snapshot else ""
        file = self.folder / "targets" / f"{parent}{slash}{prefix}{name}"
        # A hostile path may be one that no file can have; it is signed for all the same.
        with contextlib.suppress(OSError, ValueError):
            if file.resolve().is_relative_to(self.folder.resolve()):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data if served is None else served)
        return target

    def delegate(self, by: str, role: str, paths: list[str], terminating: bool = False) -> CryptoSigner:
        """Let `by` delegate `paths` to `role` with a key of its own, which it returns."""
        delegator = self.roles[by]
        if delegator.delegations is None:
            delegator.delegations = Delegations({}, roles={})
        assert delegator.delegations.roles is not None
        delegator.delegations.roles[role] = DelegatedRole(role, [], 1, terminating, paths)
        signer = self.signer()
        delegator.add_key(signer.public_key, role)
        self.signers.setdefault(role, []).append(signer)
        self.roles.setdefault(role, Targets(expires=self.expires))
        return signer

    def delegate_succinctly(self, bits: int, prefix: str) -> list[str]:
        """Spread targets over bins; returns the bins' names."""
        bins = SuccinctRoles([], 1, bits, prefix)
        self.targets.delegations = Delegations({}, None, bins)
        signer = self.signer()
        self.targets.add_key(signer.public_key)
        for name in bins.get_roles():
            self.roles[name] = Targets(expires=self.expires)
            self.signers[name] = [signer]
        return list(bins.get_roles())

    def publish(self, *roles: str, signers: list[CryptoSigner] | None = None) -> None:
        """Sign and write roles, in the order given, each one version on from the last it wrote."""
        for role in roles:
            signed = self._signed(role)
            signed.version = self._next_version.get(role, signed.version)
            self._next_version[role] = signed.version + 1
            self.write(role, self.sign(role, signers))

    def publish_all(self) -> None:
        """A release as a careful keeper makes it."""
        delegated = [role for role in self.roles if role != "targets"]
        self.publish(*delegated, "targets", "snapshot", "timestamp")

    def set_version(self, role: str, version: int) -> None:
        """The version the next `publish` of a role gets."""
        self._next_version[role] = version

    def sign(self, role: str, signers: list[CryptoSigner] | None = None) -> bytes:
        """The role's file as it stands."""
        metadata = Metadata(copy.deepcopy(self._signed(role)))
        for signer in self.signers[role] if signers is None else signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes(JSONSerializer())

    def write(self, role: str, data: bytes) -> None:
        """Write a role's file where a client looks for it, and name it in what lists it."""
        version = self._signed(role).version
        name = quote(role, safe="")
        numbered = role == "root" or (self.root.consistent_snapshot and role != "timestamp")
        (self.folder / "metadata" / (f"{version}.{name}.json" if numbered else f"{name}.json")).write_bytes(data)
        entry = MetaFile.from_data(version, data, ["sha256"]) if self.meta_hashes else MetaFile(version)
        if role == "snapshot":
            self.timestamp.snapshot_meta = entry
        elif role in self.roles:
            self.snapshot.meta[f"{role}.json"] = entry

    def _signed(self, role: str) -> Root | Timestamp | Snapshot | Targets:
        if role in TOP_LEVEL and role != "targets":
            signed: Root | Timestamp | Snapshot = getattr(self, role)
            return signed
        return self.roles[role]
