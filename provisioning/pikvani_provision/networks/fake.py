"""Wi-Fi without a radio: networks of the imagination that refuse as real ones do. For laptops and tests."""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from pikvani_provision.errors import ProvisionError
from pikvani_provision.networks.port import Network, Outcome, Result, name_fits, passphrase_fits

VILLAGE = {"Gram Panchayat": "pik-vani-2026", "Shala": "", "Dukan": "kapus-soyabean"}


@dataclass
class FakeNetworks:
    """See `Networks`.

    Attributes:
        passphrases: of the networks in reach; empty for an open one.
        silent: those that let one in and give no address.
        hidden: those that do not say their name.
        broken: what every step ends with, empty for nothing.
        seconds: each join takes.
    """

    passphrases: Mapping[str, str] = field(default_factory=lambda: dict(VILLAGE))
    silent: Set[str] = frozenset()
    hidden: Set[str] = frozenset()
    broken: Outcome | None = None
    seconds: float = 0.0
    joined: str = ""
    own: str = ""

    def scan(self) -> list[Network]:
        """See `Networks.scan`."""
        if self.broken is not None:
            raise ProvisionError(f"Wi-Fi cannot be looked at: {self.broken}")
        seen = [name for name in self.passphrases if name not in self.hidden]
        found = [
            Network(name, 90 - 20 * place, bool(self.passphrases[name]), name == self.joined)
            for place, name in enumerate(seen)
        ]
        return sorted(found, key=lambda network: (-network.joined, -network.percent, network.name))

    def join(self, name: str, passphrase: str, hidden: bool = False) -> Result:
        """See `Networks.join`."""
        if not name_fits(name) or not passphrase_fits(passphrase, locked=bool(passphrase)):
            return Result("bad_form")
        if self.broken is not None:
            return Result(self.broken)
        time.sleep(self.seconds)
        self.own = ""  # one radio cannot be a network and be in one
        if name not in self.passphrases or (name in self.hidden and not hidden):
            return Result("not_found")
        if self.passphrases[name] and self.passphrases[name] != passphrase:
            return Result("wrong_passphrase")
        if name in self.silent:
            return Result("no_address")
        self.joined = name
        return Result("joined")

    def hotspot(self, name: str, passphrase: str) -> Result:
        """See `Networks.hotspot`."""
        if not name_fits(name) or not passphrase or not passphrase_fits(passphrase):
            return Result("bad_form")
        if self.broken is not None:
            return Result(self.broken)
        self.own, self.joined = name, ""
        return Result("joined")

    def hotspot_off(self) -> Result:
        """See `Networks.hotspot_off`."""
        self.own = ""
        return Result("joined")
