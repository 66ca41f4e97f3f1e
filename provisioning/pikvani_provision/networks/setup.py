"""One set-up of Wi-Fi: a try that runs while its page waits, and a hotspot that comes back when the try failed.

A board has one radio: while it tries the village's network it cannot be a hotspot, and the phone that asked is alone.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass

from pikvani_provision.errors import ProvisionError
from pikvani_provision.networks.port import Networks, Outcome

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True)
class Hotspot:
    """A network of our own: its name, and the passphrase made for this evening."""

    name: str
    passphrase: str


class Setup:
    """What the pages ask for. Safe to use from several threads.

    Args:
        networks: of this machine.
    """

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.last: tuple[Outcome, str] | None = None
        """How the last try ended, and with which network."""
        self.hotspot: Hotspot | None = None

    @property
    def trying(self) -> bool:
        """Whether a try is under way."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self, name: str, passphrase: str, hidden: bool = False) -> bool:
        """Try a network; returns whether it began, which it does not while another try is under way."""
        with self._lock:
            if self.trying:
                return False
            self.last = None
            self._thread = threading.Thread(target=self._try, args=(name, passphrase, hidden), daemon=True)
            self._thread.start()
            return True

    def wait(self, seconds: float) -> None:
        """Until the try has ended, or so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def open_hotspot(self, name: str) -> Outcome:
        """Be a network, under a passphrase made anew."""
        spot = Hotspot(name, "".join(secrets.choice(_LETTERS) for _ in range(10)))
        try:
            outcome = self.networks.hotspot(spot.name, spot.passphrase).outcome
        except ProvisionError:
            outcome = "no_service"
        self.hotspot = spot if outcome == "joined" else None
        self.last = None if outcome == "joined" else (outcome, name)
        return outcome

    def close_hotspot(self) -> None:
        """Stop being one."""
        self.hotspot = None
        self.networks.hotspot_off()

    def _try(self, name: str, passphrase: str, hidden: bool) -> None:
        spot = self.hotspot
        try:
            outcome = self.networks.join(name, passphrase, hidden).outcome
        except ProvisionError:
            outcome = "no_service"
        self.last = outcome, name
        if spot is None:
            return
        if outcome == "joined":
            self.hotspot = None
        else:
            # The same name and passphrase: the phone comes back by itself and reads what went wrong.
            self.networks.hotspot(spot.name, spot.passphrase)
