"""The pages a person sees: ask, answer, and what this device was asked before."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_device.app import Device
from pikvani_device.diagnosis.advice import referral
from pikvani_device.web.names import LOCALES
from pikvani_device.web.submission import SubmissionError, answer

_COOKIE = "pikvani-locale"
_YEAR_S = 365 * 86_400
SURE_FROM, LIKELY_FROM = 0.85, 0.6


def locale_of_request(device: Device) -> str:
    """The language picked before on this browser, else the device's."""
    picked = request.args.get("locale") or request.cookies.get(_COOKIE, "")
    return picked if picked in LOCALES else device.config.device.locale


def how_sure(confidence: float) -> str:
    """The catalogue's word for a confidence from 0 to 1."""
    return "sure" if confidence >= SURE_FROM else "likely" if confidence >= LIKELY_FROM else "unsure_word"


def blueprint(device: Device) -> Blueprint:
    """The pages over one device."""
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    def ask() -> str:
        manifest = device.package.manifest
        return render_template(
            "ask.html", crops=manifest.crops, most=manifest.decision.max_photos, cases=device.readable_cases(20)
        )

    @pages.post("/answer")
    def answer_page() -> str | tuple[str, int]:
        locale = locale_of_request(device)
        try:
            answered = answer(device, request, "lan", locale)
        except SubmissionError as error:
            return render_template("problem.html", reason=error.reason, count=device.pipeline.max_photos), 400
        diagnosis = answered.diagnosis
        return render_template(
            "answer.html",
            diagnosis=diagnosis,
            how_sure=how_sure(diagnosis.confidence),
            kept=answered.case is not None,
            referral=referral(diagnosis.decision, locale),
        )

    @pages.get("/language/<locale>")
    def language(locale: str) -> AnyResponse:
        response: Response = make_response(redirect(url_for("pages.ask")))
        if locale in LOCALES:
            response.set_cookie(_COOKIE, locale, max_age=_YEAR_S, httponly=True, samesite="Lax")
        return response

    return pages
