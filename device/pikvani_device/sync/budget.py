"""The monthly data budget: what the link may cost, with a reserve that only results and alarms may touch."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from pikvani_contract.clock import ClockTrust, Moment
from pikvani_contract.messages import Lane


class Usage(msgspec.Struct, frozen=True):
    """Bytes used in a month, as `YYYY-MM`."""

    month: str = ""
    used_bytes: int = 0


class Budget:
    """Counts bytes and says which lanes may still send.

    Args:
        limit_bytes: for a calendar month; 0 for no limit.
        reserve_percent: share of it kept for results and alarms.
        usage: what was used before, as `usage` gave it.
    """

    def __init__(self, limit_bytes: int, reserve_percent: int, usage: Usage | None = None) -> None:
        self.limit_bytes = limit_bytes
        self._open_bytes = limit_bytes * (100 - reserve_percent) // 100
        self.usage = usage or Usage()

    def spend(self, size: int, moment: Moment) -> None:
        """Count `size` bytes. A new month begins only on a clock that can be believed, and never goes back."""
        month = datetime.fromtimestamp(max(0, moment.wall_ms) / 1000, UTC).strftime("%Y-%m")
        believed = moment.trust > ClockTrust.UNTRUSTED and month > self.usage.month
        if believed or not self.usage.month:
            self.usage = Usage(month if believed else "", size if believed else self.usage.used_bytes + size)
        else:
            self.usage = Usage(self.usage.month, self.usage.used_bytes + size)

    def allowance(self, lane: Lane) -> int | None:
        """Bytes a record of this lane may still cost this month; None for no limit, 0 or less for none at all."""
        if not self.limit_bytes:
            return None
        limit = self.limit_bytes if lane <= Lane.ALARM else self._open_bytes
        return limit - self.usage.used_bytes
