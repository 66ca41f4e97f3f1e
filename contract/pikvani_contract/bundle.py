"""Batches and receipts on a USB stick: sealed to the centre's key, signed, checksummed. Bytes only, no files.

A bundle is sealed with HPKE (RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305), so a lost stick tells nothing; the
device signs inside the seal, so a found one cannot speak for a device. Receipts come back signed with the centre's
Ed25519 key: nobody else can make a device let go of what it holds.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from msgspec import Meta

from pikvani_contract.errors import WireError
from pikvani_contract.topics import check_device_id

MAX_BUNDLE_BYTES = 4 * 2**20
_BUNDLE = b"PKVI-BUNDLE-1\n"
_RECEIPTS = b"PKVI-RECEIPT-1\n"
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)

Payloads = Annotated[list[Annotated[bytes, Meta(max_length=256 * 1024)]], Meta(max_length=4_096)]


class _Sealed(msgspec.Struct, array_like=True, frozen=True):
    device_id: str
    certificate: bytes  # DER; empty for a device that is not enrolled yet
    signature: bytes
    content: bytes  # MessagePack of the payloads, as signed


class Bundle(msgspec.Struct, frozen=True):
    """What came out of a sealed bundle.

    Attributes:
        device_id: who made it; proven only when `certificate` is there.
        certificate: the device's certificate, whose key signed the content. **The caller must check that it is
            issued by its authority, is not revoked, and names `device_id`.** None for an unsigned bundle.
        payloads: packed batches, as they would have come over MQTT.
    """

    device_id: str
    certificate: x509.Certificate | None
    payloads: list[bytes]


def seal(
    device_id: str,
    payloads: list[bytes],
    centre: x25519.X25519PublicKey,
    identity: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
) -> bytes:
    """Make a bundle that only the centre can open.

    Args:
        device_id: who speaks.
        payloads: packed batches.
        centre: the centre's sealing key.
        identity: certificate and key to sign with; None for a device that is not enrolled yet.
    """
    content = msgspec.msgpack.encode(payloads)
    certificate, signature = b"", b""
    if identity is not None:
        from cryptography.hazmat.primitives.serialization import Encoding

        certificate = identity[0].public_bytes(Encoding.DER)
        signature = identity[1].sign(_signed(device_id, content), ec.ECDSA(hashes.SHA256()))
    body = msgspec.msgpack.encode(_Sealed(check_device_id(device_id), certificate, signature, content))
    sealed = _SUITE.encrypt(body, centre, info=_BUNDLE)
    return _BUNDLE + hashlib.sha256(sealed).digest() + sealed


def unseal(data: bytes, centre: x25519.X25519PrivateKey) -> Bundle:
    """Open a bundle.

    Raises:
        WireError: it is torn, foreign, sealed to another centre, or its signature does not fit its certificate.
    """
    sealed = _checked(data, _BUNDLE, "bundle")
    try:
        body = msgspec.msgpack.decode(_SUITE.decrypt(sealed, centre, info=_BUNDLE), type=_Sealed)
        payloads = msgspec.msgpack.decode(body.content, type=Payloads)
        certificate = _signer(body) if body.certificate else None
    except InvalidSignature:
        raise WireError("bundle's signature does not fit its certificate: it was altered or forged") from None
    except Exception as error:  # the seal's library has no one family of errors
        raise WireError(f"bundle cannot be opened: sealed to another centre, or not ours ({error!r})") from None
    return Bundle(check_device_id(body.device_id), certificate, payloads)


def _signer(body: _Sealed) -> x509.Certificate:
    certificate = x509.load_der_x509_certificate(body.certificate)
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InvalidSignature
    key.verify(body.signature, _signed(body.device_id, body.content), ec.ECDSA(hashes.SHA256()))
    return certificate


def sign_receipts(device_id: str, receipts: list[bytes], key: ed25519.Ed25519PrivateKey) -> bytes:
    """Put packed receipts for one device into a file that it can trust."""
    content = msgspec.msgpack.encode((check_device_id(device_id), receipts))
    signed = key.sign(_RECEIPTS + content) + content
    return _RECEIPTS + hashlib.sha256(signed).digest() + signed


def open_receipts(data: bytes, device_id: str, key: ed25519.Ed25519PublicKey) -> list[bytes]:
    """The packed receipts in a file, once the centre's signature holds.

    Raises:
        WireError: torn, foreign, not signed by this centre, or meant for another device.
    """
    signed = _checked(data, _RECEIPTS, "receipt file")
    signature, content = signed[:64], signed[64:]
    try:
        key.verify(signature, _RECEIPTS + content)
        meant_for, receipts = msgspec.msgpack.decode(content, type=tuple[str, Payloads])
    except (InvalidSignature, msgspec.DecodeError):
        raise WireError("receipt file is not signed by this device's centre: nothing was let go") from None
    if meant_for != device_id:
        raise WireError(f"receipt file is for {meant_for!r}, this device is {device_id!r}")
    return receipts


def _signed(device_id: str, content: bytes) -> bytes:
    return _BUNDLE + device_id.encode() + b"\0" + content


def _checked(data: bytes, magic: bytes, name: str) -> bytes:
    if not data.startswith(magic):
        raise WireError(f"not a Pikvani {name}: it does not begin with {magic!r}")
    digest, rest = data[len(magic) : len(magic) + 32], data[len(magic) + 32 :]
    if len(data) > 2 * MAX_BUNDLE_BYTES:
        raise WireError(f"{name} of {len(data)} bytes is over the {2 * MAX_BUNDLE_BYTES} allowed")
    if hashlib.sha256(rest).digest() != digest:
        raise WireError(f"{name} is torn: its checksum does not fit; the stick was pulled early, export again")
    return rest
