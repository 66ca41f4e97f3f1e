"""Who may ask at all: known names of this device only, forms only from its own pages; and what every answer carries."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def known_host(host: str) -> bool:
    """Whether a `Host` is one this device can have: a number, localhost, or a `.local` name.

    A page of a stranger whose name points here (DNS rebinding) is no such name.
    """
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or (name.endswith(".local") and len(name) <= 64):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def guard(app: Flask) -> None:
    """Put the rules around every request of `app`."""

    @app.before_request
    def check() -> None:
        try:
            fine = known_host(request.host)
            origin = request.headers.get("Origin")
            if origin and request.method == "POST":
                fine = fine and urlsplit(origin).netloc == request.host
        except ValueError:
            fine = False
        if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method == "POST":
            fine = False
        if not fine:
            abort(403)

    @app.after_request
    def harden(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint == "static":
            response.headers["Cache-Control"] = "public, max-age=3600"
        else:
            response.headers.setdefault("Cache-Control", "no-store")
        return response
