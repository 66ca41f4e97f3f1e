"""Builds what tells phones the pages' name."""

from __future__ import annotations

import ipaddress
from typing import Protocol

from pikvani_device.config import Config


class Announcer(Protocol):
    """Announces until it is closed."""

    def close(self) -> None:
        """Say goodbye. May be called twice."""
        ...


def announce(config: Config, port: int) -> Announcer | None:
    """Announce the pages, if they listen to more than this machine and have a name; None if not.

    Args:
        config: names them.
        port: they listen on.
    """
    host = config.web.host
    if not config.web.mdns_name or host == "localhost" or _is_loopback(host):
        return None
    from pikvani_device.adapters.announcer_zeroconf import ZeroconfAnnouncer

    everywhere = host in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
    return ZeroconfAnnouncer(config.web.mdns_name, port, None if everywhere else [host])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
