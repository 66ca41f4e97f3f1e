"""Builds the Flask application: routes, guards, headers, words. Nothing in memory that another worker would need."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from pikvani_server.admin import access, charts, cookies, csrf, links, words
from pikvani_server.admin.api import blueprint as api
from pikvani_server.admin.catalogue import LOCALES, t
from pikvani_server.admin.centre import EXTENSION, Centre, allowed, visitor
from pikvani_server.admin.navigation import sections
from pikvani_server.admin.views import BLUEPRINTS
from pikvani_server.admin.views.elsewhere import WaySession
from pikvani_server.admin.views.enrolment import MOST_BATCH_BYTES
from pikvani_server.config import SignInConfig, WebConfig
from pikvani_server.errors import StoreAwayError, StoreRefusedError
from pikvani_server.store import Store

log = logging.getLogger(__name__)

MOST_FORM_BYTES = 64 * 1024
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def create_app(
    store: Store,
    registry: CollectorRegistry,
    broker_ready: Callable[[], bool],
    web: WebConfig | None = None,
    sign_in: SignInConfig | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Flask:
    """Build the application. The database need not answer yet.

    Args:
        store: what is shown.
        registry: what `/metrics` says.
        broker_ready: whether the broker answers, for `/healthz`.
        web: configuration of the pages.
        sign_in: configuration of signing in elsewhere.
        clock: UTC.
    """
    web = web or WebConfig()
    app = Flask("pikvani_server.admin")
    app.config["MAX_CONTENT_LENGTH"] = MOST_FORM_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = MOST_FORM_BYTES
    app.extensions[EXTENSION] = Centre(store, registry, broker_ready, web, sign_in or SignInConfig(), clock)
    if web.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=web.trusted_proxies, x_proto=web.trusted_proxies, x_host=web.trusted_proxies
        )
    app.session_interface = WaySession()
    app.config.update(
        SESSION_COOKIE_NAME="__Host-pikvani-way" if web.secure_cookies else "pikvani-way",
        SESSION_COOKIE_SECURE=web.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    for blueprint in (*BLUEPRINTS, api):
        app.register_blueprint(blueprint)
    app.jinja_env.filters.update(words.FILTERS)
    app.jinja_env.globals.update(
        t=t, label=words.label, moved=words.moved, csrf=csrf.field, allowed=allowed, charts=charts
    )
    app.jinja_env.globals.update(links.NAMES, refresh_s=web.refresh_s)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(_context)
    app.before_request(_prefer)
    access.protect(app)
    app.before_request(csrf.check)
    app.after_request(_secure)
    app.register_error_handler(StoreAwayError, _away)
    app.register_error_handler(StoreRefusedError, _not_kept)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _broken)
    return app


def _prefer() -> None:
    if request.endpoint == "enrolment.batch":
        request.max_content_length = MOST_BATCH_BYTES
    g.locale, g.theme = cookies.preferences()


def _context() -> dict[str, Any]:
    return {
        "who": visitor(),
        "locale": g.get("locale", "en"),
        "theme": g.get("theme", "auto"),
        "locales": LOCALES,
        "themes": cookies.THEMES,
        "sections": sections,
        "said": cookies.said,
    }


def _secure(response: Response) -> Response:
    cookies.finish(response)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint == "static":
        response.headers["Cache-Control"] = "public, max-age=3600"
    else:
        response.headers["Cache-Control"] = "no-store"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _away(error: StoreAwayError) -> ResponseReturnValue:
    log.warning("%s", error)
    if _for_program():
        return jsonify(error="the database does not answer now; nothing is lost, ask again"), 503
    return render_template("away.html", bare=True), 503


def _not_kept(error: StoreRefusedError) -> ResponseReturnValue:
    log.warning("%s", error)
    if _for_program():
        return jsonify(error="the database does not take these values: they hold what no text can"), 400
    return render_template("error.html", bare=True, code=400, text=t("That did not work.")), 400


def _refused(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    headers = [(name, value) for name, value in error.get_headers() if name.casefold() != "content-type"]
    if _for_program():
        answer = jsonify(error=error.description or error.name)
        answer.headers.extend(headers)
        return answer, code
    texts = {
        400: t("This form is old, or did not come from this page. Go back, load the page again and repeat."),
        401: t("You are signed out. Sign in and try again."),
        403: t("Your role does not allow this."),
        404: t("There is no such page."),
        405: t("There is no such page."),
        413: t("That was too much at once."),
    }
    said = error.description if code == 400 and error.description not in (None, "form") else None
    page = render_template("error.html", bare=True, code=code, text=said or texts.get(code, t("That did not work.")))
    return page, code, headers


def _broken(error: Exception) -> ResponseReturnValue:
    log.exception("a page failed: %s %s", request.method, request.path, exc_info=error)
    text = t("Something is wrong at the centre; its log says what. Nothing was changed.")
    if _for_program():
        return jsonify(error="something is wrong at the centre; its log says what"), 500
    return render_template("error.html", bare=True, code=500, text=text), 500


def _for_program() -> bool:
    return request.path.startswith("/api/")
