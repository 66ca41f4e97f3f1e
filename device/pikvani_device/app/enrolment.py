"""Builds the identity of this device and keeps it: asks by every road there is, installs answers, renews in time."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pikvani_contract import enrolment
from pikvani_contract.clock import ClockTrust
from pikvani_contract.enrolment import ANSWER_SUFFIX, REQUEST_SUFFIX, Answer, Request
from pikvani_contract.errors import ContractError
from pikvani_device.adapters.broker_paho import TlsFiles
from pikvani_device.adapters.enrolment_https import ask_centre
from pikvani_device.adapters.machine_linux import machine_digest
from pikvani_device.adapters.tls_dates import dates_count
from pikvani_device.app.identity import read_file
from pikvani_device.enrolment.folder import IdentityFolder, replace
from pikvani_device.enrolment.identity import AnswerError, Identity, as_utc
from pikvani_device.enrolment.keys import FileKeys
from pikvani_device.errors import DeviceError
from pikvani_device.ports import Keys, RgbImage

if TYPE_CHECKING:
    from pikvani_device.adapters.tls_stunnel import StunnelRelay
    from pikvani_device.app import Device
    from pikvani_device.config import Config

log = logging.getLogger(__name__)

STICK_FOLDER = "pikvani-enrol"
"""A stick that holds this folder carries requests and answers; others are left alone."""
_TURN_S = 2.0
_STICK_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 15.0, 3_600.0
_LINK_HAS_S = 6 * 3_600.0
"""So long a renewal is left to the link alone; then the centre is asked by HTTPS too."""
_MAX_FILE_BYTES = 64 * 1024


def build_identity(config: Config) -> Identity:
    """The identity a configuration describes.

    Raises:
        DeviceError: none is configured, or its files do not fit.
    """
    settings = config.enrolment
    if not settings.dir:
        raise DeviceError("this device does not enrol: set enrolment.dir to where its keys shall lie")
    folder = IdentityFolder(Path(settings.dir))
    card = Path(settings.card) if settings.card else folder.path.parent / "card.json"
    trust = read_file(settings.trust)
    return Identity(folder, config.device.id, card, trust, machine_digest(config.device.id), build_keys(config))


def build_keys(config: Config) -> Keys:
    """Where this device's private keys live.

    Raises:
        DeviceError: a chip is configured and its library is missing.
    """
    settings = config.enrolment
    if not settings.pkcs11_module:
        return FileKeys()
    from pikvani_device.adapters.key_pkcs11 import Pkcs11Keys

    return Pkcs11Keys(settings.pkcs11_module, settings.pkcs11_token, settings.pkcs11_pin_file)


def build_relay(config: Config) -> StunnelRelay | None:
    """What speaks TLS where the key is in a chip; None where it is in a file.

    Raises:
        DeviceError: stunnel is not installed, or this device has no certificate yet.
    """
    settings, sync = config.enrolment, config.sync
    if not settings.pkcs11_module:
        return None
    from pikvani_device.adapters.tls_stunnel import StunnelRelay

    current = Path(settings.dir) / "current"
    uri = read_file(str(current / "key.pem")).decode("ascii", "replace")
    pin = settings.pkcs11_pin_file
    trust = Path(settings.trust)
    return StunnelRelay(sync.host, sync.port, trust, current / "cert.pem", uri, settings.pkcs11_module, pin)


def link_files(config: Config) -> TlsFiles | None:
    """The files mutual TLS takes: those of enrolment, else those of [sync], else none."""
    sync, settings = config.sync, config.enrolment
    if settings.dir:
        current = Path(settings.dir) / "current"
        return TlsFiles(Path(settings.trust), current / "cert.pem", current / "key.pem")
    return TlsFiles(Path(sync.tls_ca), Path(sync.tls_cert), Path(sync.tls_key)) if sync.tls_ca else None


class EnrolmentRoom:
    """What pages and commands ask of the identity; the loop that keeps it.

    Args:
        device: whose.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._settings = device.config.enrolment
        self.identity = build_identity(device.config)
        self._lock = threading.Lock()
        self._asked_s: float | None = None
        self._wait_s = _FIRST_WAIT_S
        self._looked_s = 0.0
        self._waiting: Request | None = None
        self._waiting_s = 0.0

    def status(self) -> dict[str, Any]:
        """How it stands, as JSON can carry it: `state` is `enrolled`, `waiting` or `refused`."""
        certificate, remembered = self.identity.certificate(), self.identity.folder.state()
        state = "refused" if remembered.refused else "enrolled" if certificate else "waiting"
        until = certificate.not_valid_after_utc.isoformat() if certificate else ""
        renewing = bool(certificate) and self.identity.request() is not None
        return {"state": state, "reason": remembered.refused, "until": until, "renewing": renewing}

    def request_text(self) -> str:
        """The request that waits, as a QR code or a file carries it; empty for none."""
        with self._lock:
            request = self._wanted()
        return enrolment.as_text(request) if request else ""

    def waiting_text(self) -> str:
        """The request that waits already, for a process that may not make one; empty for none."""
        pending = self.identity.folder.pending()
        if pending is None:
            return ""
        try:
            return enrolment.as_text(enrolment.unpack(pending[1], Request))
        except ContractError:
            return ""

    def leave_text(self, text: str) -> None:
        """Leave an answer for `run --part enrol` to judge.

        Raises:
            DeviceError: it is no answer at all.
        """
        try:
            answer = enrolment.from_text(text, Answer)
        except ContractError as error:
            raise DeviceError(str(error)) from None
        self.identity.folder.drop_answer(enrolment.pack(answer))

    def take_text(self, text: str) -> bool:
        """Take an answer that came as text: typed, scanned or read from a file.

        Returns:
            Whether another identity is in use now; false where the centre refused.

        Raises:
            DeviceError: it is no answer, or not for us.
        """
        try:
            answer = enrolment.from_text(text, Answer)
        except ContractError as error:
            raise DeviceError(str(error)) from None
        with self._lock:
            return self._take(answer)

    def renew_now(self) -> None:
        """Ask for the next certificate before it is time; the link carries it.

        Raises:
            DeviceError: there is none to renew, or the disk is full.
        """
        with self._lock:
            self.identity.renew_now()

    def write_request(self, folder: Path) -> Path:
        """Put the request that waits into a folder.

        Raises:
            DeviceError: there is none, or the folder cannot be written.
        """
        text = self.request_text()
        if not text:
            raise DeviceError("nothing to ask: this device has its certificate, and it is not time to renew it")
        path = folder / f"{self._device.config.device.id}{REQUEST_SUFFIX}"
        replace(path, text.encode() + b"\n")
        return path

    def scan(self, seconds: float) -> str:
        """Look through the camera for an answer on somebody's screen; its text, empty for none in time.

        Raises:
            CameraError: there is no camera, or it failed.
        """
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            if text := read_code(self._device.camera.capture()):
                return text
        return ""

    def turn(self) -> bool:
        """One turn: answers that lie there, sticks, the centre where it is time.

        Returns:
            Whether another identity is in use now.

        Raises:
            DeviceError: the card cannot be read, or the disk is full.
        """
        with self._lock:
            changed = False
            for data in self.identity.folder.take_answers():
                changed |= self._judged(partial(_unpacked, data))
            if time.monotonic() - self._looked_s >= _STICK_S or not self._looked_s:
                self._looked_s = time.monotonic()
                for folder in list(self._sticks()):
                    changed |= self._serve(folder)
            request = self._wanted()
            if request is None or changed or not self._settings.url or not self._time_to_ask(request):
                return changed
            self._asked_s = time.monotonic()
            ca = Path(self._settings.ca or self._settings.trust)
            try:
                dates = dates_count(self._device.clock.now())
                return self._take(ask_centre(self._settings.url, ca, request, dates))
            except DeviceError as error:
                log.info("%s", error)
                return False

    def recover(self) -> None:
        """After a start: finish what a power cut left half done."""
        with self._lock:
            self.identity.recover()

    def _wanted(self) -> Request | None:
        moment = self._device.clock.now()
        believed = moment.trust > ClockTrust.UNTRUSTED
        return self.identity.wanted(as_utc(moment.wall_ms) if believed else None)

    def _take(self, answer: Answer) -> bool:
        changed = self.identity.take(answer, self._device.clock.now().wall_ms)
        if changed:
            self._wait_s, self._asked_s = _FIRST_WAIT_S, None
        return changed

    def _judged(self, read: Callable[[], Answer]) -> bool:
        try:
            return self._take(read())
        except AnswerError as error:
            log.info("an answer was passed over: %s", error)
            return False

    def _time_to_ask(self, request: Request) -> bool:
        certificate = self.identity.certificate()
        moment = self._device.clock.now()
        if certificate is not None and as_utc(moment.wall_ms) < certificate.not_valid_after_utc:
            if self._waiting != request:
                self._waiting, self._waiting_s = request, time.monotonic()
            if time.monotonic() - self._waiting_s < _LINK_HAS_S:
                return False  # the link carries renewals while the old certificate opens it
        if self._asked_s is None:
            return True
        if time.monotonic() - self._asked_s < self._wait_s:
            return False
        # A fleet without certificates must not knock in the same second.
        self._wait_s = min(_LONGEST_WAIT_S, self._wait_s * random.uniform(1.5, 2.5))  # noqa: S311
        return True

    def _sticks(self) -> Iterator[Path]:
        if not self._settings.sticks:
            return
        root = Path(self._settings.sticks)
        for pattern in (STICK_FOLDER, f"*/{STICK_FOLDER}", f"*/*/{STICK_FOLDER}"):
            with suppress(OSError):
                yield from (folder for folder in root.glob(pattern) if folder.is_dir())

    def _serve(self, folder: Path) -> bool:
        """Take the answer on a stick, else leave the request there."""
        device_id = self._device.config.device.id
        asked, answered = folder / f"{device_id}{REQUEST_SUFFIX}", folder / f"{device_id}{ANSWER_SUFFIX}"
        try:
            if answered.exists():
                with answered.open("rb") as file:
                    text = file.read(_MAX_FILE_BYTES).decode("ascii", "replace")
                changed = self._judged(partial(_answer, text))
                if changed:
                    asked.unlink(missing_ok=True)
                    answered.unlink(missing_ok=True)
                    return True
            request = self._wanted()
            if request is None:
                return False
            text = enrolment.as_text(request) + "\n"
            if not asked.exists() or asked.read_bytes() != text.encode():
                replace(asked, text.encode())
                log.info("the request lies on the stick: %s", asked)
        except (OSError, DeviceError) as error:
            log.warning("the stick cannot be used: %s", error)
        return False


def _answer(text: str) -> Answer:
    try:
        return enrolment.from_text(text, Answer)
    except ContractError as error:
        raise AnswerError(str(error)) from None


def _unpacked(data: bytes) -> Answer:
    try:
        return enrolment.unpack(data, Answer)
    except ContractError as error:
        raise AnswerError(str(error)) from None


def keep_enrolled(room: EnrolmentRoom, stop: threading.Event, beat: Callable[[], None]) -> None:
    """The loop of `run --part enrol`, until `stop`."""
    said = ""
    recovered = False
    while True:
        beat()
        try:
            if not recovered:
                room.recover()
                recovered = True
            room.turn()
            said = ""
        except DeviceError as error:
            if str(error) != said:
                log.warning("not enrolled for now: %s", error)
            said = str(error)
        except Exception:
            log.exception("enrolment stumbled; farmers are answered all the same")
        if stop.wait(_TURN_S):
            return


def read_code(image: RgbImage) -> str:
    """The text of an enrolment QR code in a photograph, empty for none.

    OpenCV's two detectors miss different codes, the first three of a hundred on a straight screen.
    """
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    for detector in (cv2.QRCodeDetector(), cv2.QRCodeDetectorAruco()):
        for side in (grey, np.ascontiguousarray(grey[:, ::-1])):
            text, _, _ = detector.detectAndDecode(side)
            if text.startswith("PIKVANI1:"):
                return str(text)
    return ""
