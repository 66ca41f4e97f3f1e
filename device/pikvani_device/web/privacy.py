"""Consent after the answer, and taking it back: a notice by purpose in pictures, nothing ticked, and a code of digits.

Nobody is asked on the way to an answer, and without a named contact for complaints nobody is asked at all.
"""

from __future__ import annotations

import logging
import threading
from typing import cast

from flask import Blueprint, abort, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_contract.consent import Consent
from pikvani_device.errors import DeviceError
from pikvani_device.store.consents import CODE_DIGITS, GivenBy
from pikvani_device.web.desk import Desk, channel, to_start
from pikvani_device.web.page import page
from pikvani_device.web.visits import Visit

log = logging.getLogger(__name__)

_PURPOSES = {"photo": Consent.PHOTO, "voice": Consent.VOICE, "training": Consent.TRAINING}
FREE_TRIES, LOCK_MS = 5, 900_000
"""Wrong codes a screen or the whole network may give in a quarter of an hour."""


class Tries:
    """How often a wrong code was given lately, apart for the kiosk and the network."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._missed_ms: dict[str, list[int]] = {}

    def missed(self, where: str, now_ms: int) -> None:
        """Count one."""
        with self._lock:
            self._missed_ms.setdefault(where, []).append(now_ms)

    def locked(self, where: str, now_ms: int) -> bool:
        """Whether nobody there may try now."""
        with self._lock:
            recent = [at for at in self._missed_ms.get(where, []) if now_ms - at < LOCK_MS]
            self._missed_ms[where] = recent
            return len(recent) >= FREE_TRIES


def offered(desk: Desk, visit: Visit | None) -> bool:
    """Whether this visit can be asked: there is a contact, a case, and it has not been answered yet."""
    case = visit.given.case_id if visit and visit.given else ""
    try:
        return bool(desk.device.privacy.contact and case) and desk.device.privacy.given(case) is None
    except DeviceError:
        return False


def blueprint(desk: Desk) -> Blueprint:
    """Asking, and taking back."""
    privacy = Blueprint("privacy", __name__)
    device, tries = desk.device, Tries()

    @privacy.get("/consent")
    def ask() -> str | AnyResponse:
        visit = desk.visit()
        if visit is None or visit.given is None or not visit.given.case_id:
            return to_start() if visit is None else redirect(url_for("answering.answer"))
        visit.subject = visit.given.case_id
        if not offered(desk, visit):
            return redirect(url_for("privacy.code" if _code(desk, visit) else "privacy.found"))
        back = url_for("answering.take")
        return page(desk, "consent.html", ["consent.title", "consent.free", "consent.who"], back=back)

    @privacy.post("/consent")
    def who() -> AnyResponse:
        visit = desk.visit()
        if visit is None or not offered(desk, visit):
            return to_start() if visit is None else redirect(url_for("answering.answer"), 303)
        visit.who = request.form.get("who", "")
        if visit.who == "child":
            visit.told = "consent.child_told"
            return redirect(url_for("answering.answer"), 303)
        if visit.who not in ("self", "parent"):
            abort(400)
        return redirect(url_for("privacy.purposes"), 303)

    @privacy.get("/consent/purposes")
    def purposes() -> str | AnyResponse:
        visit = desk.visit()
        if visit is None or visit.who not in ("self", "parent") or not offered(desk, visit):
            return to_start() if visit is None else redirect(url_for("answering.answer"))
        ids = _asked(visit)
        ask = "consent.parent_ask" if visit.who == "parent" else "consent.purposes_ask"
        return page(
            desk,
            "purposes.html",
            [ask, *(f"consent.{name}" for name in ids), "consent.terms"],
            back=url_for("privacy.ask"),
            ask=ask,
            purposes=ids,
            contact=device.privacy.contact,
        )

    @privacy.post("/consent/purposes")
    def allow() -> AnyResponse:
        visit = desk.visit()
        if visit is None or visit.given is None or visit.who not in ("self", "parent") or not offered(desk, visit):
            return to_start() if visit is None else redirect(url_for("answering.answer"), 303)
        picked = set(request.form.getlist("purpose")) & set(_asked(visit))
        if "nothing" in request.form or not picked:
            visit.told = "consent.nothing_told"
            return redirect(url_for("answering.answer"), 303)
        allowed = Consent(0)
        for name in picked:
            allowed |= _PURPOSES[name]
        given, by = visit.given, cast(GivenBy, visit.who)
        pcm = b"".join(visit.notes)
        try:
            with desk.room_for_work():
                device.privacy.allow(given.case_id, allowed, by, visit.locale, given.best, pcm)
        except DeviceError as error:
            log.error("a consent could not be kept, nothing is sent: %s", error)
            visit.told = "consent.nothing_told"
            return redirect(url_for("answering.answer"), 303)
        visit.subject = given.case_id
        return redirect(url_for("privacy.code"), 303)

    @privacy.get("/consent/code")
    def code() -> str | AnyResponse:
        visit = desk.visit()
        digits = _code(desk, visit) if visit else ""
        if visit is None or not digits:
            return to_start() if visit is None else redirect(url_for("road.crop"))
        back = url_for("answering.answer") if visit.given else url_for("road.crop")
        spoken = ["consent.code_is", *(f"digit.{digit}" for digit in digits)]
        return page(desk, "code.html", spoken, back=back, digits=digits, contact=device.privacy.contact)

    @privacy.get("/data")
    def enter() -> str | AnyResponse:
        visit = desk.visit()
        if visit is None:
            there = make_response(redirect(url_for("privacy.enter")))
            return desk.begin(desk.locale(), there)
        # Who cannot read hears which digit was taken, not the question eight times.
        spoken = [f"digit.{visit.digits[-1]}"] if visit.digits else ["data.code_ask"]
        return page(desk, "enter_code.html", spoken, back=url_for("road.help_page"), most=CODE_DIGITS)

    @privacy.post("/data")
    def typed() -> AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        digit = request.form.get("digit", "")
        if digit == "back":
            visit.digits = visit.digits[:-1]
        elif len(digit) == 1 and digit.isascii() and digit.isdecimal():
            visit.digits += digit
        else:
            abort(400)
        if len(visit.digits) < CODE_DIGITS:
            return redirect(url_for("privacy.enter"), 303)
        digits, visit.digits, now_ms = visit.digits, "", device.clock.now().mono_ms
        if tries.locked(channel(), now_ms):
            visit.told = "data.wait"
            return redirect(url_for("privacy.enter"), 303)
        try:
            found = device.privacy.find(digits)
        except DeviceError:
            visit.told = "broken"
            return redirect(url_for("privacy.enter"), 303)
        if found is None:
            tries.missed(channel(), now_ms)
            visit.told = "data.unknown"
            return redirect(url_for("privacy.enter"), 303)
        visit.subject = found
        return redirect(url_for("privacy.found"), 303)

    @privacy.get("/data/found")
    def found() -> str | AnyResponse:
        visit = desk.visit()
        if visit is None or not visit.subject:
            return to_start() if visit is None else redirect(url_for("privacy.enter"))
        given = device.privacy.given(visit.subject)
        sent = given is not None and bool(given.purposes)
        spoken = ["data.found_ask", *(["data.take_back"] if sent else []), "data.erase_all", "data.keep"]
        return page(desk, "found.html", spoken, back=url_for("road.help_page"), sent=sent)

    @privacy.post("/data/found")
    def erase() -> AnyResponse:
        visit = desk.visit()
        if visit is None or not visit.subject:
            return to_start() if visit is None else redirect(url_for("privacy.enter"), 303)
        what, case, visit.subject = request.form.get("what", ""), visit.subject, ""
        if what == "keep":
            return redirect(url_for("answering.answer" if visit.given else "road.crop"), 303)
        if what not in ("sent", "whole"):
            abort(400)
        try:
            device.privacy.erase(case, what == "whole", visit.channel)
        except DeviceError as error:
            log.error("an erasure waits: %s", error)
            visit.told = "broken"
            return redirect(url_for("privacy.enter"), 303)
        if visit.given and visit.given.case_id == case:
            visit.notes.clear()
            if what == "whole":
                visit.next_leaf()
        visit.told = "data.done"
        return redirect(url_for("answering.answer" if visit.given else "road.crop"), 303)

    return privacy


def _asked(visit: Visit) -> list[str]:
    """The purposes this visit can be asked for: of a voice note only where one was said."""
    return ["photo", *(["voice"] if visit.notes else []), "training"]


def _code(desk: Desk, visit: Visit) -> str:
    """The code of the consent this visit looks at; empty where there is none in force."""
    given = desk.device.privacy.given(visit.subject) if visit.subject else None
    return given.code if given and given.purposes else ""
