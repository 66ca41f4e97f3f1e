"""The last lines this process logged, for the service page. In memory only."""

from __future__ import annotations

import logging
from collections import deque

_LINES = 300


class LogTail(logging.Handler):
    """Keeps the last lines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[str] = deque(maxlen=_LINES)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        try:
            self._lines.append(self.format(record)[:2_000])
        except Exception:  # a broken record must not break who logged it
            self.handleError(record)

    def lines(self) -> list[str]:
        """Oldest first."""
        return list(self._lines)


TAIL = LogTail()
"""Of this process."""


def install() -> None:
    """Listen to everything this process logs. May be called again."""
    root = logging.getLogger()
    if TAIL not in root.handlers:
        root.addHandler(TAIL)
