"""Which records are on their way and not yet receipted. Pure bookkeeping: no store, no network, no clock of its own.

The leases live in memory on purpose: a process that dies forgets them, sends again, and the centre's sequence
sets make that harmless; writing them down would cost the card a write a batch.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from pikvani_contract.messages import Receipt

_QUICK_MS = 1_000
_OPENS = 2


@dataclass(frozen=True)
class Lease:
    """A batch that was handed to the broker.

    Attributes:
        outbox: whose records.
        first: lowest sequence in it.
        last: highest sequence in it.
        sent_ms: monotonic time when it went.
        attempt: 1 for the first time.
    """

    outbox: bytes
    first: int
    last: int
    sent_ms: int
    attempt: int


class Flight:
    """The batches in the air.

    Args:
        window: how many may be in the air at once, at least 1. It opens by one with each batch whose receipt comes
            within a second, to twice as many, and is what it was as soon as one does not come: a fast link is
            kept busy, and a slow one does not carry what cannot be overtaken.
        timeout_ms: how long a receipt may take before its batch goes again; doubled with every attempt, and
            spread by a quarter either way.
        max_timeout_ms: where the doubling ends.
    """

    def __init__(self, window: int, timeout_ms: int, max_timeout_ms: int = 300_000) -> None:
        self._least, self._window = window, window
        self._timeout_ms = timeout_ms
        self._max_timeout_ms = max_timeout_ms
        self._leases: list[Lease] = []
        self._attempts: dict[bytes, int] = {}
        # A thousand devices that lost the same centre must not ask again in the same second.
        self._jitter = random.uniform(0.8, 1.25)  # noqa: S311 - spreads load, hides nothing

    @property
    def full(self) -> bool:
        """Whether the window is used up."""
        return len(self._leases) >= self._window

    @property
    def in_the_air(self) -> int:
        """Batches not receipted yet."""
        return len(self._leases)

    def next_after(self, outbox: bytes) -> int:
        """The sequence after which the next batch of this outbox begins."""
        return max((lease.last for lease in self._leases if lease.outbox == outbox), default=0)

    def sent(self, outbox: bytes, first: int, last: int, now_ms: int) -> None:
        """Note that a batch went out."""
        attempt = self._attempts.get(outbox, 0) + 1
        self._leases.append(Lease(outbox, first, last, now_ms, attempt))

    def receipted(self, receipt: Receipt, now_ms: int) -> None:
        """Strike what a receipt names, and begin the count of attempts anew for its outbox."""
        self._attempts.pop(receipt.outbox, None)
        before = self._leases
        self._leases = [
            lease
            for lease in self._leases
            if lease.outbox != receipt.outbox
            or lease.last > receipt.upto
            or any(first <= lease.last and last >= lease.first for first, last in receipt.gaps)
        ]
        quick = len(before) - len(self._leases) if before and now_ms - before[0].sent_ms < _QUICK_MS else 0
        self._window = min(_OPENS * self._least, self._window + quick)

    def expire(self, now_ms: int) -> int:
        """Give up waiting for batches that took too long; all later ones of the same outbox go again with them.

        Returns:
            How many batches were given up.
        """
        late = {lease.outbox for lease in self._leases if now_ms - lease.sent_ms >= self._patience_ms(lease.attempt)}
        before = len(self._leases)
        if late:
            self._window = self._least
        for outbox in late:
            self._attempts[outbox] = max(lease.attempt for lease in self._leases if lease.outbox == outbox)
        self._leases = [lease for lease in self._leases if lease.outbox not in late]
        return before - len(self._leases)

    def forget(self) -> None:
        """The link is gone: nothing is in the air any more."""
        self._leases.clear()
        self._window = self._least

    def _patience_ms(self, attempt: int) -> int:
        return int(min(self._max_timeout_ms, self._timeout_ms << min(attempt - 1, 16)) * self._jitter)
