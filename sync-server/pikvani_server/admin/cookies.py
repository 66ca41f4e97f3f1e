"""The cookies of the pages: session, form, preferences and what is said once. All of them HttpOnly and SameSite."""

from __future__ import annotations

import secrets
from typing import Literal

from flask import g, request
from itsdangerous import BadData
from werkzeug.wrappers import Response

from pikvani_server.accounts.sessions import WHOLE
from pikvani_server.admin.catalogue import DEFAULT, LOCALES
from pikvani_server.admin.centre import centre, signer

THEMES = ("auto", "light", "dark")
_YEAR_S = 365 * 86_400
_SAID_S = 60

Tone = Literal["good", "bad", "plain"]


def _name(name: str) -> str:
    # The prefix makes a browser refuse one set by a neighbour host or over plain HTTP.
    return f"__Host-pikvani-{name}" if centre().web.secure_cookies else f"pikvani-{name}"


def _get(name: str) -> str:
    return request.cookies.get(_name(name), "")[:400]


def _set(response: Response, name: str, value: str, max_age_s: int | None, strict: bool = False) -> None:
    secure = centre().web.secure_cookies
    same = "Strict" if strict else "Lax"
    response.set_cookie(_name(name), value, max_age=max_age_s, secure=secure, httponly=True, samesite=same, path="/")


def session() -> str:
    """The session's secret, empty for none."""
    return _get("session")


def set_session(response: Response, cookie: str) -> None:
    """Give a session. Lax, so that a link in a letter leads to a page and not to signing in."""
    _set(response, "session", cookie, int(WHOLE.total_seconds()))


def drop_session(response: Response) -> None:
    """Take it back."""
    _set(response, "session", "", 0)


def form_binding() -> str:
    """What ties a form to this browser: made at the first form."""
    if "form_binding" not in g:
        g.form_binding = _get("form") or secrets.token_urlsafe(16)
    found: str = g.form_binding
    return found


def known_form_binding() -> str:
    """As sent, empty for none."""
    return _get("form")


def preferences() -> tuple[str, str]:
    """Language and theme: as chosen, else what the browser asks for."""
    language, _, theme = _get("prefers").partition("/")
    if language not in LOCALES:
        language = request.accept_languages.best_match(list(LOCALES), DEFAULT) or DEFAULT
    return language, theme if theme in THEMES else "auto"


def set_preferences(response: Response, language: str, theme: str) -> None:
    """Keep them for a year."""
    _set(response, "prefers", f"{language}/{theme}", _YEAR_S)


def say(text: str, tone: Tone = "good") -> None:
    """Show a text on the next page."""
    g.to_say = [*g.get("to_say", []), [tone, text]]


def said() -> list[list[str]]:
    """What the page before left to say."""
    sent = _get_long("said")
    if not sent:
        return []
    g.drop_said = True
    try:
        found = signer("said").loads(sent, max_age=_SAID_S)
    except BadData:
        return []
    return [[str(tone), str(text)] for tone, text in found]


def _get_long(name: str) -> str:
    return request.cookies.get(_name(name), "")[:4_000]


def finish(response: Response) -> None:
    """Write what this request left to be written."""
    if "form_binding" in g and not known_form_binding():
        _set(response, "form", g.form_binding, None, strict=True)
    if g.get("to_say"):
        _set(response, "said", signer("said").dumps([[tone, text[:600]] for tone, text in g.to_say[:3]]), _SAID_S)
    elif g.get("drop_said"):
        _set(response, "said", "", 0)
