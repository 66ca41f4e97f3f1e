"""Which loops of a process live, and what it does without just now. No I/O: who asks decides what follows.

A loop says `beat` at every turn. One that is late is stuck: only a new process helps, so whoever feeds the watchdog
stops. What is merely missing (the disk, the camera) is `without`: the process goes on and says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Health:
    """The health of one process. May be used from any thread.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, tuple[float, float]] = {}
        self._broken: dict[str, str] = {}
        self._without: dict[str, str] = {}
        self.seen: set[str] = set()
        """Parts that have worked since this process began."""

    def expect(self, loop: str, within_s: float) -> None:
        """From now on `loop` beats at least every `within_s` seconds."""
        with self._lock:
            self._due[loop] = (within_s, self._clock() + within_s)

    def beat(self, loop: str) -> None:
        """`loop` lives. A loop nobody expects may beat as well."""
        with self._lock:
            if loop in self._due:
                within_s, _ = self._due[loop]
                self._due[loop] = (within_s, self._clock() + within_s)

    def ended(self, loop: str) -> None:
        """`loop` ended in good order and beats no more."""
        with self._lock:
            self._due.pop(loop, None)

    def broken(self, part: str, why: str) -> None:
        """`part` can only be mended by a new process."""
        with self._lock:
            self._broken[part] = why

    def without(self, part: str, why: str) -> None:
        """The process goes on without `part`."""
        with self._lock:
            self._without[part] = why

    def again(self, part: str) -> None:
        """`part` is back."""
        with self._lock:
            self._without.pop(part, None)

    def stuck(self) -> list[str]:
        """What only a new process can mend, a line each; empty where all loops live."""
        with self._lock:
            now = self._clock()
            late = [
                f"{loop}: no sign of life for {now - due + within_s:.0f} s, {within_s:.0f} allowed"
                for loop, (within_s, due) in self._due.items()
                if now > due
            ]
            return late + [f"{part}: {why}" for part, why in self._broken.items()]

    def missing(self) -> dict[str, str]:
        """What the process does without just now: part and reason."""
        with self._lock:
            return dict(self._without)
