"""Numbers and times as a person reads them on a page."""

from __future__ import annotations

from datetime import datetime

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def ago(at: datetime, now: datetime) -> str:
    """How long before `now` it was, in its largest unit: `3 h ago`."""
    seconds = (now - at).total_seconds()
    if seconds < 0:
        return "in the future"
    for length_s, unit in _STEPS:
        if seconds >= length_s:
            return f"{int(seconds // length_s)} {unit} ago"
    return "now"


def percent(share_e4: int) -> str:
    """Ten-thousandths as a percentage."""
    return f"{share_e4 / 100:.0f}%"


def size(count_bytes: int) -> str:
    """Bytes in their largest decimal unit."""
    value = float(count_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.0f} TB"
