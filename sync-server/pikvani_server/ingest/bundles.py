"""Bundles that came on a USB stick: opened, checked, committed like what came over MQTT, and receipted on the stick.

The same bundle may come any number of times, in any order, beside MQTT: the sequence sets make that harmless.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from pikvani_contract import topics
from pikvani_contract.bundle import MAX_BUNDLE_BYTES, Bundle, sign_receipts, unseal
from pikvani_contract.centre_keys import CentreSecrets
from pikvani_contract.errors import ContractError, WireError
from pikvani_contract.wire import pack
from pikvani_server.errors import ServerError
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import read_batch
from pikvani_server.store import Store
from pikvani_server.store.revoked import REASON, RevokedDevices

SUFFIX = ".pkvi"


@dataclass(frozen=True)
class Authority:
    """Whose certificates a bundle may be signed with.

    Attributes:
        certificates: the authorities that sign devices.
        revoked: serial numbers no longer believed, by issuer.
    """

    certificates: tuple[x509.Certificate, ...]
    revoked: frozenset[tuple[x509.Name, int]] = frozenset()

    @classmethod
    def read(cls, ca_pem: bytes, crl_pem: bytes | None) -> Authority:
        """From PEM files, as the broker has them.

        Raises:
            ServerError: they are not PEM certificates and lists, or a list is not signed by its authority.
        """
        try:
            certificates = tuple(x509.load_pem_x509_certificates(ca_pem))
            lists = [x509.load_pem_x509_crl(part) for part in _crl_parts(crl_pem or b"")]
        except ValueError as error:
            raise ServerError(f"authorities cannot be read: {error}; give PEM files") from None
        for listed in lists:
            signers = [c for c in certificates if c.subject == listed.issuer]
            if not any(listed.is_signature_valid(c.public_key()) for c in signers):  # type: ignore[arg-type]
                raise ServerError(
                    f"revocation list of {listed.issuer.rfc4514_string()} is not signed by a known authority"
                )
        return cls(
            certificates, frozenset((listed.issuer, entry.serial_number) for listed in lists for entry in listed)
        )

    def check(self, bundle: Bundle, now: datetime) -> None:
        """Let a bundle through only if its signer is the device it names.

        Raises:
            WireError: unsigned, unknown authority, revoked, out of date, or another device's certificate.
        """
        certificate = bundle.certificate
        if certificate is None:
            raise WireError(
                "bundle is not signed: the device is not enrolled; import it with --allow-unsigned if you know it"
            )
        if not any(_issued_by(certificate, authority) for authority in self.certificates):
            raise WireError("bundle is signed with a certificate of an unknown authority")
        if (certificate.issuer, certificate.serial_number) in self.revoked:
            raise WireError("bundle is signed with a revoked certificate: the device may be stolen")
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise WireError("bundle is signed with a certificate that is out of date: renew it and export again")
        names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [bundle.device_id]:
            raise WireError(f"bundle says it is {bundle.device_id!r}, its certificate says {', '.join(names)!r}")


@dataclass
class Imported:
    """What became of a stick.

    Attributes:
        records: new records committed.
        duplicates: records that were there already.
        refused: file name to reason, of what was not taken.
        receipts: receipt files written to the stick.
    """

    records: int = 0
    duplicates: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    receipts: list[Path] = field(default_factory=list)


def import_bundles(store: Store, folder: Path, secrets: CentreSecrets, authority: Authority | None) -> Imported:
    """Take in every bundle under `folder` and leave receipts beside them.

    Args:
        store: where to commit.
        folder: the stick.
        secrets: the centre's keys for sticks.
        authority: who may sign; None takes unsigned bundles too.

    Raises:
        ServerError: the stick cannot be read at all, or the receipts cannot be written.
        StoreAwayError: the database is away; import again, nothing is taken twice.
    """
    done = Imported()
    receipts: dict[str, dict[bytes, bytes]] = {}
    revoked = RevokedDevices(store)
    try:
        paths = sorted(p for p in folder.glob(f"*{SUFFIX}") if not p.name.endswith(f".receipts{SUFFIX}"))
    except OSError as error:
        raise ServerError(f"{folder} cannot be read: {error.strerror}; is the stick in?") from error
    for path in paths:
        try:
            bundle = _open(path, secrets)
            if authority is not None:
                authority.check(bundle, datetime.now(UTC))
            if bundle.device_id in revoked:
                raise WireError(f"bundle of {bundle.device_id}: {REASON}")
        except (ContractError, OSError) as error:
            done.refused[path.name] = str(error)
            continue
        now_ms = time.time_ns() // 1_000_000
        topic = topics.device(bundle.device_id, topics.UP_BATCH)
        for payload in bundle.payloads:
            committed = commit_group(store, [read_batch(topic, payload, now_ms)], now_ms)
            done.records += committed.counts.committed
            done.duplicates += committed.counts.duplicates
            for device_id, receipt in committed.answers:
                receipts.setdefault(device_id, {})[receipt.outbox] = pack(receipt)
    for device_id, packed in receipts.items():
        data = sign_receipts(device_id, list(packed.values()), secrets.receipts)
        done.receipts.append(_write_whole(folder / f"{device_id}.receipts{SUFFIX}", data))
    return done


def _open(path: Path, secrets: CentreSecrets) -> Bundle:
    if path.stat().st_size > 2 * MAX_BUNDLE_BYTES:
        raise WireError("the file is too large to be one of ours")
    return unseal(path.read_bytes(), secrets.seal)


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _crl_parts(pem: bytes) -> Iterator[bytes]:
    marker = b"-----END X509 CRL-----"
    for part in pem.split(marker)[:-1]:
        yield part + marker + b"\n"


def _write_whole(target: Path, data: bytes) -> Path:
    partial = target.with_name(f".{target.name}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise ServerError(f"cannot write {target}: {error.strerror}; the cases are committed, import again") from error
    return target
