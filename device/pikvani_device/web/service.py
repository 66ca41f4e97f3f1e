"""The technician's page: behind a PIN, and never for an address outside the village's own network.

Health, self-test, camera and microphone, what waits and what it cost, updates, the log, export, consent and erasure,
keys for programs.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from flask import Blueprint, Response, abort, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_device.app.self_tests import try_package
from pikvani_device.diagnosis.photo import encode_for_keeping
from pikvani_device.errors import DeviceError, SpeechError
from pikvani_device.ports import ModemState, SoilReading
from pikvani_device.sync.budget import Usage
from pikvani_device.voice.clips import MAX_BYTES, sound_of
from pikvani_device.web import logtail
from pikvani_device.web.catalogue import date, number, say
from pikvani_device.web.desk import Desk, channel, is_private
from pikvani_device.web.keys import ApiKeys
from pikvani_device.web.names import condition_name
from pikvani_device.web.page import page
from pikvani_device.web.pin import Pin
from pikvani_device.web.printing import soil_text

COOKIE = "pikvani-service"
IDLE_S = 600.0
_THINGS = {"gnss": "service.gnss", "modem": "service.modem", "soil": "service.soil", "printer": "service.printer"}


class Sessions:
    """Who has shown the PIN: tokens in memory, forgotten when not used for ten minutes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen_s: dict[str, float] = {}

    def begin(self) -> str:
        """A new token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._seen_s = {token: time.monotonic()}  # one technician at a time
        return token

    def holds(self, token: str) -> bool:
        """Whether a token is good; it is then used."""
        with self._lock:
            seen_s = self._seen_s.get(token)
            if seen_s is None or time.monotonic() - seen_s > IDLE_S:
                self._seen_s.pop(token, None)
                return False
            self._seen_s[token] = time.monotonic()
            return True

    def end(self, token: str) -> None:
        """Forget a token."""
        with self._lock:
            self._seen_s.pop(token, None)


def blueprint(desk: Desk) -> Blueprint:
    """The technician's pages."""
    service = Blueprint("service", __name__, url_prefix="/service")
    device, sessions, testing = desk.device, Sessions(), threading.Lock()

    def pin() -> Pin:
        return Pin(device.store, device.clock.now)

    @service.before_request
    def only_from_here() -> AnyResponse | None:
        if not is_private():
            abort(403)
        g.technician = sessions.holds(request.cookies.get(COOKIE, ""))
        if not g.technician and request.endpoint not in ("service.front", "service.enter"):
            return redirect(url_for("service.front"), 303)
        return None

    def front_page(told: str = "", detail: str = "", made: str | None = "") -> str:
        if not g.technician:
            return page(
                desk,
                "service_enter.html",
                [],
                back=url_for("road.start"),
                notice=told,
                is_set=pin().is_set,
                locked_s=pin().locked_s(channel()),
                command="pikvani-device service-pin",
                enrols=bool(device.config.enrolment.dir),
            )
        return page(
            desk,
            "service.html",
            [],
            back=url_for("road.start"),
            notice=told,
            detail=detail,
            health=_health(desk) + _instruments(desk),
            cases=_cases(desk),
            keys=ApiKeys(device.store).all(),
            sticks=_sticks(desk),
            log=logtail.TAIL.lines()[-80:],
            camera=device.config.camera.adapter,
            made=made,
            consents=_consents(desk),
            enrols=bool(device.config.enrolment.dir),
            wifi=_wifi(desk),
        )

    @service.get("/")
    def front() -> str:
        return front_page()

    @service.post("/enter")
    def enter() -> AnyResponse | tuple[str, int]:
        if pin().matches(request.form.get("pin", ""), channel()):
            response = redirect(url_for("service.front"), 303)
            response.set_cookie(COOKIE, sessions.begin(), httponly=True, samesite="Strict", path="/service")
            return response
        return front_page("service.wrong_pin"), 403

    @service.post("/leave")
    def leave() -> AnyResponse:
        sessions.end(request.cookies.get(COOKIE, ""))
        response = redirect(url_for("road.start"), 303)
        response.delete_cookie(COOKIE, path="/service")
        return response

    @service.post("/pin")
    def change_pin() -> str:
        try:
            pin().set(request.form.get("pin", ""))
        except DeviceError as error:
            return front_page("service.failed", str(error))
        return front_page("service.done")

    @service.post("/self-test")
    def self_test() -> str:
        if not testing.acquire(blocking=False):
            return front_page("busy")
        try:
            tested = try_package(device.config, device.package.folder, device.package.folder)
        finally:
            testing.release()
        return front_page("service.passed" if tested.passed else "service.failed", tested.detail)

    @service.get("/camera.jpg")
    def camera() -> Response:
        try:
            return Response(encode_for_keeping(device.photograph(), quality=75), content_type="image/jpeg")
        except DeviceError:
            abort(503)

    @service.post("/microphone")
    def microphone() -> str:
        note = request.files.get("note")
        try:
            samples = device.voice.decoder.decode(note.stream.read(MAX_BYTES + 1) if note else b"", "note")
        except SpeechError as error:
            return front_page("service.failed", str(error))
        sound = sound_of(samples)
        detail = f"{sound.seconds:.1f} s, {sound.level:.3f}" + (f", {sound.trouble}" if sound.trouble else "")
        return front_page("service.failed" if sound.trouble == "silent" else "service.passed", detail)

    @service.post("/export")
    def export() -> str:
        picked = request.form.get("stick", "")
        if picked not in _sticks(desk):
            abort(400)
        try:
            released, exported = device.export(Path(picked))
        except DeviceError as error:
            return front_page("service.failed", str(error))
        return front_page("service.done", f"{exported} → {picked}, {released} ✓")

    @service.post("/erase")
    def erase() -> str:
        which, what = request.form.get("which", ""), request.form.get("what", "")
        if what not in ("sent", "whole"):
            abort(400)
        try:
            case = device.privacy.find(which)
            if case is None:
                return front_page("data.unknown")
            device.privacy.erase(case, what == "whole", "service")
        except DeviceError as error:
            return front_page("service.failed", str(error))
        return front_page("data.done")

    @service.post("/keys")
    def make_key() -> str:
        made = ApiKeys(device.store).make(request.form.get("name", ""), device.clock.now().wall_ms)
        return front_page("service.key_made" if made else "service.failed", made=made)

    @service.post("/keys/<key_id>/revoke")
    def revoke(key_id: str) -> AnyResponse:
        ApiKeys(device.store).revoke(key_id)
        return redirect(url_for("service.front"), 303)

    return service


def _health(desk: Desk) -> list[tuple[str, str]]:
    """Name (an id of the catalogue) and state of everything a technician looks at first."""
    device, locale = desk.device, desk.locale()
    facts: list[tuple[str, str]] = [("service.device", device.config.device.id)]
    try:
        found = device.status()
        facts += [
            (name, str(found[name.partition(".")[2]])) for name in ("service.app", "service.model", "service.runtime")
        ]
        for name, before in (("service.queue", ""), ("service.shed", "shed_")):
            counts = [(r["lane"], r[before + "records"], r[before + "bytes"]) for r in found["lanes"] or []]
            told = "; ".join(f"{lane}: {records} ({size} B)" for lane, records, size in counts if records)
            facts.append((name, told or "0"))
    except DeviceError as error:
        facts.append(("service.model", str(error)))
    missing = "; ".join(f"{part}: {why}" for part, why in device.health.missing().items())
    facts.append(("service.without", missing or say("service.nothing", locale)))
    try:
        usage = msgspec.json.decode(device.store.fact("sync.usage") or "{}", type=Usage)
        limit = device.config.sync.monthly_budget_mb
        spent = f"{usage.used_bytes / 1e6:.1f} MB" + (f" / {limit} MB" if limit else "")
        facts.append(("service.budget", spent))
        state = device.updates().state
        facts.append(("service.update", f"{state.phase} {state.version} {state.reason}".strip()))
        seen = [int(device.store.fact(f"helpful.{said}") or 0) for said in ("yes", "no")]
        facts.append(("service.helpful", f"{seen[0]} : {seen[1]}"))
    except (DeviceError, msgspec.ValidationError) as error:
        facts.append(("service.update", str(error)))
    return facts


def _instruments(desk: Desk) -> list[tuple[str, str]]:
    """Name and last words of each configured thing on a serial cable."""
    locale, things = desk.locale(), desk.device.instruments
    facts = []
    for name in things.configured:
        latest, silent = things.latest(name), say("service.silent", locale)
        if isinstance(latest, SoilReading):
            said = soil_text(latest, locale)
        elif isinstance(latest, ModemState):
            signal = f"{latest.signal_dbm} dBm" if latest.signal_dbm is not None else ""
            left = f"{number(latest.data_left_mb, locale)} MB" if latest.data_left_mb is not None else ""
            said = ", ".join(part for part in (latest.operator, signal, left) if part) or silent
        elif name == "gnss":
            said = things.place() or silent
        else:
            said = desk.device.health.missing().get(name, "✓" if name == "printer" else silent)
        facts.append((_THINGS[name], said))
    return facts


def _cases(desk: Desk) -> list[tuple[str, str, str]]:
    """When, what, and the soil then, of the last cases."""
    locale, cases = desk.locale(), desk.device.readable_cases(10) or []
    soil = desk.device.soil_of(cases)
    return [
        (
            date(datetime.fromtimestamp(case.wall_ms / 1000, UTC).date(), locale),
            condition_name(case.body.condition, locale)
            if case.body.decision == "answer"
            else say("refused_title", locale),
            soil_text(soil[case.case_id], locale) if case.case_id in soil else "",
        )
        for case in cases
    ]


def _consents(desk: Desk) -> list[tuple[str, str]]:
    """What was allowed and taken back, and to whom complaints go."""
    privacy = desk.device.privacy
    counts = privacy.shelf.counts()
    return [
        ("service.contact", privacy.contact or say("service.no_contact", desk.locale())),
        ("service.in_force", str(counts["in_force"])),
        ("service.taken_back", str(counts["taken_back"])),
        ("service.erasures_waiting", str(counts["waiting"])),
    ]


def _wifi(desk: Desk) -> str:
    """Address of the Wi-Fi page on this very machine; empty for whoever does not stand at the kiosk."""
    port = desk.device.config.web.wifi_port
    return f"http://127.0.0.1:{port}/?locale={desk.locale()}" if port and channel() == "kiosk" else ""


def _sticks(desk: Desk) -> list[str]:
    """Folders below `web.sticks` that are mounts of their own: USB sticks."""
    place = Path(desk.device.config.web.sticks)
    try:
        found = [path for pattern in ("*", "*/*") for path in place.glob(pattern) if path.is_mount()]
    except OSError:
        return []
    return sorted(str(path) for path in found)
