"""Things for a `FakeLine` that behave as the real ones: a receiver, a modem, a soil probe and a printer.

For rehearsals without hardware (`adapter = "fake"`), and for the tests, which also put them behind a real terminal.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from pikvani_device.adapters.serial_soil import crc


class Receiver:
    """Says where it is, once a second, from the moment somebody listens.

    Attributes:
        sees_sky: false for one that knows no place.
        utc: what time it says.
    """

    def __init__(self, latitude: float = 18.5204, longitude: float = 73.8567) -> None:
        self.latitude, self.longitude, self.sees_sky = latitude, longitude, True
        self.utc: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._said_s = 0.0

    def heard(self, data: bytes) -> bytes:
        """It has no ears."""
        return b""

    def says(self) -> bytes:
        """The sentences of a second."""
        if time.monotonic() - self._said_s < 1.0:
            return b""
        self._said_s = time.monotonic()
        now = self.utc()
        clock, day = now.strftime("%H%M%S.00"), now.strftime("%d%m%y")
        if not self.sees_sky:
            return _nmea(f"GNGGA,{clock},,,,,0,00,99.99,,,,,,") + _nmea(f"GNRMC,{clock},V,,,,,,,{day},,,N,V")
        place = f"{_degrees(self.latitude, 'NS', 2)},{_degrees(self.longitude, 'EW', 3)}"
        return _nmea(f"GNGGA,{clock},{place},1,09,0.9,560.0,M,-68.0,M,,") + _nmea(
            f"GNRMC,{clock},A,{place},0.1,,{day},,,A,V"
        )


class CellularModem:
    """Answers AT commands like a USB modem with a SIM in it.

    Attributes:
        sent: numbers and texts of the SMS it took.
        has_network: false for a place without any.
    """

    def __init__(self, operator: str = "Airtel", bars: int = 17, data_left: str = "Balance 412.5 MB valid 7d") -> None:
        self.operator, self.bars, self.data_left = operator, bars, data_left
        self.sent: list[tuple[str, str]] = []
        self.has_network = True
        self._line, self._number = "", ""

    def heard(self, data: bytes) -> bytes:
        """Answers to the commands that are complete now."""
        said = b""
        for char in data.decode("ascii", "replace"):
            if self._number and char in "\x1a\x1b":
                said += self._message(char == "\x1a")
            elif not self._number and char == "\r":
                said, self._line = said + self._command(self._line.strip()), ""
            else:
                self._line = (self._line + char)[-1_000:]
        return said

    def says(self) -> bytes:
        """Nothing by itself."""
        return b""

    def _message(self, whole: bool) -> bytes:
        number, text = self._number, self._line
        self._number = self._line = ""
        if not whole:
            return b"\r\nOK\r\n"
        if not self.has_network:
            return b"\r\n+CMS ERROR: 331\r\n"
        self.sent.append((number, text))
        return f"\r\n+CMGS: {len(self.sent)}\r\n\r\nOK\r\n".encode()

    def _command(self, line: str) -> bytes:
        if found := re.fullmatch(r'AT\+CMGS="(\+?\d+)"', line):
            self._number = found[1]
            return b"\r\n> "
        if line.startswith("AT+CUSD=1,"):
            return b"\r\nOK\r\n" + f'\r\n+CUSD: 0,"{self.data_left}",15\r\n'.encode()
        state, name = ("1", f',0,"{self.operator}",7') if self.has_network else ("2", "")
        said = {
            "AT+CSQ": f"+CSQ: {self.bars if self.has_network else 99},99",
            "AT+CREG?": f"+CREG: 0,{state}",
            "AT+CEREG?": f"+CEREG: 0,{state}",
            "AT+COPS?": f"+COPS: 0{name}",
        }
        if line in said:
            return f"\r\n{said[line]}\r\n\r\nOK\r\n".encode()
        known = line in ("AT", "ATE0", "AT+CMGF=1", "AT+COPS=3,0")
        return b"\r\nOK\r\n" if known else b"\r\nERROR\r\n"


class SoilThing:
    """Answers Modbus RTU; the soil under it can be changed.

    Attributes:
        registers: moisture and temperature in tenths, conductivity.
    """

    def __init__(self, address: int = 1, moisture: int = 312, temperature: int = 265, ec: int = 840) -> None:
        self.address, self.registers = address, [moisture, temperature & 0xFFFF, ec]
        self._come = b""

    def heard(self, data: bytes) -> bytes:
        """The answer to a whole question for its address; nothing to anything else."""
        self._come = (self._come + data)[-8:]
        frame, check = self._come[:-2], self._come[-2:]
        if len(frame) != 6 or crc(frame) != check or frame[0] != self.address:
            return b""
        self._come = b""
        first, count = int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big")
        if frame[1] != 3 or first + count > len(self.registers):
            said = bytes((self.address, frame[1] | 0x80, 2))
        else:
            words = self.registers[first : first + count]
            said = bytes((self.address, 3, 2 * count)) + b"".join(word.to_bytes(2, "big") for word in words)
        return said + crc(said)

    def says(self) -> bytes:
        """Nothing by itself."""
        return b""


class ReceiptPrinter:
    """Understands what a receipt printer is sent, and shows the slips.

    Attributes:
        slips: what came out, cut.
        paper: false for an empty roll.
    """

    def __init__(self) -> None:
        self.slips: list[NDArray[np.bool_]] = []
        self.paper = True
        self._come = b""
        self._bands: list[NDArray[np.bool_]] = []

    def heard(self, data: bytes) -> bytes:
        """Its state where it is asked; paper comes out of the rest."""
        said, self._come = b"", self._come + data
        while (length := _command_length(self._come)) and length <= len(self._come):
            command, self._come = self._come[:length], self._come[length:]
            if command == b"\x10\x04\x04":
                said += b"\x12" if self.paper else b"\x72"
            elif command.startswith(b"\x1dv0"):
                dots = np.frombuffer(command[8:], np.uint8).reshape(-1, int.from_bytes(command[4:6], "little"))
                self._bands.append(np.unpackbits(dots, axis=1).astype(bool))
            elif command.startswith(b"\x1dV") and self._bands:
                self.slips.append(np.concatenate(self._bands))
                self._bands = []
        return said

    def says(self) -> bytes:
        """Nothing by itself."""
        return b""


def _command_length(come: bytes) -> int:
    """Bytes of the command that begins here, 0 where that cannot be told yet."""
    if come.startswith(b"\x1dv0"):
        across, rows = (int.from_bytes(come[at : at + 2], "little") for at in (4, 6))
        return 8 + across * rows if len(come) >= 8 else 0
    for head, length in ((b"\x10\x04", 3), (b"\x1dV", 4), (b"\x1b@", 2), (b"\x1bd", 3)):
        if come.startswith(head):
            return length
    return 0 if come in (b"", b"\x10", b"\x1b", b"\x1d", b"\x1dv") else 1


def _nmea(body: str) -> bytes:
    check = 0
    for char in body:
        check ^= ord(char)
    return f"${body}*{check:02X}\r\n".encode()


def _degrees(value: float, sides: str, digits: int) -> str:
    whole = int(abs(value))
    return f"{whole:0{digits}d}{(abs(value) - whole) * 60:07.4f},{sides[value < 0]}"
