"""What the farmer's pages share: the device, the visits, and who asks from where."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_device.app import Device
from pikvani_device.web.names import LOCALES
from pikvani_device.web.visits import Channel, Visit, Visits

COOKIE = "pikvani-visit"
UPLOADS_AT_ONCE = 1
"""Requests of phones that decode photographs or think at the same time: the rest of the machine is the kiosk's."""


_VILLAGE = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)


class BusyError(Exception):
    """Too many phones at once; ask again in a moment."""


@dataclass
class Desk:
    """Shared by the blueprints; every page module has a function `blueprint(desk)`.

    Attributes:
        device: what answers.
        visits: who is asking.
    """

    device: Device
    visits: Visits = field(default_factory=Visits)
    _uploads: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(UPLOADS_AT_ONCE))

    def visit(self) -> Visit | None:
        """The visit of this request, or None."""
        if "visit" not in g:
            g.visit = self.visits.find(request.cookies.get(COOKIE, ""))
        found: Visit | None = g.visit
        return found

    def locale(self) -> str:
        """The language of this request's page: that of the visit, else what the link says, else the device's."""
        visit = self.visit()
        asked = request.args.get("locale", "")
        return visit.locale if visit else asked if asked in LOCALES else self.device.config.device.locale

    def begin(self, locale: str, response: Response) -> Response:
        """Begin a visit and send its cookie along with `response`."""
        old = self.visit()
        if old is not None:
            self.visits.end(old.id)
        g.visit = self.visits.begin(channel(), locale)
        response.set_cookie(COOKIE, g.visit.id, httponly=True, samesite="Lax")
        return response

    @contextmanager
    def room_for_work(self) -> Iterator[None]:
        """Around what costs a phone's request much time.

        Raises:
            BusyError: enough phones are being served.
        """
        if channel() == "kiosk":
            yield
            return
        if not self._uploads.acquire(timeout=8.0):
            raise BusyError
        try:
            yield
        finally:
            self._uploads.release()

    @property
    def live_camera(self) -> bool:
        """Whether this page may show the device's own camera."""
        return channel() == "kiosk" and self.device.config.camera.adapter != "none"


def channel() -> Channel:
    """The kiosk is the browser on the device itself, asking by the device's own loopback name."""
    host = request.host.rpartition(":")[0] if request.host.count(":") == 1 else request.host
    own = host in ("127.0.0.1", "localhost") or request.host.startswith("[::1]")
    return "kiosk" if own and is_loopback() else "lan"


def is_loopback() -> bool:
    """Whether the request came from this very machine, through no proxy."""
    address = _address()
    return address is not None and address.is_loopback


def is_private() -> bool:
    """Whether the request came from the village's own network, through no proxy."""
    address = _address()
    if address is None:
        return False
    return address.is_loopback or any(address in net for net in _VILLAGE if net.version == address.version)


def _address() -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Who asks; None where it cannot be told, as behind a proxy."""
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return None
    try:
        found = ipaddress.ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def to_start() -> AnyResponse:
    """Where a visit that is over goes."""
    return redirect(url_for("road.start"))
