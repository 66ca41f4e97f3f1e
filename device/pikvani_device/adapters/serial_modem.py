"""A cellular modem by AT commands (3GPP TS 27.007 and 27.005): signal, operator, data left, and one SMS."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from pikvani_device.errors import SerialError
from pikvani_device.ports import ModemState, SerialPort

_MOST = 4_096
"""Bytes of one answer; more is not an answer."""
_ANSWER_S, _USSD_S, _SMS_S = 5.0, 20.0, 60.0
_DATA_EVERY_S = 6 * 3_600.0
_FINAL = re.compile(r"^(OK|ERROR|\+CM[ES] ERROR:.*)$", re.MULTILINE)
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_CODE = re.compile(r"[*#0-9]{2,20}")
_DATA = re.compile(r"(?<![\d.])(\d{1,6}(?:\.\d{1,3})?)\s*([MG])B", re.IGNORECASE)
SMS_LENGTH = 160


class AtModem:
    """A modem at the end of a line.

    Args:
        line: its line for AT commands.
        data_code: what is dialled to learn how much data is left, e.g. `*121#`; empty to ask nobody.
        clock: monotonic seconds.
    """

    def __init__(self, line: SerialPort, data_code: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        if data_code and not _CODE.fullmatch(data_code):
            raise SerialError(f"{data_code!r} is no code a modem can dial; give digits, * and #, as in *121#")
        self._line, self._code, self._clock = line, data_code, clock
        self._data_left: float | None = None
        self._asked_s: float | None = None

    def state(self) -> ModemState:
        """See `Modem.state`."""
        self._ask("ATE0")
        signal = _field(self._ask("AT+CSQ"), r"\+CSQ: (\d{1,2}),")
        registered = [_field(self._ask(f"AT+{what}?", False), rf"\+{what}: \d,(\d)") for what in ("CREG", "CEREG")]
        self._ask("AT+COPS=3,0", False)
        operator = _field(self._ask("AT+COPS?", False), r'\+COPS: \d,\d,"([^"\r\n]{0,40})"')
        strength = int(signal) if signal else 99
        self._ask_data_left()
        return ModemState(
            signal_dbm=-113 + 2 * strength if strength <= 31 else None,
            operator=operator,
            registered=any(state in ("1", "5") for state in registered),
            data_left_mb=self._data_left,
        )

    def send_sms(self, number: str, text: str) -> None:
        """See `Modem.send_sms`."""
        if not _NUMBER.fullmatch(number):
            raise SerialError(f"{number!r} is no telephone number: give digits, with + before the country's code")
        # Nothing that could end the message early or begin another command.
        plain = "".join(char if " " <= char <= "~" else "?" for char in text)[:SMS_LENGTH]
        self._ask("AT+CMGF=1")
        self._line.forget()
        self._line.write(f'AT+CMGS="{number}"\r'.encode())
        if ">" not in self._until(lambda said: ">" in said or bool(_FINAL.search(said)), _ANSWER_S):
            self._line.write(b"\x1b")
            raise SerialError(f"the modem on {self._line.name} takes no SMS; check the SIM and its network")
        self._line.write(plain.encode("ascii") + b"\x1a")
        said = self._until(lambda said: bool(_FINAL.search(said)), _SMS_S)
        if "+CMGS:" not in said:
            raise SerialError(f"the SMS to {number} was not sent ({_one_line(said)}); check the SIM's balance")

    def close(self) -> None:
        """Let the line go. May be called twice."""
        self._line.close()

    def _ask_data_left(self) -> None:
        now_s = self._clock()
        if not self._code or (self._asked_s is not None and now_s - self._asked_s < _DATA_EVERY_S):
            return
        self._asked_s, self._data_left = now_s, None
        if "OK" not in self._ask(f'AT+CUSD=1,"{self._code}",15', False):
            return
        said = self._until(lambda said: bool(re.search(r'\+CUSD: \d,"[^"]*"', said)), _USSD_S)
        text = _field(said, r'\+CUSD: \d,"([^"]*)"')
        if re.fullmatch(r"(?:[0-9A-Fa-f]{4}){4,}", text):  # two bytes a character, as hexadecimal
            text = bytes.fromhex(text).decode("utf-16-be", "replace")
        if found := _DATA.search(text):
            self._data_left = float(found[1]) * (1_000 if found[2] in "gG" else 1)

    def _ask(self, command: str, must: bool = True) -> str:
        self._line.forget()
        self._line.write(command.encode("ascii") + b"\r")
        said = self._until(lambda said: bool(_FINAL.search(said)), _ANSWER_S)
        if not said or (must and not re.search(r"^OK$", said, re.MULTILINE)):
            raise SerialError(
                f"the modem on {self._line.name} does not answer {command} ({_one_line(said) or 'silence'}); "
                "check that this is its line for AT commands"
            )
        return said

    def _until(self, done: Callable[[str], bool], timeout_s: float) -> str:
        """What it says until it is `done`, too long or too late; only printable characters of it."""
        said, ends_s = "", time.monotonic() + timeout_s
        while not done(said) and len(said) < _MOST and time.monotonic() < ends_s:
            come = self._line.read(1, min(1.0, timeout_s))
            said += come.decode("ascii", "replace").replace("\r", "\n")
        return said


def _field(said: str, pattern: str) -> str:
    found = re.search(pattern, said)
    return found[1] if found else ""


def _one_line(said: str) -> str:
    return " ".join("".join(char if " " <= char <= "~" else " " for char in said).split())[:80]
