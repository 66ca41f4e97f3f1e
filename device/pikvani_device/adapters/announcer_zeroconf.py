"""Says on the village Wi-Fi where the pages are: `NAME.local` by multicast DNS, so that nobody types numbers."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

import ifaddr
from zeroconf import Error, IPVersion, ServiceInfo, Zeroconf

log = logging.getLogger(__name__)

RETRY_S, LONGEST_RETRY_S = 2.0, 60.0
_SERVICE = "_http._tcp.local."


class ZeroconfAnnouncer:
    """Announces one HTTP server until it is closed, from a thread of its own: the pages wait for no announcement.

    Where it fails (no address yet, no multicast, a machine too busy to answer in time) it is tried again, at first
    after `RETRY_S`, then less and less often.

    Args:
        name: without `.local`.
        port: of the pages.
        addresses: IPv4 addresses to announce, and the only interfaces spoken on; all private ones if left out.
    """

    def __init__(self, name: str, port: int, addresses: Sequence[str] | None = None) -> None:
        self._name, self._port, self._addresses = name, port, addresses
        self._zeroconf: Zeroconf | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_trying, name="announcer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say goodbye. May be called twice."""
        self._stop.set()
        self._thread.join()
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            with suppress(OSError, Error):
                zeroconf.unregister_all_services()
            _let_go(zeroconf)

    def _keep_trying(self) -> None:
        pause_s = RETRY_S
        while not self._stop.is_set() and not self._announced():
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)

    def _announced(self) -> bool:
        chosen = list(self._addresses) if self._addresses is not None else private_addresses()
        if not chosen:
            log.warning("no address on a village network: %s.local is not announced yet", self._name)
            return False
        info = ServiceInfo(
            _SERVICE,
            f"{self._name}.{_SERVICE}",
            addresses=[socket.inet_aton(address) for address in chosen],
            port=self._port,
            properties={"path": "/"},
            server=f"{self._name}.local.",
        )
        zeroconf: Zeroconf | None = None
        try:
            zeroconf = Zeroconf(interfaces=chosen, ip_version=IPVersion.V4Only)
            zeroconf.register_service(info, allow_name_change=True)
        except (OSError, Error) as error:
            log.warning("%s.local is not announced yet: %s", self._name, error or type(error).__name__)
            if zeroconf is not None:
                _let_go(zeroconf)
            return False
        self._zeroconf = zeroconf
        return True


def _let_go(zeroconf: Zeroconf) -> None:
    with suppress(OSError, Error):
        zeroconf.close()


def private_addresses() -> list[str]:
    """IPv4 addresses of this machine that lie on a private network."""
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return [ip for ip in found if ipaddress.ip_address(ip).is_private and not ipaddress.ip_address(ip).is_loopback]
