"""What Wi-Fi set-up asks of the machine, and every way it can end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Outcome = Literal[
    "joined",
    "wrong_passphrase",
    "bad_form",
    "not_found",
    "no_address",
    "no_radio",
    "not_allowed",
    "no_service",
    "timed_out",
    "failed",
]


@dataclass(frozen=True)
class Network:
    """A network in reach.

    Attributes:
        name: its SSID.
        percent: strength, 0 to 100.
        locked: whether it wants a passphrase.
        joined: whether the device is in it.
    """

    name: str
    percent: int
    locked: bool
    joined: bool = False


@dataclass(frozen=True)
class Result:
    """How it ended; `detail` is the machine's own words, never a passphrase."""

    outcome: Outcome
    detail: str = ""


class Networks(Protocol):
    """The Wi-Fi of one machine."""

    def scan(self) -> list[Network]:
        """Networks in reach, the strongest first, each name once.

        Raises:
            ProvisionError: there is no radio, or nobody to ask.
        """
        ...

    def join(self, name: str, passphrase: str, hidden: bool = False) -> Result:
        """Join a network and remember it; one that did not work is not remembered."""
        ...

    def hotspot(self, name: str, passphrase: str) -> Result:
        """Be a network oneself, so that a phone can reach the pages."""
        ...

    def hotspot_off(self) -> Result:
        """Stop being one."""
        ...


def passphrase_fits(passphrase: str, locked: bool = True) -> bool:
    """Whether WPA can take it: 8 to 63 printable ASCII characters, or 64 hexadecimal digits; empty if open."""
    if not locked:
        return passphrase == ""
    if len(passphrase) == 64:
        return all(letter in "0123456789abcdefABCDEF" for letter in passphrase)
    return 8 <= len(passphrase) <= 63 and all(" " <= letter <= "~" for letter in passphrase)


def name_fits(name: str) -> bool:
    """Whether it can be an SSID: 1 to 32 bytes without control characters."""
    return 1 <= len(name.encode()) <= 32 and name.isprintable()
