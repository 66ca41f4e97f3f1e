"""A real terminal with a thing behind it: what pyserial opens is a device file, and pulling the plug closes its end."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from pathlib import Path

from pikvani_device.adapters.serial_fake import Thing


class PtyThing:
    """A thing behind a pseudo terminal.

    Args:
        thing: what answers.
        path: a link to the device file, which changes when it is plugged in again.
        piece: bytes handed over at once; small ones tear answers apart, as real lines do.
    """

    def __init__(self, thing: Thing, path: Path, piece: int = 7) -> None:
        self.thing, self.path, self._piece = thing, path, piece
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.plug()

    def plug(self) -> None:
        """Put it in (again)."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(master, slave, self._stop), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Pull it out: the device file is gone, whoever holds it open gets an error."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
        self.path.unlink(missing_ok=True)

    def say(self, data: bytes) -> None:
        """Let it say something by itself."""
        self._said = data

    _said = b""

    def _serve(self, master: int, slave: int, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                ready, _, _ = select.select([master], [], [], 0.02)
                said, self._said = self._said, b""
                if ready:
                    said += self.thing.heard(os.read(master, 4_096))
                said += self.thing.says()
                for start in range(0, len(said), self._piece):
                    os.write(master, said[start : start + self._piece])
        finally:
            os.close(slave)
            os.close(master)
