"""The first steps of the road: language, crop, what hurts; and the pages one can always go to: start, help, phone."""

from __future__ import annotations

import io

import segno
import segno.helpers
from flask import Blueprint, Response, abort, g, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_contract.messages import CaseBody
from pikvani_device.diagnosis.symptoms import SYMPTOMS
from pikvani_device.errors import StoreError
from pikvani_device.web.answering import think
from pikvani_device.web.catalogue import LOCALES, say
from pikvani_device.web.desk import COOKIE, Desk, channel, to_start
from pikvani_device.web.drawings import picture_of
from pikvani_device.web.names import condition_name
from pikvani_device.web.page import page
from pikvani_device.web.sounds import speech_path

SYMPTOM_PICTURES = tuple(SYMPTOMS)
"""The symptoms one can touch, each drawn by the marks of the same name in `drawings`."""

_LETTERS = {"mr-IN": "म", "hi-IN": "हि", "en-IN": "A"}


def blueprint(desk: Desk) -> Blueprint:
    """The steps around the photograph."""
    road = Blueprint("road", __name__)
    device = desk.device

    @road.get("/")
    def start() -> str:
        greetings = {locale: speech_path(locale, ["greeting"]) for locale in LOCALES}
        return page(desk, "start.html", [], greetings=greetings, letters=_LETTERS, locale=desk.locale())

    @road.get("/language/<locale>")
    def language(locale: str) -> AnyResponse:
        if locale not in LOCALES:
            abort(404)
        return desk.begin(locale, make_response(redirect(url_for("road.crop"))))

    @road.get("/end")
    def end() -> AnyResponse:
        visit = desk.visit()
        if visit is not None:
            desk.visits.end(visit.id)
            g.visit = None
        response = make_response(redirect(url_for("road.start")))
        response.delete_cookie(COOKIE)
        return response

    @road.get("/crop")
    def crop() -> str | AnyResponse:
        if desk.visit() is None:
            return to_start()
        known = device.package.manifest.crops
        last = _last_crop(desk)
        return page(
            desk,
            "crop.html",
            ["crop_ask"],
            back=url_for("road.start"),
            listens="crop",
            crops=[c for c in known if c != last],
            last=last,
        )

    @road.post("/crop")
    def pick_crop() -> AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        picked = request.form.get("returning") or request.form.get("crop", "")
        if picked and picked not in device.package.manifest.crops:
            abort(400)
        visit.next_leaf()
        visit.crop, visit.asked, visit.returning = picked or None, True, bool(request.form.get("returning"))
        return redirect(url_for("capture.camera"), 303)

    @road.get("/symptoms")
    def symptoms() -> str | AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        if not visit.shots:
            return redirect(url_for("capture.camera"))
        return page(
            desk,
            "symptoms.html",
            ["symptoms_ask"],
            back=url_for("capture.camera"),
            listens="symptoms",
            pictures=SYMPTOM_PICTURES,
        )

    @road.post("/symptoms")
    def pick_symptoms() -> AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        visit.symptoms = frozenset(request.form.getlist("symptom")) & frozenset(SYMPTOMS)
        return think(desk, visit)

    @road.post("/stay")
    def stay() -> tuple[str, int]:
        return ("", 204) if desk.visit() else ("", 410)

    @road.get("/help")
    def help_page() -> str:
        back = url_for("capture.camera") if _aiming(desk) else url_for("road.crop") if desk.visit() else ""
        return page(desk, "help.html", ["help_ask"], back=back or url_for("road.start"))

    @road.get("/phone")
    def phone() -> str | AnyResponse:
        if channel() != "kiosk":
            return to_start()
        web = device.config.web
        return page(
            desk,
            "phone.html",
            ["on_phone_ask"],
            back=url_for("road.start"),
            address=own_address(desk),
            wifi=web.wifi_name,
        )

    @road.get("/phone/<what>.svg")
    def phone_qr(what: str) -> Response:
        web = device.config.web
        if channel() != "kiosk" or what not in ("page", "wifi") or (what == "wifi" and not web.wifi_name):
            abort(404)
        if what == "page":
            return qr(segno.make(own_address(desk), error="m"))
        return qr(
            segno.make(
                segno.helpers.make_wifi_data(web.wifi_name, web.wifi_password, "WPA" if web.wifi_password else None),
                error="m",
            )
        )

    @road.get("/history")
    def history() -> str:
        cases = device.readable_cases(20)
        rows = None if cases is None else [_row(case.body, desk.locale()) for case in cases]
        return page(desk, "history.html", ["history"], back=url_for("road.start"), cases=rows)

    return road


def qr(code: segno.QRCode) -> Response:
    """A QR code as a picture."""
    out = io.BytesIO()
    code.save(out, kind="svg", xmldecl=False, svgns=True, border=3, scale=4, dark="#14210f", light="#ffffff")
    return Response(out.getvalue(), content_type="image/svg+xml")


def own_address(desk: Desk) -> str:
    """Where a phone on the village Wi-Fi finds these pages."""
    web = desk.device.config.web
    port = int(request.environ.get("SERVER_PORT", web.port))
    return f"http://{web.mdns_name}.local" + ("" if port == 80 else f":{port}")


def _row(body: CaseBody, locale: str) -> tuple[str, str, str, list[str]]:
    """An earlier answer: crop, address of its drawing, its name, and what is said of it."""
    if body.decision != "answer":
        unknown = url_for("drawings.drawing", shape="oval", family="unknown")
        return body.crop, unknown, say("refused_title", locale), ["refused_title"]
    crop, _, condition = body.condition.partition("/")
    shape, family = picture_of(body.condition)
    drawing = url_for("drawings.drawing", shape=shape, family=family)
    return crop, drawing, condition_name(body.condition, locale), [f"crop.{crop}", f"condition.{condition}"]


def _last_crop(desk: Desk) -> str:
    """The crop this device was asked about last, if it still knows it; empty for none."""
    try:
        latest = desk.device.latest_cases(1)
    except StoreError:
        return ""
    found = (latest[0].body.crop or latest[0].body.condition.partition("/")[0]) if latest else ""
    return found if found in desk.device.package.manifest.crops else ""


def _aiming(desk: Desk) -> bool:
    visit = desk.visit()
    return visit is not None and visit.asked
