"""What becomes of a request or a report, given what the centre knows. Pure: no database, no key, no clock.

Order matters. A proof is checked before anything is said of a claim's state, so a stranger learns nothing; a claim
that was used is told apart into the harmless (the answer was lost on the way) and the alarming (another key).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pikvani_contract.certificates import PublicKey, read_request
from pikvani_contract.enrolment import Report, Request, claim_proven, identity_proven
from pikvani_contract.errors import ContractError
from pikvani_contract.topics import check_device_id

Row = Mapping[str, Any]
"""A row of `claims`, `identities` or `certificates_issued`."""


@dataclass(frozen=True)
class Asked:
    """A request whose signing request holds.

    Attributes:
        request: as it came.
        key: the new key.
        key_digest: SHA-256 of its public half.
    """

    request: Request
    key: PublicKey
    key_digest: bytes


@dataclass(frozen=True)
class Verdict:
    """What to do.

    Attributes:
        act: `enrol`, `renew`, `again` (the answer in hand, once more) or `refuse`.
        reason: a key of `enrolment.REASONS`, where refused.
        suspicion: what looks like a copied card, empty for nothing.
    """

    act: str
    reason: str = ""
    suspicion: str = ""


def read_asked(request: Request) -> Asked:
    """Check the form of a request.

    Raises:
        ContractError: the signing request is unsound, or for another name than the request.
    """
    check_device_id(request.device)
    name, key = read_request(request.csr)
    if name != request.device:
        raise ContractError(f"the signing request is for {name[:60]!r}, the request for {request.device!r}")
    if bool(request.claim) == bool(request.previous):
        raise ContractError("a request names either a claim or the certificate to renew")
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Asked(request, key, hashlib.sha256(spki).digest())


def judge_claim(asked: Asked, claim: Row | None, identity: Row | None, now: datetime) -> Verdict:
    """A card that has no certificate yet.

    Args:
        asked: the request.
        claim: the claim it names, None if there is none.
        identity: of the device it names, None if there is none.
        now: UTC.
    """
    request = asked.request
    if claim is None:
        return Verdict("refuse", "unknown_claim")
    if not claim_proven(request, claim["public_key"]):
        return Verdict("refuse", "bad_proof")
    if claim["device_id"] != request.device:
        return Verdict("refuse", "wrong_device", "its claim was presented under another name")
    if claim["batch"] != request.batch:
        return Verdict("refuse", "wrong_batch", "its claim was presented as of another batch")
    if identity is not None and identity["state"] == "revoked":
        return Verdict("refuse", "revoked")
    if claim["state"] == "withdrawn":
        return Verdict("refuse", "withdrawn_claim")
    if claim["state"] == "used":
        return _used_claim(asked, claim, identity)
    if now > claim["expires_at"]:
        return Verdict("refuse", "expired_claim")
    if identity is not None:
        return Verdict("refuse", "claim_used", "it has a certificate, and another claim was presented for it")
    return Verdict("enrol")


def _used_claim(asked: Asked, claim: Row, identity: Row | None) -> Verdict:
    if claim["used_key"] != asked.key_digest:
        return Verdict("refuse", "claim_used", "its claim was presented with a second key")
    if identity is None or identity["key_digest"] != asked.key_digest or identity["confirmed_at"] is not None:
        return Verdict("refuse", "replayed")
    return Verdict("again")


def judge_renewal(asked: Asked, identity: Row | None, previous: Row | None) -> Verdict:
    """A device that has a certificate, perhaps one that has ended.

    Args:
        asked: the request.
        identity: of the device, None if there is none.
        previous: the certificate the request names, None if none such was signed for this device.
    """
    if identity is None or previous is None:
        return Verdict("refuse", "unknown_identity")
    certificate = x509.load_der_x509_certificate(previous["certificate"])
    if not identity_proven(asked.request, certificate):
        return Verdict("refuse", "bad_proof")
    if identity["state"] == "revoked" or previous["revoked_at"] is not None:
        return Verdict("refuse", "revoked")
    if previous["sha256"] == identity["certificate"]:
        return Verdict("renew", suspicion=_machine_changed(identity, asked.request.machine))
    if identity["key_digest"] == asked.key_digest:
        # The certificate that follows was signed, and its answer lost on the way.
        return Verdict("again") if identity["confirmed_at"] is None else Verdict("refuse", "replayed")
    return Verdict("refuse", "old_identity", "a certificate that was renewed already asks with a second key")


@dataclass(frozen=True)
class Heard:
    """What a report changes.

    Attributes:
        changes: columns of `identities`.
        token: to send back, empty for no reply.
        suspicion: as in a verdict.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    token: bytes = b""
    suspicion: str = ""


def judge_report(identity: Row, report: Report, fresh_token: bytes, now: datetime) -> Heard:
    """A device that speaks over its authenticated link.

    Args:
        identity: of the device the link belongs to.
        report: what it said.
        fresh_token: 16 random bytes, used where the token moves on.
        now: UTC.
    """
    changes: dict[str, Any] = {}
    if report.certificate != identity["certificate"]:
        # It may not have its newest certificate yet; but one that was heard with it does not go back.
        went_back = identity["confirmed_at"] is not None
        suspicion = "it was heard with an older certificate after a newer one" if went_back else ""
    else:
        changes["confirmed_at"] = identity["confirmed_at"] or now
        suspicion = "its count of keys went back" if report.counter < identity["counter"] else ""
    suspicion = suspicion or _machine_changed(identity, report.machine)
    if not identity["machine"] and report.machine:
        changes["machine"] = report.machine
    if report.token == identity["token"]:
        changes |= {"last_token": report.token, "last_nonce": report.nonce, "token": fresh_token}
        return Heard(changes, fresh_token, suspicion)
    if report.token == identity["last_token"] and report.nonce == identity["last_nonce"]:
        return Heard(changes, identity["token"], suspicion)  # our reply was lost on the way
    suspicion = suspicion or "two cards speak with its key: one shows a token the other has used"
    # Both copies are answered, so that the true one does not fall silent; a person decides which is which.
    changes |= {"last_token": report.token, "last_nonce": report.nonce, "token": fresh_token}
    return Heard(changes, fresh_token, suspicion)


def _machine_changed(identity: Row, machine: bytes) -> str:
    moved = identity["machine"] and machine and identity["machine"] != machine
    return "its card was put into another board, or copied" if moved else ""


def name_of_district(slug: str) -> str:
    """How the pages, their map and drift call the district that cards name as a slug: `mumbai-city` is Mumbai City."""
    return " ".join(word.capitalize() for word in slug.split("-"))
