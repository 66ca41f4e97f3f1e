"""Whose turn it is at the model: the kiosk goes before the phones, and the phones go in the order they came."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock with two queues. Whoever waits in front goes before everyone who waits behind; nobody is interrupted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._front = 0
        self._next_ticket = 0
        self._serving = 0

    @contextmanager
    def turn(self, front: bool = False) -> Iterator[None]:
        """Wait for the turn and keep it while the block runs.

        Args:
            front: go before all who did not ask for it.
        """
        with self._changed:
            if front:
                self._front += 1
                self._changed.wait_for(lambda: not self._taken)
                self._front -= 1
            else:
                mine, self._next_ticket = self._next_ticket, self._next_ticket + 1
                self._changed.wait_for(lambda: not self._taken and not self._front and self._serving == mine)
                self._serving += 1
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
