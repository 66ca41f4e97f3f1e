"""A serial line without a cable: a thing that behaves like a real one answers on it, and can be pulled out."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from pikvani_device.errors import SerialError

_TICK_S = 0.005


class Thing(Protocol):
    """What sits at the other end. Calls come one at a time."""

    def heard(self, data: bytes) -> bytes:
        """What it says to bytes that reached it."""
        ...

    def says(self) -> bytes:
        """What it says by itself, since it was asked last."""
        ...


class FakeLine:
    """A line with a `Thing` at its end.

    Args:
        thing: what answers.
        name: of the line.
    """

    def __init__(self, thing: Thing, name: str = "fake line") -> None:
        self.thing, self.name = thing, name
        self._plugged = True
        self._come = bytearray()
        self._lock = threading.Lock()

    def unplug(self) -> None:
        """Pull the cable: what was on the way is lost."""
        with self._lock:
            self._plugged = False
            self._come.clear()

    def plug(self) -> None:
        """Put it in again."""
        with self._lock:
            self._plugged = True

    def write(self, data: bytes) -> None:
        """See `SerialPort.write`."""
        with self._lock:
            self._must_be_there()
            self._come += self.thing.heard(data)

    def read(self, size: int, timeout_s: float) -> bytes:
        """See `SerialPort.read`."""
        ends_s = time.monotonic() + timeout_s
        while True:
            with self._lock:
                self._must_be_there()
                self._come += self.thing.says()
                if len(self._come) >= size or time.monotonic() >= ends_s:
                    taken = bytes(self._come[:size])
                    del self._come[:size]
                    return taken
            time.sleep(_TICK_S)

    def forget(self) -> None:
        """See `SerialPort.forget`."""
        with self._lock:
            self._come.clear()

    def close(self) -> None:
        """See `SerialPort.close`."""

    def _must_be_there(self) -> None:
        if not self._plugged:
            raise SerialError(f"{self.name} is not plugged in; 'pikvani-device serial list' shows what is")
