"""Forms come from our own pages: a signed token tied to the browser and to the session, and the browser's own word."""

from __future__ import annotations

import hmac

from flask import abort, request
from itsdangerous import BadData
from markupsafe import Markup

from pikvani_server.admin import cookies
from pikvani_server.admin.centre import signer, visitor

FIELD = "csrf"
_AGE_S = 12 * 3_600
_SAFE = ("GET", "HEAD", "OPTIONS")


def field() -> Markup:
    """The hidden field every form that posts holds."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token())


def token() -> str:
    """Good in this browser, for this session, for half a day."""
    return str(signer("form").dumps([cookies.form_binding(), _session()]))


def check() -> None:
    """Refuse a form that is not ours, with 400. Requests with a token for programs are no forms."""
    if request.method in _SAFE or request.endpoint is None or request.endpoint.startswith("api."):
        return
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(400, "form")
    binding = cookies.known_form_binding()
    try:
        told, session = signer("form").loads(request.form.get(FIELD, ""), max_age=_AGE_S)
    except (BadData, ValueError, TypeError):
        abort(400, "form")
    same = isinstance(told, str) and hmac.compare_digest(told.encode(), binding.encode("utf-8", "replace"))
    if not binding or not same or session != _session():
        abort(400, "form")


def _session() -> str:
    who = visitor()
    return who.session_id.hex() if who else ""
