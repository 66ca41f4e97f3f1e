"""Python under libfaketime: 0.9.10 breaks `time.sleep` (EINVAL, or no end) where the monotonic clock is left alone.

On PYTHONPATH of the processes that read another time (`tests/season/calendar.py`).
"""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
