"""A serial line through pyserial: found by the USB id of what is plugged in, opened when needed, opened anew after it
was pulled out."""

from __future__ import annotations

import os
import termios
from contextlib import suppress
from dataclasses import dataclass

import serial
from serial.tools import list_ports

from pikvani_device.errors import SerialError

_FAILURES = (OSError, ValueError, serial.SerialException, termios.error)
_WRITE_TIMEOUT_S = 5.0
MAX_READ_BYTES = 65_536


@dataclass(frozen=True)
class Plugged:
    """A serial thing this machine has.

    Attributes:
        path: device file.
        usb: `vendor:product` in hexadecimal, empty where it is no USB thing.
        serial_number: of the USB thing, empty for none.
        says: what it calls itself.
    """

    path: str
    usb: str
    serial_number: str
    says: str


def plugged() -> list[Plugged]:
    """What is plugged in just now, in the order of device files."""
    return [
        Plugged(
            port.device,
            f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else "",
            port.serial_number or "",
            port.product or port.description or "",
        )
        for port in sorted(list_ports.comports(), key=lambda port: str(port.device))
    ]


class SerialLine:
    """A line by USB id or by device file. One thread at a time.

    Args:
        usb: `vendor:product` in hexadecimal, as `lsusb` shows it, with `:serial number` where two of a kind are
            plugged in; empty for a line by path.
        path: device file, used where `usb` is empty.
        baud: bits a second, 8N1.
        number: which of several lines of one USB thing, from 0; modems have more than one.
    """

    def __init__(self, usb: str, path: str, baud: int, number: int = 0) -> None:
        self.name = f"USB {usb}" if usb else path
        self._usb, self._path, self._baud, self._number = usb.lower(), path, baud, number
        self._open: serial.Serial | None = None

    def write(self, data: bytes) -> None:
        """See `SerialPort.write`."""
        try:
            self._line().write(data)
        except _FAILURES as error:
            raise self._gone(error) from None

    def read(self, size: int, timeout_s: float) -> bytes:
        """See `SerialPort.read`."""
        line = self._line()
        try:
            line.timeout = timeout_s
            read: bytes = line.read(min(size, MAX_READ_BYTES))
            if not read:
                # A terminal that hung up reads as silence for ever; its file tells.
                os.fstat(line.fileno())
                line.in_waiting  # noqa: B018 - raises where the thing is gone
        except _FAILURES as error:
            raise self._gone(error) from None
        return read

    def forget(self) -> None:
        """See `SerialPort.forget`."""
        try:
            self._line().reset_input_buffer()
        except (*_FAILURES, SerialError):
            self.close()  # the next write or read says what is wrong

    def close(self) -> None:
        """See `SerialPort.close`."""
        line, self._open = self._open, None
        if line is not None:
            with suppress(*_FAILURES):
                line.close()

    def _line(self) -> serial.Serial:
        if self._open is None:
            path = self._find()
            try:
                self._open = serial.Serial(path, self._baud, timeout=0, write_timeout=_WRITE_TIMEOUT_S, exclusive=True)
            except _FAILURES as error:
                raise self._gone(error) from None
        return self._open

    def _find(self) -> str:
        if not self._usb:
            return self._path
        kind, _, wanted = self._usb[:9], self._usb[9:10], self._usb[10:]
        found = [p for p in plugged() if p.usb == kind and (not wanted or p.serial_number.lower() == wanted)]
        if len(found) <= self._number:
            raise SerialError(f"{self.name} is not plugged in; 'pikvani-device serial list' shows what is")
        return found[self._number].path

    def _gone(self, error: Exception) -> SerialError:
        self.close()
        return SerialError(
            f"{self.name} does not work ({error}); plug it in again, and see that no other program holds it"
        )
