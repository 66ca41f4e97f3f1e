"""The device's pages for the kiosk and the village Wi-Fi: ask with photographs, read the answer, see what waits.

Server-rendered, without scripts, without a request to anywhere else. `create_app` is the way in.
"""

from __future__ import annotations

import logging
from functools import partial

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from pikvani_device.app import Device
from pikvani_device.web import api, pages
from pikvani_device.web.catalogue import say
from pikvani_device.web.names import LOCALES, condition_name, crop_name

log = logging.getLogger(__name__)

MAX_PHOTO_BYTES = 25 * 2**20
_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "script-src 'none'"
)


def create_app(device: Device) -> Flask:
    """The pages of one device.

    Args:
        device: what answers; the caller closes it.
    """
    app = Flask(__name__)
    # Six photographs and the form around them; more is refused before it is read.
    app.config["MAX_CONTENT_LENGTH"] = 6 * MAX_PHOTO_BYTES + 64 * 1024
    app.config["MAX_FORM_PARTS"] = 16
    app.register_blueprint(pages.blueprint(device))
    app.register_blueprint(api.blueprint(device))

    @app.context_processor
    def words() -> dict[str, object]:
        locale = pages.locale_of_request(device)
        return {
            "locale": locale,
            "locales": LOCALES,
            "t": partial(say, locale=locale),
            "crop_name": partial(crop_name, locale=locale),
            "condition_name": partial(condition_name, locale=locale),
        }

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[str | Response, int]:
        code = error.code or 500 if isinstance(error, HTTPException) else 500
        if code >= 500:
            log.exception("a page failed", exc_info=error)
        reason = "not_found" if code == 404 else "too_large" if isinstance(error, RequestEntityTooLarge) else "broken"
        if request.path.startswith("/api/"):
            return api.problem(reason, say(reason, "en-IN"), code)
        return render_template("problem.html", reason=reason, count=0), code

    return app
