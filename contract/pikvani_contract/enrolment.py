"""How a device becomes known to the centre, and stays so: requests, answers, reports. Bytes and rules, no I/O.

A request names a key the device made and proves the right to it in one of two ways: with the card's claim, an Ed25519
key of which the centre holds the public half only, or, to renew, with the key of the certificate it has. Either way
the proof is a signature over this very request, so whoever sees it pass, on a stick, a phone or a wire, can ask
nothing with it. An answer is a certificate, which the device checks against the root on its card: no road need be
trusted. The same text stands in a file and in a QR code.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Any, TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from msgspec import Meta

from pikvani_contract.errors import WireError
from pikvani_contract.fields import Count, Name

SCHEMA = 1
MAX_BYTES = 16_384
"""The largest request, answer, report or reply."""
REQUEST_SUFFIX, ANSWER_SUFFIX = ".pkvq", ".pkva"
"""Files on a stick: what a device asks, what the centre answers."""
_MARK = "PIKVANI1:"
_CHECK_BYTES = 4
_PURPOSE = b"pikvani enrolment 1\0"

Der = Annotated[bytes, Meta(max_length=2_048)]
Digest = Annotated[bytes, Meta(max_length=32)]
Token = Annotated[bytes, Meta(max_length=16)]
_Schema = Annotated[int, Meta(ge=1, le=1_000)]

REASONS = {
    "malformed": "the request cannot be read; make a new one",
    "unknown_claim": "no such claim: the card's batch was not entered at the centre, or the card is a forgery",
    "expired_claim": "the claim is too old; write the card anew from a new batch",
    "wrong_batch": "the card names another batch than its claim belongs to",
    "wrong_device": "the card names another device than its claim was made for",
    "withdrawn_claim": "the claim was withdrawn at the centre",
    "bad_proof": "the request is not signed with the claim or key it names",
    "claim_used": "the claim was used with another key: the card may be a copy",
    "replayed": "this request was answered and its certificate is in use; it is not answered again",
    "unknown_identity": "the certificate to renew is not known",
    "old_identity": "the certificate to renew was replaced by a newer one: the card may be a copy",
    "revoked": "the device is revoked",
    "no_authority": "the centre has no key for the district; the centre must be given one",
}
"""Every reason to refuse, with what it means. Devices and pages translate the key, not the sentence."""


class Request(msgspec.Struct, array_like=True, frozen=True):
    """A device asks for a certificate.

    Attributes:
        schema: `SCHEMA` of the sender.
        device: its id.
        csr: certificate signing request of the new key, DER.
        machine: digest of the board's own serial number, empty where it has none.
        counter: keys this card has made, this one included.
        batch: of the card; empty to renew.
        claim: id of the card's claim; empty to renew.
        previous: SHA-256 of the certificate in use; empty to enrol.
        proof: signature over all of the above: by the claim, or by the key of `previous`.
    """

    schema: _Schema
    device: Name
    csr: Der
    machine: Digest
    counter: Count
    batch: Name = ""
    claim: Digest = b""
    previous: Digest = b""
    proof: Annotated[bytes, Meta(max_length=96)] = b""


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What the centre says to a request: a certificate, or why not.

    Attributes:
        schema: `SCHEMA` of the sender.
        device: whom it is for.
        request: digest of the request answered.
        certificate: DER; empty where refused.
        chain: the authorities between the certificate and the root, DER; the device may hold them already.
        reason: a key of `REASONS`; empty where granted.
        wall_ms: the centre's UTC time.
    """

    schema: _Schema
    device: Name
    request: Digest
    certificate: Der = b""
    chain: Annotated[list[Der], Meta(max_length=3)] = []
    reason: Name = ""
    wall_ms: Count = 0


class Report(msgspec.Struct, array_like=True, frozen=True):
    """What a device says of its identity, over its authenticated link, at times.

    Each report shows the token of the last reply and a nonce that was on the disk before it was sent. Two cards with
    one key cannot both keep this up, whatever they say of their boards: the second to speak shows an old token, or
    the right token with another nonce.

    Attributes:
        schema: `SCHEMA` of the sender.
        certificate: SHA-256 of the certificate in use.
        machine: as in a request.
        counter: as in a request, of the key in use.
        token: of the last reply, empty before the first.
        nonce: of this report; the same until a reply to it came.
        request: a packed `Request` to renew, empty for none.
    """

    schema: _Schema
    certificate: Digest
    machine: Digest
    counter: Count
    token: Token
    nonce: Token
    request: Annotated[bytes, Meta(max_length=MAX_BYTES)] = b""


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """The centre's reply to a report.

    Attributes:
        schema: `SCHEMA` of the sender.
        nonce: of the report.
        token: to show next time.
        answer: a packed `Answer` where the report carried a request, else empty.
    """

    schema: _Schema
    nonce: Token
    token: Token
    answer: Annotated[bytes, Meta(max_length=MAX_BYTES)] = b""


Message = Request | Answer | Report | Reply
T = TypeVar("T", Request, Answer, Report, Reply)
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (Request, Answer, Report, Reply)
}


def pack(message: Message) -> bytes:
    """Encode for MQTT or HTTPS."""
    return _encoder.encode(message)


def unpack(payload: bytes, kind: type[T]) -> T:
    """Decode and validate bytes of a stranger.

    Raises:
        WireError: oversize, torn, or not a `kind`.
    """
    if len(payload) > MAX_BYTES:
        raise WireError(f"{len(payload)} bytes are more than the {MAX_BYTES} of any {kind.__name__}")
    try:
        message: T = _decoders[kind].decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a valid {kind.__name__}: {error}") from None
    return message


def as_text(message: Message) -> str:
    """One line of capitals, digits and a colon, which a QR code takes at 5.5 bits each; files hold it too."""
    payload = pack(message)
    return _MARK + base64.b32encode(payload + hashlib.sha256(payload).digest()[:_CHECK_BYTES]).decode().rstrip("=")


def from_text(text: str, kind: type[T]) -> T:
    """What `as_text` wrote; blanks and line ends, as typing and pasting bring them, are passed over.

    Raises:
        WireError: it is something else, or was cut or changed on the way.
    """
    body = "".join(text[: 4 * MAX_BYTES].split()).upper()
    if not body.startswith(_MARK):
        raise WireError(f"this is not a Pikvani enrolment code: it does not begin with {_MARK}")
    body = body.removeprefix(_MARK)
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError):
        raise WireError("the enrolment code is cut or changed; scan or copy it again") from None
    payload, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if hashlib.sha256(payload).digest()[:_CHECK_BYTES] != check:
        raise WireError("the enrolment code is cut or changed; scan or copy it again")
    return unpack(payload, kind)


def digest(request: Request) -> bytes:
    """16 bytes that name a request in its answer."""
    return hashlib.sha256(pack(request)).digest()[:16]


def statement(request: Request) -> bytes:
    """What the proof signs: the whole request but the proof."""
    return _PURPOSE + pack(msgspec.structs.replace(request, proof=b""))


def claim_id(public_key: bytes) -> bytes:
    """Names a claim: eight bytes of a digest of its public key."""
    return hashlib.sha256(public_key).digest()[:8]


def prove_claim(request: Request, seed: bytes) -> Request:
    """The request with its proof, by the card's claim.

    Args:
        request: without proof; its claim is filled in.
        seed: 32 bytes, the claim's secret.
    """
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    named = msgspec.structs.replace(request, claim=claim_id(key.public_key().public_bytes_raw()))
    return msgspec.structs.replace(named, proof=key.sign(statement(named)))


def claim_proven(request: Request, public_key: bytes) -> bool:
    """Whether the proof is that of the claim with this public key."""
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public_key).verify(request.proof, statement(request))
    except (InvalidSignature, ValueError):
        return False
    return claim_id(public_key) == request.claim


def prove_identity(request: Request, key: ec.EllipticCurvePrivateKey) -> Request:
    """The request with its proof, by the key in use."""
    return msgspec.structs.replace(request, proof=key.sign(statement(request), ec.ECDSA(hashes.SHA256())))


def identity_proven(request: Request, certificate: x509.Certificate) -> bool:
    """Whether the proof is by the key of this certificate."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(request.proof, statement(request), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
