"""The page of Wi-Fi set-up, on the kiosk's screen and on a phone that joined the device's hotspot.

A small WSGI application: nothing is loaded from elsewhere, every word of a stranger's network is escaped, and nobody is
answered but this machine itself and whoever is on the hotspot, whose passphrase stands on the screen.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import segno

from pikvani_provision.errors import ProvisionError
from pikvani_provision.networks.nmcli import HOTSPOT_ADDRESS, HOTSPOT_NET
from pikvani_provision.networks.port import Network, name_fits
from pikvani_provision.networks.setup import Setup
from pikvani_provision.networks.words import LOCALES, say

HOTSPOT_NAME = "Pikvani"
_MAX_BODY = 2_048
_KEYS = (Path(__file__).parent / "keys.js").read_bytes()
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", _POLICY)]
_STYLE = (
    "body{font:20px/1.5 'Noto Sans Devanagari','Noto Sans',sans-serif;margin:0 auto;max-width:38em;padding:.6em 1em}"
    "label{display:block;margin-top:.6em}input,select,button,.b{font:inherit;width:100%;padding:.5em;"
    "box-sizing:border-box}button,.b{margin-top:.6em;background:#1b5e20;color:#fff;border:0;border-radius:.4em;"
    "display:block;text-align:center;text-decoration:none}.plain{background:#e4efe2;color:#14210f}"
    "p.told{padding:.8em;background:#fff3cd}p.joined{background:#d7f0d9}h1{margin:.3em 0}"
    "#keys div{display:flex;gap:.2em}#keys button{margin-top:.2em;padding:.35em 0;background:#e4efe2;color:#14210f}"
    ".two{display:grid;grid-template-columns:1fr 1fr;gap:.6em}"
    "@media(max-height:620px){body{font-size:15px}h1{display:none}}"
    ".spot{display:flex;gap:1em;align-items:center}.spot img{width:11em;height:11em}code{font-size:1.3em}"
)
Start = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


def create_page(setup: Setup, locale: str, port: int, back: str = "") -> Application:
    """The application.

    Args:
        setup: of this device.
        locale: the first language; `?locale=` picks another.
        port: where phones on the hotspot find this page.
        back: address of the kiosk's own pages; empty for none.
    """

    def application(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        picked = query.get("locale", [locale])[0]
        tongue = picked if picked in LOCALES else locale
        here = _at_kiosk(environ)

        def answer(status: str, body: str, again_s: int = 0) -> list[bytes]:
            start(status, [("Content-Type", "text/html; charset=utf-8"), *_HEADERS])
            return [_page(tongue, body, back if here else "", again_s).encode()]

        if not here and not _on_hotspot(environ, setup):
            return answer("403 Forbidden", "")
        path, method = environ.get("PATH_INFO", "/"), environ["REQUEST_METHOD"]
        if method == "GET" and path == "/keys.js":
            start("200 OK", [("Content-Type", "text/javascript; charset=utf-8"), *_HEADERS])
            return [_KEYS]
        if method == "GET":
            if setup.trying:
                return answer("200 OK", f'<p class="told">{escape(say("trying", tongue))}</p>', again_s=3)
            return answer("200 OK", _outcome(setup, tongue) + _form(setup, tongue, here, port))
        if method != "POST":
            return answer("405 Method Not Allowed", "")
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > _MAX_BODY:
            return answer("413 Content Too Large", _told("bad_form", tongue, ""))
        if not _same_origin(environ):
            return answer("403 Forbidden", "")
        form = parse_qs(environ["wsgi.input"].read(int(length)).decode("utf-8", "replace"), keep_blank_values=True)
        if path == "/hotspot" and here:
            if form.get("off"):
                setup.close_hotspot()
            else:
                setup.open_hotspot(HOTSPOT_NAME)
            return answer("200 OK", _outcome(setup, tongue) + _form(setup, tongue, here, port))
        name, passphrase = form.get("network", [""])[0], form.get("passphrase", [""])[0]
        if not name_fits(name):
            return answer("400 Bad Request", _told("not_found", tongue, "?"))
        setup.begin(name, passphrase)
        words = "trying" if here else "trying_from_phone"
        return answer("202 Accepted", f'<p class="told">{escape(say(words, tongue, name))}</p>', again_s=3)

    return application


def _at_kiosk(environ: dict[str, Any]) -> bool:
    host = environ.get("HTTP_HOST", "").rpartition(":")[0]
    return _address(environ).is_loopback and host in ("127.0.0.1", "localhost")


def _on_hotspot(environ: dict[str, Any], setup: Setup) -> bool:
    host = environ.get("HTTP_HOST", "").partition(":")[0]
    return setup.hotspot is not None and _address(environ) in HOTSPOT_NET and host == HOTSPOT_ADDRESS


def _address(environ: dict[str, Any]) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(environ.get("REMOTE_ADDR", ""))
    except ValueError:
        return ipaddress.IPv4Address("0.0.0.0")  # noqa: S104 - nobody's address


def _same_origin(environ: dict[str, Any]) -> bool:
    origin = environ.get("HTTP_ORIGIN")
    return origin is None or origin == f"http://{environ.get('HTTP_HOST', '')}"


def _page(locale: str, body: str, back: str, again_s: int) -> str:
    title = escape(say("title", locale))
    languages = " · ".join(f'<a href="/?locale={each}">{escape(say("language", each))}</a>' for each in LOCALES)
    again = f'<meta http-equiv="refresh" content="{again_s};url=/?locale={locale}">' if again_s else ""
    home = f'<a class="b plain" href="{escape(back, quote=True)}">{escape(say("back", locale))}</a>' if back else ""
    return (
        f'<!doctype html><html lang="{locale[:2]}"><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><p>{languages}</p><h1>{title}</h1>{body}{home}</html>"
    )


def _form(setup: Setup, locale: str, here: bool, port: int) -> str:
    spot = _hotspot(setup, locale, port) if here else ""
    if here and setup.hotspot is not None:
        return spot  # the radio is the hotspot now: what is in reach is chosen on the phone
    try:
        found = setup.networks.scan()
    except ProvisionError:
        return _told("no_radio", locale, "")
    if not found:
        return _told("none", locale, "") + spot
    options = "".join(_option(network) for network in found[:30])
    keys = '<div id="keys"></div><script src="/keys.js"></script>' if here else ""
    return (
        f'<form method="post" action="/?locale={locale}"><div class="two"><label>{escape(say("network", locale))}'
        f'<select name="network">{options}</select></label><label>{escape(say("passphrase", locale))}'
        '<input id="p" name="passphrase" type="text" autocomplete="off" autocapitalize="none" spellcheck="false"'
        f' maxlength="64"></label></div>{keys}'
        f"<button>{escape(say('join', locale))}</button></form>{spot}"
    )


def _hotspot(setup: Setup, locale: str, port: int) -> str:
    action = f'<form method="post" action="/hotspot?locale={locale}">'
    if setup.hotspot is None:
        words = escape(say("by_phone", locale))
        return f'{action}<input type="hidden" name="on" value="1"><button class="plain">{words}</button></form>'
    spot, url = setup.hotspot, f"http://{HOTSPOT_ADDRESS}:{port}/"
    code = segno.make(f"WIFI:T:WPA;S:{spot.name};P:{spot.passphrase};;", error="m", micro=False)
    told = f"1. <code>{escape(spot.name)}</code>, <code>{escape(spot.passphrase)}</code><br>2. <code>{url}</code>"
    return (
        f'<div class="spot"><img alt="" src="{code.svg_data_uri(scale=6, border=2)}">'
        f"<p>{escape(say('how_by_phone', locale))}<br>{told}</p></div>{action}"
        f'<input type="hidden" name="off" value="1"><button class="plain">{escape(say("stop", locale))}</button></form>'
    )


def _option(network: Network) -> str:
    name = escape(network.name, quote=True)
    mark = "✓ " if network.joined else ""
    return f'<option value="{name}">{mark}{name} ({network.percent}%{"" if network.locked else ", ⚠"})</option>'


def _outcome(setup: Setup, locale: str) -> str:
    return _told(setup.last[0], locale, setup.last[1]) if setup.last else ""


def _told(outcome: str, locale: str, name: str) -> str:
    return f'<p class="told {escape(outcome)}">{escape(say(outcome, locale, name))}</p>'
