"""A receipt printer that speaks ESC/POS, on a serial or USB-serial line. It is sent pictures only: no code page of such
printers holds Devanagari, and none of them shapes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pikvani_device.errors import SerialError
from pikvani_device.ports import SerialPort

_BAND = 48
"""Rows sent at once: at 9,600 bits a second a band is through before the line's time-out."""
MOST_ROWS = 6_000
"""75 cm of paper."""
_INIT, _PAPER, _CUT = b"\x1b@", b"\x10\x04\x04", b"\x1bd\x05\x1dV\x42\x00"
_STATUS_S = 0.3
_STATUS_MASK, _STATUS_FIXED, _PAPER_END = 0b10010011, 0b00010010, 0b01100000


class EscPosPrinter:
    """A printer at the end of a line.

    Args:
        line: where it listens.
        width_dots: dots of a line, a multiple of 8: 384 for 58 mm paper, 576 for 80 mm.
    """

    def __init__(self, line: SerialPort, width_dots: int = 384) -> None:
        self._line, self.width_dots = line, width_dots

    def print(self, image: NDArray[np.bool_]) -> None:
        """See `SlipPrinter.print`."""
        rows, width = image.shape
        if width != self.width_dots or not 1 <= rows <= MOST_ROWS:
            raise SerialError(f"{width} x {rows} dots do not fit on paper of {self.width_dots} x {MOST_ROWS}")
        self._line.forget()
        self._line.write(_PAPER)
        said = self._line.read(1, _STATUS_S)
        # A printer that only listens says nothing; then nobody can know.
        if said and said[0] & _STATUS_MASK == _STATUS_FIXED and said[0] & _PAPER_END:
            raise SerialError(f"the printer on {self._line.name} has no paper; put in a new roll")
        self._line.write(_INIT)
        for start in range(0, rows, _BAND):
            self._line.write(raster(image[start : start + _BAND]))
        self._line.write(_CUT)

    def close(self) -> None:
        """Let the line go. May be called twice."""
        self._line.close()


def raster(image: NDArray[np.bool_]) -> bytes:
    """A picture as the command GS v 0."""
    rows, width = image.shape
    size: bytes = (width // 8).to_bytes(2, "little") + rows.to_bytes(2, "little")
    dots: bytes = np.packbits(image, axis=1).tobytes()
    return b"\x1dv0\x00" + size + dots
