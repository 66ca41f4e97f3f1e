"""A satellite receiver that speaks NMEA 0183, as all of them do; the sentence RMC holds place, date and time."""

from __future__ import annotations

import math
import time
from datetime import UTC, date, datetime
from datetime import time as time_of_day

from pynmeagps import NMEAMessage, NMEAReader
from pynmeagps.exceptions import NMEAMessageError, NMEAParseError, NMEATypeError

from pikvani_device.errors import SerialError
from pikvani_device.ports import Fix, SerialPort

_LONGEST = 120
"""Characters of a sentence: 82 by the standard; some receivers write more."""
_PIECE, _PIECE_S = 256, 0.2


class NmeaGnss:
    """A receiver at the end of a line.

    Args:
        line: where it speaks.
    """

    def __init__(self, line: SerialPort) -> None:
        self._line = line

    def fix(self, timeout_s: float) -> Fix | None:
        """See `Gnss.fix`."""
        self._line.forget()
        rest, ends_s, spoke = b"", time.monotonic() + timeout_s, False
        while time.monotonic() < ends_s:
            rest += self._line.read(_PIECE, min(_PIECE_S, timeout_s))
            *lines, rest = rest.split(b"\n")
            rest = rest[-_LONGEST:]
            for sentence in lines:
                message = read_sentence(sentence)
                spoke = spoke or message is not None
                if message is not None and (fix := fix_of(message)) is not None:
                    return fix
        if not spoke:
            raise SerialError(
                f"the satellite receiver on {self._line.name} says nothing that can be read; check its baud rate"
            )
        return None

    def close(self) -> None:
        """Let the line go. May be called twice."""
        self._line.close()


def read_sentence(data: bytes) -> NMEAMessage | None:
    """A sentence whose checksum is right, or None for anything else.

    Args:
        data: a line, bytes of a stranger.
    """
    data = data.strip()
    if not 10 <= len(data) <= _LONGEST or not data.startswith(b"$") or data[-3:-2] != b"*":
        return None
    if any(not 0x20 <= byte < 0x7F for byte in data):
        return None
    try:
        return NMEAReader.parse(data + b"\r\n")
    except (NMEAParseError, NMEAMessageError, NMEATypeError, ValueError, TypeError, IndexError, KeyError):
        return None


def fix_of(message: NMEAMessage) -> Fix | None:
    """The place and time of an RMC sentence that says they are valid."""
    if message.msgID != "RMC" or getattr(message, "status", "") != "A":
        return None
    latitude, longitude = (getattr(message, name, None) for name in ("lat", "lon"))
    if not isinstance(latitude, float) or not isinstance(longitude, float):
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    day, clock = getattr(message, "date", None), getattr(message, "time", None)
    utc_ms = None
    if isinstance(day, date) and isinstance(clock, time_of_day):
        utc_ms = round(datetime.combine(day, clock, UTC).timestamp() * 1_000)
    return Fix(latitude, longitude, utc_ms)
