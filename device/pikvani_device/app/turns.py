"""Whose turn it is at the model: the kiosk goes before the phones, and the phones go in the order they came."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """A lock with two queues. Whoever waits in front goes before everyone who waits behind.

    Nobody is interrupted; who holds the turn from behind may step back where it suits him, and goes on next.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._front = 0
        self._stepped_back = 0
        self._next_ticket = 0
        self._serving = 0

    @property
    def someone_is_midway(self) -> bool:
        """Whether one who stepped back has still to finish: what he works with must stay."""
        return self._stepped_back > 0

    @contextmanager
    def turn(self, front: bool = False) -> Iterator[Callable[[], None]]:
        """Wait for the turn and keep it while the block runs.

        Args:
            front: go before all who did not ask for it.

        Yields:
            To be called where the holder can pause: whoever waits in front goes first.
        """
        with self._changed:
            if front:
                self._wait_in_front()
            else:
                mine, self._next_ticket = self._next_ticket, self._next_ticket + 1
                self._changed.wait_for(lambda: self._free_behind() and self._serving == mine)
                self._serving += 1
            self._taken = True
        try:
            yield _stay if front else self._step_back
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()

    def _step_back(self) -> None:
        with self._changed:
            if not self._front:
                return
            self._taken = False
            self._stepped_back += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._taken and not self._front)
            self._stepped_back -= 1
            self._taken = True

    def _wait_in_front(self) -> None:
        self._front += 1
        try:
            self._changed.wait_for(lambda: not self._taken)
        finally:
            self._front -= 1

    def _free_behind(self) -> bool:
        return not self._taken and not self._front and not self._stepped_back


def _stay() -> None:
    """Who is in front steps back for nobody."""
