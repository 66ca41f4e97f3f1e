"""What other programs on the village network may ask: one diagnosis, and whether the device is well."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, make_response, request

from pikvani_device.diagnosis.advice import referral
from pikvani_device.errors import DeviceError
from pikvani_device.web.desk import Desk
from pikvani_device.web.submission import SubmissionError, answer


def problem(reason: str, detail: str, code: int) -> tuple[Response, int]:
    """An error as JSON: a stable id and one line for a person."""
    return make_response(jsonify(error=reason, detail=detail)), code


def blueprint(desk: Desk) -> Blueprint:
    """The JSON interface over one device."""
    api = Blueprint("api", __name__)
    device = desk.device

    @api.get("/healthz")
    def healthz() -> tuple[Response, int]:
        try:
            found = device.status()
        except DeviceError as error:
            return problem("broken", str(error), 503)
        return make_response(jsonify(ok=True, **found)), 200

    @api.get("/livez")
    def livez() -> tuple[Response, int]:
        """Whether a page can be had at all; touches neither model nor disk."""
        return make_response("alive\n", {"Content-Type": "text/plain"}), 200

    @api.post("/api/v1/diagnose")
    def diagnose() -> tuple[Response, int]:
        locale = device.config.device.locale
        try:
            answered = answer(device, request, "api", locale)
        except SubmissionError as error:
            return problem(error.reason, str(error), 400)
        except DeviceError as error:
            return problem("broken", str(error), 503)
        said = answered.diagnosis
        body = jsonify(
            case_id=answered.case.case_id if answered.case else None,
            kept=answered.case is not None,
            decision=said.decision,
            reason=said.reason,
            crop=said.crop,
            condition=said.condition,
            confidence=said.confidence,
            probabilities=said.probabilities,
            latency_ms=said.latency_ms,
            model_version=said.model,
            runtime=said.runtime,
            referral=referral(said.decision, locale),
        )
        return make_response(body), 200

    return api
