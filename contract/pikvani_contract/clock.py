"""The clock port: monotonic time, the boot it belongs to, and wall time that may lie.

A Raspberry Pi has no battery-backed clock, so it may boot in 1970. Nothing here reads a clock; adapters do.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

import msgspec


class ClockTrust(IntEnum):
    """How far wall time can be believed. Higher is better."""

    UNTRUSTED = 0
    """Nothing has confirmed it since boot."""
    FLOOR = 1
    """Not earlier than the latest known time (signed metadata, a receipt), otherwise unconfirmed."""
    SYNCED = 2
    """Confirmed by NTP or GNSS since boot."""


class Moment(msgspec.Struct, frozen=True):
    """One reading of all clocks at once.

    Attributes:
        boot_id: changes with every boot of the machine; monotonic times compare only within one boot.
        mono_ms: milliseconds since that boot, never steps back, counts suspend.
        wall_ms: UTC milliseconds since 1970 as the machine believes.
        trust: how far `wall_ms` can be believed.
    """

    boot_id: str
    mono_ms: int
    wall_ms: int
    trust: ClockTrust

    @property
    def offset_ms(self) -> int:
        """`wall_ms - mono_ms`: constant within a boot until wall time is set, so it costs nothing on the wire."""
        return self.wall_ms - self.mono_ms


class Clock(Protocol):
    """Reads the time. Code that decides anything by time takes one of these as an argument."""

    def now(self) -> Moment:
        """Read all clocks at once."""
        ...


class ManualClock:
    """A clock that stands still until told: for simulations on fast-forward and for tests.

    Args:
        wall_ms: UTC milliseconds it starts at.
        boot_id: the boot it starts in.
        trust: trust it reports.
    """

    def __init__(
        self, wall_ms: int = 1_790_000_000_000, boot_id: str = "boot-1", trust: ClockTrust = ClockTrust.SYNCED
    ) -> None:
        self._boots = 1
        self._moment = Moment(boot_id, 0, wall_ms, trust)

    def now(self) -> Moment:
        """The time it was last set to."""
        return self._moment

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass on both clocks."""
        m = self._moment
        self._moment = Moment(m.boot_id, m.mono_ms + ms, m.wall_ms + ms, m.trust)

    def step_wall(self, wall_ms: int, trust: ClockTrust) -> None:
        """Set wall time, as NTP or a liar would; monotonic time does not notice."""
        self._moment = Moment(self._moment.boot_id, self._moment.mono_ms, wall_ms, trust)

    def reboot(self, wall_ms: int, trust: ClockTrust = ClockTrust.UNTRUSTED) -> None:
        """Start a new boot at `wall_ms`; monotonic time begins again at zero."""
        self._boots += 1
        self._moment = Moment(f"boot-{self._boots}", 0, wall_ms, trust)
