"""Says on the village Wi-Fi where the pages are: `NAME.local` by multicast DNS, so that nobody types numbers."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Sequence

import ifaddr
from zeroconf import IPVersion, NonUniqueNameException, ServiceInfo, Zeroconf

log = logging.getLogger(__name__)

_SERVICE = "_http._tcp.local."


class ZeroconfAnnouncer:
    """Announces one HTTP server until it is closed.

    Args:
        name: without `.local`.
        port: of the pages.
        addresses: IPv4 addresses to announce, and the only interfaces spoken on; all private ones if left out.
    """

    def __init__(self, name: str, port: int, addresses: Sequence[str] | None = None) -> None:
        chosen = list(addresses) if addresses is not None else private_addresses()
        self._zeroconf: Zeroconf | None = None
        if not chosen:
            log.warning("no address on a village network: %s.local is not announced", name)
            return
        self._info = ServiceInfo(
            _SERVICE,
            f"{name}.{_SERVICE}",
            addresses=[socket.inet_aton(address) for address in chosen],
            port=port,
            properties={"path": "/"},
            server=f"{name}.local.",
        )
        try:
            self._zeroconf = Zeroconf(interfaces=chosen, ip_version=IPVersion.V4Only)
            self._zeroconf.register_service(self._info, allow_name_change=True)
        except (OSError, NonUniqueNameException) as error:
            log.warning("%s.local is not announced: %s", name, error)
            self.close()

    def close(self) -> None:
        """Say goodbye. May be called twice."""
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            zeroconf.unregister_all_services()
            zeroconf.close()


def private_addresses() -> list[str]:
    """IPv4 addresses of this machine that lie on a private network."""
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return [ip for ip in found if ipaddress.ip_address(ip).is_private and not ipaddress.ip_address(ip).is_loopback]
