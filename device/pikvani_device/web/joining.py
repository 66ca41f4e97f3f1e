"""How this device stands with the centre: one QR code for the technician's tool, and the way its answer comes back.

It asks for no PIN: a request gives nobody anything but the certificate of a key he does not have, and an answer is
believed by its signature. The pages read and leave; `run --part enrol` alone makes requests and installs answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import segno
from flask import Blueprint, Response, abort, request, url_for

from pikvani_device.errors import DeviceError
from pikvani_device.web.desk import Desk, channel, is_private
from pikvani_device.web.page import page
from pikvani_device.web.road import qr

SCAN_S = 20.0
"""So long the camera looks for an answer on somebody's screen."""
_TAKEN_S = 8.0
_STATES = {"waiting": "centre.waiting", "enrolled": "centre.enrolled", "refused": "centre.refused"}
_NEW_CARD = frozenset({"unknown_claim", "expired_claim", "wrong_batch", "wrong_device", "withdrawn_claim"})
_A_PERSON = frozenset({"claim_used", "replayed", "old_identity", "revoked"})


def reason_sentence(reason: str) -> str:
    """Id of the sentence that says what to do after a refusal."""
    if reason in _NEW_CARD:
        return "centre.new_card"
    return "centre.ask_a_person" if reason in _A_PERSON else "centre.try_again"


def blueprint(desk: Desk) -> Blueprint:
    """The page of the centre's answer."""
    joining = Blueprint("joining", __name__, url_prefix="/centre")
    device, looking = desk.device, threading.Lock()

    @joining.before_request
    def only_from_here() -> None:
        if not is_private():
            abort(403)
        if not device.config.enrolment.dir:
            abort(404)

    def shown(told: str = "", detail: str = "") -> str:
        found = device.enrolment.status()
        return page(
            desk,
            "centre.html",
            [],
            back=url_for("service.front"),
            notice=told,
            detail=detail,
            state=_STATES[found["state"]],
            reason=found["reason"],
            advice=reason_sentence(found["reason"]) if found["reason"] else "",
            until=found["until"][:10],
            asks=bool(device.enrolment.waiting_text()),
            device_id=device.config.device.id,
            can_look=channel() == "kiosk" and device.config.camera.adapter != "none",
        )

    def taken(text: str) -> str:
        before = device.enrolment.status()
        device.enrolment.leave_text(text)
        if _soon(lambda: device.enrolment.status() != before):
            return shown("centre.certified" if device.enrolment.status()["state"] == "enrolled" else "centre.refused")
        return shown("centre.not_for_us")

    @joining.get("/")
    def front() -> str:
        return shown()

    @joining.get("/request.svg")
    def request_code() -> Response:
        text = device.enrolment.waiting_text()
        if not text:
            abort(404)
        return qr(segno.make(text, error="l", micro=False, boost_error=False))

    @joining.post("/scan")
    def scan() -> str:
        if channel() != "kiosk":
            abort(403)  # whoever holds a phone before the camera stands at the device
        if not looking.acquire(blocking=False):
            return shown("busy")
        try:
            text = device.enrolment.scan(SCAN_S)
            return taken(text) if text else shown("centre.nothing_seen")
        except DeviceError as error:
            return shown("centre.nothing_seen", str(error))
        finally:
            looking.release()

    @joining.post("/answer")
    def answer() -> str:
        try:
            return taken(request.form.get("text", "").strip())
        except DeviceError as error:
            return shown("centre.not_for_us", str(error))

    return joining


def _soon(happened: Callable[[], bool]) -> bool:
    ends_s = time.monotonic() + _TAKEN_S
    while not happened():
        if time.monotonic() > ends_s:
            return False
        time.sleep(0.2)
    return True
