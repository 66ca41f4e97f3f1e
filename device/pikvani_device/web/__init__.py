"""The device's pages for the kiosk and the village Wi-Fi, the JSON interface beside them, and the technician's page.

Server-rendered; the few scripts are the device's own, and every page but the live camera works without them. Nothing
is asked of any other host. `create_app` is the way in.

Each module of pages has a function `blueprint(desk)`; `Desk` is what they share.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from flask import Flask, Response, request
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from pikvani_device.app import Device
from pikvani_device.web import (
    answering,
    api,
    capture,
    drawings,
    joining,
    listening,
    logtail,
    printing,
    privacy,
    road,
    service,
    sounds,
)
from pikvani_device.web.advising import HELPLINE
from pikvani_device.web.catalogue import LOCALES, say
from pikvani_device.web.desk import Desk
from pikvani_device.web.guard import guard
from pikvani_device.web.names import condition_name, crop_name, disease_name
from pikvani_device.web.page import page
from pikvani_device.web.sounds import speech_path

log = logging.getLogger(__name__)

_FOR_PROGRAMS = ("/api/", "/healthz", "/metrics", "/livez")
MAX_REQUEST_BYTES = 64 * 2**20
"""Six photographs of a phone and the form around them; more is refused before it is read."""


def create_app(device: Device) -> Flask:
    """The pages of one device.

    Args:
        device: what answers; the caller closes it.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.config["MAX_FORM_PARTS"] = 16
    desk = Desk(device)
    logtail.install()
    guard(app)
    for blueprint in (road, capture, answering, privacy, listening, printing, sounds, service, joining, api):
        app.register_blueprint(blueprint.blueprint(desk))
    app.register_blueprint(drawings.blueprint())
    drawn = {path.stem for path in (Path(__file__).parent / "static" / "crops").glob("*.svg")}

    @app.context_processor
    def words() -> dict[str, object]:
        locale = desk.locale()
        return {
            "locale": locale,
            "locales": LOCALES,
            "drawn": drawn,
            "speech_path": speech_path,
            "whole_number": whole_number,
            "t": partial(say, locale=locale),
            "crop_name": partial(crop_name, locale=locale),
            "disease_name": partial(disease_name, locale=locale),
            "condition_name": partial(condition_name, locale=locale),
        }

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[str | Response, int]:
        code = error.code or 500 if isinstance(error, HTTPException) else 500
        if code >= 500:
            log.exception("a page failed", exc_info=error)
        if code == 404 or code == 405:
            reason = "not_found"
        elif isinstance(error, RequestEntityTooLarge):
            reason = "too_large"
            # Werkzeug says the same of too many parts, which is no matter of size.
            code = code if (request.content_length or 0) > MAX_REQUEST_BYTES else 400
        else:
            reason = "refused_address" if code == 403 else "wrong_form" if code < 500 else "broken"
        if request.path.startswith(_FOR_PROGRAMS):
            return api.problem(reason, say(reason, "en-IN"), code)
        return page(desk, "problem.html", [reason], reason=reason), code

    return app


def whole_number(text: str) -> Markup:
    """Words as a page shows them, with the number of the call centre never broken over two lines."""
    return escape(text).replace(HELPLINE, Markup('<span class="number">{}</span>').format(HELPLINE))
