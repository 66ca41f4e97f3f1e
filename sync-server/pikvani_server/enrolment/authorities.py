"""The districts' authorities at the centre: the one place that touches their keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from pikvani_contract import certificates
from pikvani_server.errors import ConfigError

_ROOT, _ROOT_LIST = "root.pem", "root.crl"


@dataclass(frozen=True)
class Signed:
    """A new certificate.

    Attributes:
        certificate: of the device.
        chain: the authorities between it and the root.
        authority: SHA-256 of the first of them.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    authority: bytes


class Signer(Protocol):
    """Signs devices, whatever keeps the keys: files here, a hardware module where a state asks for one."""

    def sign(self, district: str, key: certificates.PublicKey, device_id: str, now: datetime) -> Signed | None:
        """A certificate for a device, None where there is no authority for its district or it has ended."""
        ...

    def chain_of(self, authority: bytes) -> tuple[x509.Certificate, ...]:
        """The chain of what that authority signed, empty where it is not here any more."""
        ...

    def authorities(self) -> Iterable[bytes]:
        """SHA-256 of every authority that has a key here."""
        ...

    def revocations(self, authority: bytes, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        """The authority's revocation list, as PEM."""
        ...

    def root_list(self) -> bytes:
        """The root's own revocation list, as PEM, as it was brought from offline."""
        ...


class FileSigner:
    """A folder: `root.pem`, `root.crl`, and for each district `<district>.pem` and `<district>.key`.

    Args:
        folder: where.
        lifetime: of a device's certificate.
        list_lifetime: of a revocation list.
        passphrase: of the keys, empty for none.

    Raises:
        ConfigError: a file is missing, cannot be opened, or does not belong to the root.
    """

    def __init__(self, folder: Path, lifetime: timedelta, list_lifetime: timedelta, passphrase: bytes = b"") -> None:
        self._lifetime = lifetime
        self._list_lifetime = list_lifetime
        self._root = _certificate(folder / _ROOT)
        self._root_list = _bytes(folder / _ROOT_LIST)
        self._keys: dict[bytes, tuple[x509.Certificate, ec.EllipticCurvePrivateKey]] = {}
        self._districts: dict[str, bytes] = {}
        for path in sorted(folder.glob("*.key")):
            certificate, key = _certificate(path.with_suffix(".pem")), _key(path, passphrase)
            if not certificates.issued_by(certificate, self._root):
                raise ConfigError(f"{path.with_suffix('.pem')} is not signed by {folder / _ROOT}: bring both anew")
            if certificate.public_key() != key.public_key():
                raise ConfigError(f"{path} is not the key of {path.with_suffix('.pem')}: bring both anew")
            digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
            self._keys[digest] = (certificate, key)
            self._districts[path.stem] = digest
        if not self._keys:
            raise ConfigError(
                f"{folder} holds no district's authority: bring what `pikvani-provision ca issue district` wrote"
            )

    def sign(self, district: str, key: certificates.PublicKey, device_id: str, now: datetime) -> Signed | None:
        """See `Signer.sign`."""
        authority = self._districts.get(district)
        if authority is None:
            return None
        issuer, issuer_key = self._keys[authority]
        if not issuer.not_valid_before_utc <= now < issuer.not_valid_after_utc:
            return None
        made = certificates.make_leaf(issuer, issuer_key, key, device_id, now, self._lifetime)
        return Signed(made, (issuer,), authority)

    def chain_of(self, authority: bytes) -> tuple[x509.Certificate, ...]:
        """See `Signer.chain_of`."""
        found = self._keys.get(authority)
        return (found[0],) if found else ()

    def authorities(self) -> Iterable[bytes]:
        """See `Signer.authorities`."""
        return tuple(self._keys)

    def revocations(self, authority: bytes, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        """See `Signer.revocations`."""
        issuer, key = self._keys[authority]
        made = certificates.make_revocations(issuer, key, revoked, number, now, self._list_lifetime)
        return made.public_bytes(Encoding.PEM)

    def root_list(self) -> bytes:
        """See `Signer.root_list`."""
        return self._root_list


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; bring it from the offline authority") from None


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_bytes(path))
    except ValueError as error:
        raise ConfigError(f"{path} is not a PEM certificate: {error}") from None


def _key(path: Path, passphrase: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(_bytes(path), passphrase or None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} cannot be opened ({error}); is enrolment.passphrase_file right?") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path} is not an elliptic-curve key")
    return key
