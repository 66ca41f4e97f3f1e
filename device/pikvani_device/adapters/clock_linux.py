"""The clock of a Linux board: boot id from the kernel, boot-time clock, and wall time with a judgement of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from pikvani_contract.clock import ClockTrust, Moment

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NTP_MARK = Path("/run/systemd/timesync/synchronized")
_FAR_FUTURE_MS = 3 * 365 * 86_400_000


class LinuxClock:
    """Reads the machine's clocks and corrects wall time by what the centre last said."""

    def __init__(self) -> None:
        self._boot_id = _BOOT_ID.read_text().strip()
        self._floor_ms = 0
        self._told_offset_ms: int | None = None
        self._lock = threading.Lock()

    def now(self) -> Moment:
        """All clocks at once; wall time from NTP, else from the centre, else the machine's own."""
        mono_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        wall_ms = time.time_ns() // 1_000_000
        with self._lock:
            if _NTP_MARK.exists():
                trust = ClockTrust.SYNCED
            elif self._told_offset_ms is not None:
                wall_ms, trust = mono_ms + self._told_offset_ms, ClockTrust.SYNCED
            elif self._floor_ms and self._floor_ms <= wall_ms <= self._floor_ms + _FAR_FUTURE_MS:
                trust = ClockTrust.FLOOR
            else:
                trust = ClockTrust.UNTRUSTED
        return Moment(self._boot_id, mono_ms, wall_ms, trust)

    def raise_floor(self, wall_ms: int) -> None:
        """Take the latest time known from before this start: wall time under it is a lie."""
        with self._lock:
            self._floor_ms = max(self._floor_ms, wall_ms)

    def learn(self, wall_ms: int) -> None:
        """Take a time the centre said just now over the authenticated link."""
        mono_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        with self._lock:
            if wall_ms > self._floor_ms:
                self._floor_ms = wall_ms
            self._told_offset_ms = wall_ms - mono_ms
