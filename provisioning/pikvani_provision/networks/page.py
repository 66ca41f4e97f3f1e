"""The page a technician's phone sees on the device's hotspot: networks in reach, a passphrase, and what became of it.

A small WSGI application: no scripts, nothing loaded from elsewhere, every word of a stranger's network escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any
from urllib.parse import parse_qs

from pikvani_provision.errors import ProvisionError
from pikvani_provision.networks.port import Network, Networks, name_fits
from pikvani_provision.networks.words import LOCALES, say

_MAX_BODY = 2_048
_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"),
    ("X-Content-Type-Options", "nosniff"),
]
_STYLE = (
    "body{font:20px/1.5 'Noto Sans Devanagari',sans-serif;margin:0 auto;max-width:30em;padding:1em}"
    "label{display:block;margin-top:1em}input,select,button{font:inherit;width:100%;padding:.6em;box-sizing:border-box}"
    "button{margin-top:1.2em;background:#1b5e20;color:#fff;border:0;border-radius:.4em}p.told{padding:.8em;background:#fff3cd}"
    "p.joined{background:#d7f0d9}"
)
Start = Callable[[str, list[tuple[str, str]]], Any]


def create_page(networks: Networks, locale: str) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """The application.

    Args:
        networks: of this device.
        locale: the first language; `?locale=` picks another.
    """

    def application(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        picked = query.get("locale", [locale])[0]
        tongue = picked if picked in LOCALES else locale
        if environ["REQUEST_METHOD"] == "GET":
            start("200 OK", _HEADERS)
            return [_page(tongue, _form(networks, tongue)).encode()]
        if environ["REQUEST_METHOD"] != "POST":
            start("405 Method Not Allowed", [*_HEADERS, ("Allow", "GET, POST")])
            return [b""]
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > _MAX_BODY:
            start("413 Content Too Large", _HEADERS)
            return [_page(tongue, _told("bad_form", tongue, "")).encode()]
        form = parse_qs(environ["wsgi.input"].read(int(length)).decode("utf-8", "replace"), keep_blank_values=True)
        name, passphrase = form.get("network", [""])[0], form.get("passphrase", [""])[0]
        if not name_fits(name):
            start("400 Bad Request", _HEADERS)
            return [_page(tongue, _told("not_found", tongue, "?")).encode()]
        try:
            outcome = networks.join(name, passphrase).outcome
        except ProvisionError:
            outcome = "no_service"
        start("200 OK" if outcome == "joined" else "422 Unprocessable Content", _HEADERS)
        return [_page(tongue, _told(outcome, tongue, name)).encode()]

    return application


def _page(locale: str, body: str) -> str:
    title = escape(say("title", locale))
    languages = " ".join(f'<a href="/?locale={each}">{each[:2]}</a>' for each in LOCALES)
    return (
        f'<!doctype html><html lang="{locale[:2]}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><p>{languages}</p><h1>{title}</h1>{body}</html>"
    )


def _form(networks: Networks, locale: str) -> str:
    try:
        found = networks.scan()
    except ProvisionError:
        return _told("no_radio", locale, "")
    if not found:
        return _told("none", locale, "")
    options = "".join(_option(network) for network in found[:30])
    return (
        f'<form method="post" action="/?locale={locale}"><label for="n">{escape(say("network", locale))}</label>'
        f'<select id="n" name="network">{options}</select><label for="p">{escape(say("passphrase", locale))}</label>'
        '<input id="p" name="passphrase" type="text" autocomplete="off" autocapitalize="none" spellcheck="false"'
        ' maxlength="64">'
        f"<button>{escape(say('join', locale))}</button></form>"
    )


def _option(network: Network) -> str:
    name = escape(network.name, quote=True)
    mark = "✓ " if network.joined else ""
    return f'<option value="{name}">{mark}{name} ({network.percent}%{"" if network.locked else ", ⚠"})</option>'


def _told(outcome: str, locale: str, name: str) -> str:
    again = "" if outcome == "joined" else f'<p><a href="/?locale={locale}">{escape(say("again", locale))}</a></p>'
    return f'<p class="told {escape(outcome)}">{escape(say(outcome, locale, name))}</p>{again}'
