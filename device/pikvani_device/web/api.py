"""What other programs on the village network may ask: a diagnosis, the last cases, and whether the device is well.

Programs on the device itself need no key; all others show one that the technician made. `openapi.py` describes it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request
from prometheus_client import CONTENT_TYPE_LATEST

from pikvani_device.diagnosis.advice import referral
from pikvani_device.errors import DeviceError, StoreError
from pikvani_device.ports import SoilReading
from pikvani_device.web import metrics as device_metrics
from pikvani_device.web.advising import advice_for
from pikvani_device.web.desk import BusyError, Desk, is_loopback
from pikvani_device.web.keys import ApiKeys
from pikvani_device.web.openapi import describe
from pikvani_device.web.submission import SubmissionError, answer

Answer = tuple[Response, int]
MAX_CASES = 200
_RETRY_S = "5"


def problem(reason: str, detail: str, code: int) -> Answer:
    """An error as JSON: a stable id and one line for a person."""
    response = make_response(jsonify(error=reason, detail=detail))
    if code == 503:
        response.headers["Retry-After"] = _RETRY_S
    return response, code


def blueprint(desk: Desk) -> Blueprint:
    """The JSON interface over one device."""
    api = Blueprint("api", __name__)
    device = desk.device

    def turned_away() -> Answer | None:
        """None where the request may be answered."""
        if is_loopback():
            return None
        try:
            if ApiKeys(device.store).opens(request.headers.get("X-API-Key", "")):
                return None
        except StoreError as error:
            return problem("broken", str(error), 503)
        return problem("no_key", "send a key in the header X-API-Key; the technician makes one on /service", 401)

    @api.get("/healthz")
    def healthz() -> Answer:
        try:
            found = device.status()
        except DeviceError as error:
            return problem("broken", str(error), 503)
        return make_response(jsonify(ok=True, instruments=device.instruments.as_json(), **found)), 200

    @api.get("/livez")
    def livez() -> Answer:
        """Whether a page can be had at all; touches neither model nor disk."""
        return make_response("alive\n", {"Content-Type": "text/plain"}), 200

    @api.get("/metrics")
    def metrics() -> Response:
        return Response(device_metrics.text(device, desk.visits), content_type=CONTENT_TYPE_LATEST)

    @api.get("/api/v1/openapi.json")
    def openapi() -> Answer:
        manifest = device.package.manifest
        return make_response(jsonify(describe(manifest.crops, manifest.decision.max_photos))), 200

    @api.get("/api/v1/cases")
    def cases() -> Answer:
        if (refused := turned_away()) is not None:
            return refused
        limit = request.args.get("limit", "20")
        known = set(request.args) <= {"limit"} and len(request.args.getlist("limit")) <= 1
        if not known or not limit.isascii() or not limit.isdecimal() or not 1 <= int(limit[:9]) <= MAX_CASES:
            return problem("bad_limit", f"give limit once, from 1 to {MAX_CASES}, and nothing else", 400)
        found = device.readable_cases(int(limit))
        if found is None:
            return problem("broken", "the case store cannot be read just now", 503)
        soil = device.soil_of(found)
        return make_response(jsonify(cases=[_case(case, soil.get(case.case_id)) for case in found])), 200

    @api.post("/api/v1/diagnose")
    def diagnose() -> Answer:
        if (refused := turned_away()) is not None:
            return refused
        try:
            with desk.room_for_work():
                answered = answer(device, request)
        except SubmissionError as error:
            return problem(error.reason, str(error), 400)
        except BusyError:
            return problem("busy", "other requests are being answered; ask again in a moment", 503)
        except DeviceError as error:
            return problem("broken", str(error), 503)
        said, locale = answered.diagnosis, answered.locale
        told = advice_for(desk, said, locale)
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
            advice=[
                {
                    "id": s.id,
                    "stage": s.stage,
                    "text": s.text,
                    "source": s.source,
                    "page": str(s.page),
                    "date": str(s.date),
                    "reviewed": s.reviewed,
                }
                for s in (told.sentences if told else ())
            ],
            referral=referral(said.decision, locale),
        )
        return make_response(body), 200

    return api


def _case(case: Any, soil: SoilReading | None) -> dict[str, object]:
    body = case.body
    return {
        "case_id": case.case_id,
        "at_ms": case.wall_ms,
        "decision": body.decision,
        "reason": body.reason,
        "condition": body.condition,
        "confidence": body.confidence / 10_000,
        "photos": body.photos,
        "model_version": body.model,
        "synced": case.synced,
        "soil": asdict(soil) if soil else None,
    }
