"""The centre's two keys for USB sticks, as PEM: one to seal bundles to, one that signs receipts. No files here."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from pikvani_contract.errors import ContractError

_END = b"-----END "


@dataclass(frozen=True)
class CentreKeys:
    """What a device knows of its centre: whom to seal to, and whose receipts to believe."""

    seal: x25519.X25519PublicKey
    receipts: ed25519.Ed25519PublicKey

    def pem(self) -> bytes:
        """Both keys, one after the other."""
        parts = (
            key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in (self.seal, self.receipts)
        )
        return b"".join(parts)


@dataclass(frozen=True)
class CentreSecrets:
    """The private halves; they never leave the centre."""

    seal: x25519.X25519PrivateKey
    receipts: ed25519.Ed25519PrivateKey

    @property
    def public(self) -> CentreKeys:
        """What devices are given."""
        return CentreKeys(self.seal.public_key(), self.receipts.public_key())

    def pem(self) -> bytes:
        """Both keys, one after the other, not encrypted: the file's mode protects them."""
        parts = (
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in (self.seal, self.receipts)
        )
        return b"".join(parts)


def generate() -> CentreSecrets:
    """A new pair of keys."""
    return CentreSecrets(x25519.X25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate())


def read_public(pem: bytes) -> CentreKeys:
    """What `CentreKeys.pem` wrote.

    Raises:
        ContractError: it is not that.
    """
    try:
        seal, receipts = (load_pem_public_key(part) for part in _split(pem))
    except ValueError as error:
        raise ContractError(f"not the centre's public keys: {error}") from None
    if not isinstance(seal, x25519.X25519PublicKey) or not isinstance(receipts, ed25519.Ed25519PublicKey):
        raise ContractError("not the centre's public keys: an X25519 and an Ed25519 key are expected, in this order")
    return CentreKeys(seal, receipts)


def read_secrets(pem: bytes) -> CentreSecrets:
    """What `CentreSecrets.pem` wrote.

    Raises:
        ContractError: it is not that.
    """
    try:
        seal, receipts = (load_pem_private_key(part, None) for part in _split(pem))
    except (ValueError, TypeError) as error:
        raise ContractError(f"not the centre's secret keys: {error}") from None
    if not isinstance(seal, x25519.X25519PrivateKey) or not isinstance(receipts, ed25519.Ed25519PrivateKey):
        raise ContractError("not the centre's secret keys: an X25519 and an Ed25519 key are expected, in this order")
    return CentreSecrets(seal, receipts)


def _split(pem: bytes) -> list[bytes]:
    parts, lines = [], []
    for line in pem.splitlines(keepends=True):
        lines.append(line)
        if line.startswith(_END):
            parts.append(b"".join(lines))
            lines = []
    return parts
