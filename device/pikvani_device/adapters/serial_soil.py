"""A soil probe that speaks Modbus RTU: moisture, temperature and conductivity in three registers in a row.

The common probes of this kind (RS485, "THC-S", "3-in-1") hold tenths of a percent, tenths of a degree, and microsiemens
a centimetre, from register 0.
"""

from __future__ import annotations

from pikvani_device.errors import SerialError
from pikvani_device.ports import SerialPort, SoilReading

_READ_HOLDING, _REGISTERS = 3, 3
_ANSWER_BYTES = 5 + 2 * _REGISTERS
_ANSWER_S, _TRIES = 0.7, 3


class ModbusSoilProbe:
    """A probe at the end of a line.

    Args:
        line: an RS485 adapter's.
        address: of the probe, 1 to 247.
        first_register: where moisture stands; temperature and conductivity follow.
    """

    def __init__(self, line: SerialPort, address: int = 1, first_register: int = 0) -> None:
        self._line, self._address, self._first = line, address, first_register

    def read(self) -> SoilReading:
        """See `SoilProbe.read`."""
        why = ""
        for _ in range(_TRIES):
            try:
                return self._measure()
            except ValueError as error:  # a disturbed line; asked again
                why = str(error)
        raise SerialError(
            f"the soil probe at address {self._address} on {self._line.name}: {why}; check cable, address and baud rate"
        )

    def close(self) -> None:
        """Let the line go. May be called twice."""
        self._line.close()

    def _measure(self) -> SoilReading:
        ask = bytes((self._address, _READ_HOLDING)) + self._first.to_bytes(2, "big") + _REGISTERS.to_bytes(2, "big")
        self._line.forget()
        self._line.write(ask + crc(ask))
        said = self._line.read(_ANSWER_BYTES, _ANSWER_S)
        moisture, temperature, ec = registers_of(said, self._address)
        signed = temperature - 65_536 if temperature >= 32_768 else temperature
        reading = SoilReading(moisture / 10, signed / 10, ec)
        if not (0 <= reading.moisture_percent <= 100 and -40 <= reading.temperature_c <= 80 and ec <= 20_000):
            raise ValueError(f"it says what cannot be: {moisture / 10}%, {signed / 10} degrees, {ec} uS/cm")
        return reading


def crc(frame: bytes) -> bytes:
    """The two bytes of Modbus' CRC-16, low first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def registers_of(said: bytes, address: int) -> tuple[int, ...]:
    """The registers in an answer.

    Args:
        said: bytes of a stranger.
        address: whose answer it must be.

    Raises:
        ValueError: it is not that.
    """
    if len(said) >= 5 and said[0] == address and said[1] == _READ_HOLDING | 0x80 and crc(said[:3]) == said[3:5]:
        raise ValueError(f"it refuses with exception {said[2]}, it has no such registers")
    if len(said) != _ANSWER_BYTES:
        raise ValueError(f"{len(said)} bytes came where {_ANSWER_BYTES} were due")
    if said[:3] != bytes((address, _READ_HOLDING, 2 * _REGISTERS)) or crc(said[:-2]) != said[-2:]:
        raise ValueError("the answer is disturbed")
    return tuple(int.from_bytes(said[at : at + 2], "big") for at in range(3, _ANSWER_BYTES - 2, 2))
