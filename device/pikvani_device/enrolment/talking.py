"""What is said of the identity over the link: reports with a token no two cards can both keep up, renewals, replies."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading

from cryptography.hazmat.primitives.serialization import Encoding

from pikvani_contract import enrolment
from pikvani_contract.enrolment import Reply, Report
from pikvani_contract.errors import ContractError
from pikvani_device.enrolment.folder import Spoken
from pikvani_device.enrolment.identity import Identity
from pikvani_device.errors import DeviceError

log = logging.getLogger(__name__)

_EVERY_MS = 6 * 3_600_000
_AGAIN_MS = 60_000


class IdentityTalk:
    """Called by whoever holds the link.

    Args:
        identity: whose.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._lock = threading.Lock()
        self._connection = -1
        self._said_ms: int | None = None
        self._answered = False
        self._carried = b""

    def due(self, now_ms: int, connection: int) -> bytes | None:
        """The report to send now, None for none.

        Args:
            now_ms: monotonic.
            connection: number of the connection; a report is due on each.

        Raises:
            DeviceError: the disk is full.
        """
        with self._lock:
            pending = self._identity.folder.pending()
            request = pending[1] if pending else b""
            fresh = connection != self._connection or request != self._carried
            age_ms = None if self._said_ms is None else now_ms - self._said_ms
            waited = age_ms is None or age_ms >= (_EVERY_MS if self._answered else _AGAIN_MS)
            if not fresh and not waited:
                return None
            report = self._report(request)
            if report is None:
                return None
            self._connection, self._said_ms, self._answered, self._carried = connection, now_ms, False, request
            return enrolment.pack(report)

    def arrived(self, payload: bytes) -> None:
        """Take a reply; an answer in it is left for whoever installs."""
        try:
            reply = enrolment.unpack(payload, Reply)
        except ContractError as error:
            log.warning("reply passed over: %s", error)
            return
        folder = self._identity.folder
        with self._lock:
            spoken = folder.spoken()
            try:
                if spoken.nonce and reply.nonce == bytes.fromhex(spoken.nonce):
                    folder.keep_spoken(Spoken(reply.token.hex(), ""))
                    self._answered = True
                if reply.answer:
                    folder.drop_answer(reply.answer)
            except DeviceError as error:
                log.error("the centre's reply is lost, it will come again: %s", error)

    def _report(self, request: bytes) -> Report | None:
        folder = self._identity.folder
        certificate = folder.certificate()
        if certificate is None:
            return None
        spoken = folder.spoken()
        if not spoken.nonce:
            # On the disk before it is said: after a power cut the same report goes again, and is no copy's.
            spoken = Spoken(spoken.token, secrets.token_hex(16))
            folder.keep_spoken(spoken)
        return Report(
            enrolment.SCHEMA,
            hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest(),
            self._identity.machine,
            folder.state().counter,
            bytes.fromhex(spoken.token),
            bytes.fromhex(spoken.nonce),
            request,
        )
