"""What a process tells systemd, by the protocol of sd_notify(3): that it is up, that it lives, that it goes.

The one module here that does I/O: a datagram to the socket that systemd names. Both ends need it and import nobody
else in common. Without that socket (a terminal, a test) nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping

from pikvani_contract.health import Health

log = logging.getLogger(__name__)

_FEEDS_PER_PERIOD = 4


class Service:
    """This process as systemd sees it.

    Args:
        health: the watchdog is fed while nothing in it is stuck.
        environment: where systemd names its socket and the watchdog's period.
        pid: of this process; a period meant for another one is not ours.
    """

    def __init__(self, health: Health, environment: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        self._health = health
        self._address = environment.get("NOTIFY_SOCKET", "")
        period_us = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", "")
        ours = not meant or meant == str(os.getpid() if pid is None else pid)
        self.period_s = int(period_us) / 1e6 if period_us.isdecimal() and ours else 0.0
        """Seconds between two signs of life that systemd allows; 0 where there is no watchdog."""
        self._said: list[str] = []
        self._last_status = ""
        self._stopping = threading.Event()
        self._feeder: threading.Thread | None = None

    def ready(self, probe: Callable[[], None] | None = None) -> None:
        """All is up. From now on the watchdog is fed, by a thread of its own.

        Args:
            probe: called before each feed; it may take as long as it likes, and beats `health` for what it found.
        """
        self._tell("READY=1")
        if self.period_s:
            self._feeder = threading.Thread(target=self._feed, name="watchdog", daemon=True)
            self._feeder.start()
        if probe is not None:
            threading.Thread(target=self._probe, args=(probe,), name="probe", daemon=True).start()

    def stopping(self) -> None:
        """We are on our way out; the watchdog is fed until the process ends, by nobody."""
        self._stopping.set()
        self._tell("STOPPING=1")

    def feed_once(self) -> bool:
        """Feed the watchdog if nothing is stuck; say on the way what is missing.

        Returns:
            Whether it was fed.
        """
        stuck = self._health.stuck()
        if stuck:
            if stuck != self._said:
                log.error("stuck, the watchdog is not fed: %s", "; ".join(stuck))
            self._said = stuck
            self._tell(f"STATUS=stuck: {stuck[0]}")
            return False
        self._said = []
        missing = self._health.missing()
        status = "; ".join(f"without {part}: {why}" for part, why in missing.items()) or "well"
        if status != self._last_status:
            log.info("%s", status)
            self._last_status = status
        self._tell(f"STATUS={status}\nWATCHDOG=1")
        return True

    def _feed(self) -> None:
        while not self._stopping.is_set():
            self.feed_once()
            self._stopping.wait(self.period_s / _FEEDS_PER_PERIOD)

    def _probe(self, probe: Callable[[], None]) -> None:
        while not self._stopping.wait(min(5.0, self.period_s / _FEEDS_PER_PERIOD or 5.0)):
            probe()

    def _tell(self, words: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is one of the kernel's abstract names.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(1.0)
                out.sendto(words.encode(), address)
        except OSError as error:
            log.warning("systemd cannot be told %s: %s", words.partition("\n")[0], error)
