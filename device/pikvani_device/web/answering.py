"""The answer: what it is, how sure, where on the leaf, what to do; heard again, taken along, and whether it helped."""

from __future__ import annotations

from datetime import UTC, datetime

import cv2
import numpy as np
import segno
from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_device.diagnosis.heat import overlay
from pikvani_device.diagnosis.photo import Photo, encode_for_keeping, read_photo
from pikvani_device.diagnosis.result import Diagnosis
from pikvani_device.errors import DeviceError, PhotoError
from pikvani_device.web.advising import HELPLINE, Told, advice_for, plain_text, referral_for, title_of
from pikvani_device.web.catalogue import date
from pikvani_device.web.desk import BusyError, Desk, channel, to_start
from pikvani_device.web.drawings import picture_of
from pikvani_device.web.page import page
from pikvani_device.web.privacy import offered
from pikvani_device.web.visits import Given, Visit

SURE_FROM, LIKELY_FROM = 0.85, 0.6


def how_sure(confidence: float) -> str:
    """The catalogue's word for a confidence from 0 to 1."""
    return "sure" if confidence >= SURE_FROM else "likely" if confidence >= LIKELY_FROM else "unsure_word"


def think(desk: Desk, visit: Visit) -> AnyResponse:
    """Diagnose the visit's photographs, keep the case, and go to the answer."""
    if not visit.shots:
        visit.told = "no_photo"
        return redirect(url_for("capture.camera"), 303)
    files = [(f"photo {number}", shot.jpeg) for number, shot in enumerate(visit.shots, start=1)]
    device = desk.device
    try:
        with desk.room_for_work():
            diagnosis, photos = device.diagnose(files, visit.crop, visit.symptoms, front=visit.channel == "kiosk")
            case = device.record_if_possible(diagnosis, photos, visit.crop, visit.channel, visit.locale)
    except BusyError:
        visit.told = "busy"
        return redirect(url_for("road.symptoms"), 303)
    best = max(range(len(photos)), key=lambda n: (diagnosis.quality[n].accepted, diagnosis.quality[n].sharpness))
    heat = diagnosis.heat[best] if diagnosis.heat else None
    visit.given = Given(diagnosis, best, heat, case is not None, case.case_id if case else "")
    visit.helpful = ""
    return redirect(url_for("answering.answer"), 303)


def blueprint(desk: Desk) -> Blueprint:
    """The pages of an answer."""
    answering = Blueprint("answering", __name__)

    @answering.get("/answer")
    def answer() -> str | AnyResponse:
        visit, given = _answered(desk)
        if given is None:
            return to_start() if visit is None else redirect(url_for("capture.camera"))
        said = given.diagnosis
        told = advice_for(desk, said, desk.locale())
        shape, family = picture_of(said.condition)
        return page(
            desk,
            "answer.html",
            _spoken(said, told, given.kept),
            back=url_for("capture.camera"),
            listens="answer",
            said=said,
            title=title_of(said),
            kept=given.kept,
            how_sure=how_sure(said.confidence),
            heat=_heat_of(desk, visit, given) is not None if visit else False,
            drawing=url_for("drawings.drawing", shape=shape, family=family),
            stages=told.stages if told else (),
            referral=referral_for(said.decision, desk.locale()),
            helpline=HELPLINE,
        )

    @answering.get("/answer/leaf.jpg")
    def leaf() -> Response:
        visit, given = _answered(desk)
        if visit is None or given is None or given.best >= len(visit.shots):
            abort(404)
        return Response(_heat_of(desk, visit, given) or visit.shots[given.best].jpeg, content_type="image/jpeg")

    @answering.get("/answer/<any(today, this_week, avoid, next_season, about):stage>")
    def stage(stage: str) -> str | AnyResponse:
        visit, given = _answered(desk)
        told = advice_for(desk, given.diagnosis, desk.locale()) if given else None
        if told is None or stage not in told.stages:
            return to_start() if visit is None else redirect(url_for("answering.answer"))
        sentences = told.of(stage)
        return page(
            desk,
            "stage.html",
            [f"stage.{stage}", *(sentence.id for sentence in sentences)],
            back=url_for("answering.answer"),
            listens="answer",
            stage=stage,
            stages=told.stages,
            sentences=sentences,
        )

    @answering.get("/answer/take")
    def take() -> str | AnyResponse:
        visit, given = _answered(desk)
        if given is None:
            return to_start() if visit is None else redirect(url_for("capture.camera"))
        from pikvani_device.web.printing import has_printer

        back, mine = url_for("answering.answer"), bool(desk.device.privacy.contact and given.case_id)
        # A phone holds the answer already; no other camera looks at its screen.
        spoken = ["take_along_how"] if channel() == "kiosk" else [] if visit and visit.helpful else ["helpful_ask"]
        return page(desk, "take.html", spoken, back=back, mine=mine, printer=has_printer(desk))

    @answering.get("/answer/qr.svg")
    def code() -> Response:
        from pikvani_device.web.road import qr

        _, given = _answered(desk)
        if given is None:
            abort(404)
        text = plain_text(given.diagnosis, advice_for(desk, given.diagnosis, desk.locale()), desk.locale())
        return qr(segno.make(text, error="l", micro=False, encoding="utf-8"))

    @answering.get("/answer/print")
    def slip() -> str | AnyResponse:
        visit, given = _answered(desk)
        if given is None:
            return to_start() if visit is None else redirect(url_for("capture.camera"))
        said = given.diagnosis
        return page(
            desk,
            "slip.html",
            [],
            back=url_for("answering.take"),
            said=said,
            title=title_of(said),
            how_sure=how_sure(said.confidence),
            advice=advice_for(desk, said, desk.locale()),
            referral=referral_for(said.decision, desk.locale()),
            today=date(datetime.fromtimestamp(desk.device.clock.now().wall_ms / 1000, UTC).date(), desk.locale()),
        )

    @answering.post("/answer/helpful")
    def helpful() -> AnyResponse:
        visit, given = _answered(desk)
        if visit is None or given is None:
            return to_start()
        picked = request.form.get("helpful", "")
        if picked not in ("yes", "no"):
            abort(400)
        if not visit.helpful:
            _count(desk, picked)
        visit.helpful, visit.told = picked, "helpful_thanks"
        return redirect(url_for("privacy.ask" if offered(desk, visit) else "answering.answer"), 303)

    @answering.post("/again")
    def again() -> AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        visit.next_leaf()
        return redirect(url_for("road.crop"), 303)

    return answering


def _answered(desk: Desk) -> tuple[Visit | None, Given | None]:
    visit = desk.visit()
    return visit, visit.given if visit else None


def _spoken(said: Diagnosis, told: Told | None, kept: bool) -> list[str]:
    """What the answer page says, by ids: the name, how sure, then what to do today; or the honest refusal."""
    crop, _, condition = said.condition.partition("/")
    after = [] if kept else ["not_kept"]
    if said.decision != "answer":
        return [title_of(said), said.reason, f"referral.{said.decision}", *after]
    first = [sentence.id for sentence in told.of("today")] if told else []
    return [f"crop.{crop}", f"condition.{condition}", how_sure(said.confidence), *first, "referral.answer", *after]


def _heat_of(desk: Desk, visit: Visit, given: Given) -> bytes | None:
    """The photograph with its heat as JPEG, or None where the map says nothing."""
    if given.heat is None or given.diagnosis.decision != "answer" or given.best >= len(visit.shots):
        return None
    try:
        photo = read_photo(visit.shots[given.best].jpeg, "photo")
        shown = overlay(photo.pixels, np.asarray(given.heat), desk.device.package.manifest.input.views[0])
        if shown is None:
            return None
        height, width = shown.shape[:2]
        if width > 640:
            shown = cv2.resize(shown, (640, round(height * 640 / width)), interpolation=cv2.INTER_AREA).astype(np.uint8)
        return encode_for_keeping(Photo("heat", shown, *shown.shape[1::-1]), quality=80)
    except PhotoError:
        return None


def _count(desk: Desk, picked: str) -> None:
    """Count what was said to "was this helpful"; a device that cannot keep it still thanks."""
    store = None
    try:
        store = desk.device.store
        name = f"helpful.{picked}"
        store.set_fact(name, str(int(store.fact(name) or 0) + 1))
    except DeviceError:
        return
