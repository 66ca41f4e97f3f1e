"""What to ask for and when, and which answers to believe. Keeps its state in an `IdentityFolder`; sends nothing."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pikvani_contract import cards, certificates, enrolment
from pikvani_contract.enrolment import Answer, Request
from pikvani_contract.errors import ContractError
from pikvani_device.enrolment.folder import IdentityFolder, State, certificate_pem, replace
from pikvani_device.enrolment.keys import FileKeys
from pikvani_device.errors import DeviceError
from pikvani_device.ports import Key, Keys

log = logging.getLogger(__name__)

_RENEW_AT = 2 / 3
"""Share of a certificate's life after which the next one is asked for."""
FINAL = ("replayed", "claim_used", "revoked", "old_identity", "withdrawn_claim", "expired_claim")
"""Reasons after which asking again with the same card is of no use; a person must act."""


class AnswerError(DeviceError):
    """An answer that is not for this device's request, or not the centre's."""


class Identity:
    """This device's identity.

    Args:
        folder: where it is kept.
        device_id: the device's name.
        card_file: the card's file with its claim.
        trust_pem: the root this device was born with, and the authorities it knows.
        machine: digest of the board, empty for none.
        keys: where private keys live; in files of the folder if left out.
    """

    def __init__(
        self,
        folder: IdentityFolder,
        device_id: str,
        card_file: Path,
        trust_pem: bytes,
        machine: bytes,
        keys: Keys | None = None,
    ) -> None:
        self.folder = folder
        self._keys = FileKeys() if keys is None else keys
        self.device_id = device_id
        self._card_file = card_file
        self.machine = machine
        try:
            known = x509.load_pem_x509_certificates(trust_pem)
        except ValueError as error:
            raise DeviceError(f"enrolment.trust is no PEM file of certificates: {error}") from None
        self._roots = [c for c in known if c.subject == c.issuer]
        self._between = [c for c in known if c.subject != c.issuer]
        if not self._roots:
            raise DeviceError("enrolment.trust holds no root: give the root.pem of `pikvani-provision ca init`")

    @property
    def enrolled(self) -> bool:
        """Whether there is a certificate, perhaps one that has ended."""
        return self.certificate() is not None

    def certificate(self) -> x509.Certificate | None:
        """The certificate in use; one for another name, of a card before this one, counts for none."""
        found = self.folder.certificate()
        ours = found is not None and certificates.common_name(found.subject) == self.device_id
        return found if ours else None

    def card(self) -> cards.Card:
        """The card.

        Raises:
            DeviceError: it cannot be read, or is another device's.
        """
        try:
            card = cards.read_card(self._card_file.read_bytes(), str(self._card_file))
        except OSError as error:
            raise DeviceError(
                f"{self._card_file} cannot be read ({error.strerror}); put a card.json of a batch on this card"
            ) from None
        except ContractError as error:
            raise DeviceError(str(error)) from None
        if card.device != self.device_id:
            raise DeviceError(f"{self._card_file} is for {card.device}, and this is {self.device_id}: write it anew")
        return card

    def request(self) -> Request | None:
        """The request that waits for an answer, None for none."""
        pending = self.folder.pending()
        if pending is None:
            return None
        try:
            return enrolment.unpack(pending[1], Request)
        except ContractError as error:
            log.error("the pending request is damaged and made anew: %s", error)
            self.folder.drop_pending()
            return None

    def wanted(self, now: datetime | None) -> Request | None:
        """The request to send now; made, with a new key, where one is due and none waits.

        Args:
            now: UTC; None where the clock cannot be believed, which no renewal is judged by.

        Raises:
            DeviceError: there is no card, or the disk is full.
        """
        certificate, waiting, claim = self.certificate(), self.request(), self._claim()
        # A new card, put in by a person after the centre refused for good, is a new beginning.
        begin = bool(claim) and (certificate is None or self.folder.state().refused in FINAL)
        if waiting is not None and not (begin and waiting.claim != claim):
            return waiting
        if certificate is None or begin:
            return self._ask_anew(None)
        if now is None or not self.due(certificate, now):
            return None
        return self._ask_anew(certificate)

    def renew_now(self) -> Request:
        """Ask for the next certificate before it is time.

        Raises:
            DeviceError: there is none to renew, or the disk is full.
        """
        certificate = self.certificate()
        if certificate is None:
            raise DeviceError("there is no certificate to renew yet; `enrol status` says how it stands")
        waiting = self.request()
        return waiting if waiting is not None else self._ask_anew(certificate)

    @staticmethod
    def due(certificate: x509.Certificate, now: datetime) -> bool:
        """Whether it is time to ask for the next certificate."""
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return now >= begins + (ends - begins) * _RENEW_AT

    def take(self, answer: Answer, now_ms: int) -> bool:
        """Judge an answer, whatever road it came by, and install what it brings.

        Returns:
            Whether another identity is in use now.

        Raises:
            AnswerError: it is not for the request that waits, or not signed by the centre we were born with.
            DeviceError: the disk is full.
        """
        pending, request = self.folder.pending(), self.request()
        if pending is None or request is None:
            raise AnswerError("no answer is waited for; it was taken before, or is for another request")
        if answer.device != self.device_id or answer.request != enrolment.digest(request):
            raise AnswerError(
                f"the answer is for {answer.device[:60]!r} or for another request of it; bring the newest"
            )
        if answer.reason:
            self._refused(answer.reason, now_ms)
            return False
        leaf, chain = self._verified(answer, self._keys.load(pending[0]))
        self.folder.install(pending[0], certificate_pem(leaf, chain))
        self._spend(request.claim)
        self.folder.keep_state(msgspec.structs.replace(self.folder.state(), refused="", refused_ms=0))
        self.folder.drop_pending()
        self._tidy()
        log.info("certified until %s", leaf.not_valid_after_utc.date())
        return True

    def recover(self) -> None:
        """After a start: finish what a power cut left half done."""
        request = self.request()
        if request is not None and self.folder.answered():
            self._spend(request.claim)
        self._tidy()

    def signing(self) -> tuple[x509.Certificate, Key] | None:
        """The certificate in use and what signs for it, None for none.

        Raises:
            DeviceError: its key is damaged or gone.
        """
        certificate = self.certificate()
        return None if certificate is None else (certificate, self._keys.load(self.folder.key_file.read_bytes()))

    def _tidy(self) -> None:
        self.folder.recover()
        self._keys.keep_only(self.folder.references())

    def _ask_anew(self, current: x509.Certificate | None) -> Request:
        state = self.folder.state()
        # Counted before the key is made: a cut may skip a number, never use one twice.
        state = msgspec.structs.replace(state, counter=state.counter + 1)
        card = self.card() if current is None else None
        seed = _seed(card) if card is not None else b""
        self.folder.keep_state(state)
        key = self._keys.new()
        csr = certificates.make_request(key, self.device_id)
        asked = Request(enrolment.SCHEMA, self.device_id, csr, self.machine, state.counter)
        if card is not None:
            asked = enrolment.prove_claim(msgspec.structs.replace(asked, batch=card.batch), seed)
        else:
            assert current is not None
            previous = hashlib.sha256(current.public_bytes(Encoding.DER)).digest()
            used = self._keys.load(self.folder.key_file.read_bytes())
            asked = enrolment.prove_identity(msgspec.structs.replace(asked, previous=previous), used)
        self.folder.put_pending(self._keys.reference(key), enrolment.pack(asked))
        return asked

    def _verified(
        self, answer: Answer, key: ec.EllipticCurvePrivateKey
    ) -> tuple[x509.Certificate, list[x509.Certificate]]:
        try:
            leaf = x509.load_der_x509_certificate(answer.certificate)
            brought = [x509.load_der_x509_certificate(der) for der in answer.chain]
            same = leaf.public_key() == key.public_key()
            name = certificates.common_name(leaf.subject)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise AnswerError(f"the answer holds no certificate that can be read: {error}") from None
        if not same or name != self.device_id:
            raise AnswerError("the answer's certificate is for another key or device")
        for between in (*brought, *self._between):
            if certificates.issued_by(leaf, between) and any(
                certificates.issued_by(between, root) for root in self._roots
            ):
                return leaf, [between]
        raise AnswerError("the answer is not signed by the centre this device was born with")

    def _refused(self, reason: str, now_ms: int) -> None:
        log.warning("the centre refuses: %s (%s)", reason, enrolment.REASONS.get(reason, "unknown to this version"))
        state = self.folder.state()
        if state.refused != reason:
            self.folder.keep_state(State(state.counter, reason[:64], now_ms))

    def _claim(self) -> bytes:
        """Id of the claim on the card, empty for none."""
        try:
            return cards.claim_of(self.card()).id
        except (DeviceError, ContractError):
            return b""

    def _spend(self, claim: bytes) -> None:
        """Empty the claim on the card: it is of no use to us any more, and shall be to nobody."""
        if claim and claim == self._claim():
            replace(self._card_file, cards.as_json(msgspec.structs.replace(self.card(), claim="")))


def _seed(card: cards.Card) -> bytes:
    try:
        return card.seed()
    except ContractError as error:
        raise DeviceError(str(error)) from None


def as_utc(wall_ms: int) -> datetime:
    """UTC milliseconds as a time."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC)
