"""Whatever comes down a serial line, it is believed only where it is what it should be, and nothing falls over."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_device.adapters.serial_fake import FakeLine
from pikvani_device.adapters.serial_gnss import NmeaGnss, fix_of, read_sentence
from pikvani_device.adapters.serial_modem import AtModem
from pikvani_device.adapters.serial_printer import EscPosPrinter
from pikvani_device.adapters.serial_soil import crc, registers_of
from pikvani_device.adapters.serial_things import CellularModem, ReceiptPrinter, Receiver
from pikvani_device.errors import SerialError


class Babbler:
    """Says the same bytes to everything, and by itself."""

    def __init__(self, said: bytes, alone: bytes = b"") -> None:
        self._said, self._alone = said, alone

    def heard(self, data: bytes) -> bytes:
        return self._said

    def says(self) -> bytes:
        alone, self._alone = self._alone, b""
        return alone


def checked(body: str) -> bytes:
    value = 0
    for char in body:
        value ^= ord(char)
    return f"${body}*{value:02X}".encode()


# -- NMEA ----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_given_any_bytes_then_they_are_no_sentence_or_a_whole_one(data: bytes) -> None:
    message = read_sentence(data)
    assert message is None or fix_of(message) is None or data.strip().startswith(b"$G")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="*$"), max_size=90))
def test_given_any_fields_with_a_right_checksum_then_a_place_is_on_earth_or_there_is_none(fields: str) -> None:
    message = read_sentence(checked(f"GNRMC,{fields}"))
    fix = fix_of(message) if message else None
    assert fix is None or (abs(fix.latitude) <= 90 and abs(fix.longitude) <= 180)


@pytest.mark.parametrize(
    "body",
    [
        "GNRMC,101010.00,A,9959.0000,N,07351.0000,E,0.1,,010126,,,A,V",
        "GNRMC,101010.00,A,1831.0000,N,99951.0000,E,0.1,,010126,,,A,V",
        "GNRMC,101010.00,A,nan,N,inf,E,0.1,,010126,,,A,V",
        "GNRMC,101010.00,A,,,,,0.1,,010126,,,A,V",
        "GNRMC,101010.00,V,1831.0000,N,07351.0000,E,0.1,,010126,,,N,V",
    ],
)
def test_given_a_place_that_cannot_be_or_is_not_valid_then_it_is_not_believed(body: str) -> None:
    message = read_sentence(checked(body))
    assert message is None or fix_of(message) is None


def test_given_a_day_that_is_none_then_the_place_stands_without_a_time() -> None:
    message = read_sentence(checked("GNRMC,101010.00,A,1831.0000,N,07351.0000,E,0.1,,990026,,,A,V"))
    fix = fix_of(message) if message else None
    assert fix is None or fix.utc_ms is None


def test_given_one_wrong_letter_then_the_checksum_tells() -> None:
    good = checked("GNRMC,101010.00,A,1831.0000,N,07351.0000,E,0.1,,010126,,,A,V")
    assert read_sentence(good) is not None
    for place in range(len(good)):
        assert read_sentence(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]) is None


def test_given_a_line_that_never_ends_then_little_of_it_is_held_and_the_wait_is_bounded() -> None:
    class Endless(Receiver):
        def says(self) -> bytes:
            return b"$GNRMC," + b"A" * 4_000

    began_s = time.monotonic()
    with pytest.raises(SerialError):
        NmeaGnss(FakeLine(Endless())).fix(0.3)
    assert time.monotonic() - began_s < 3


# -- AT ------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=120))
def test_given_a_modem_that_says_anything_then_its_state_is_sane_or_it_is_refused(said: bytes) -> None:
    modem = AtModem(FakeLine(Babbler(b"\r\n" + said + b"\r\nOK\r\n")), "*1#", clock=lambda: 0.0)
    modem._asked_s = 0.0  # the data pack has a test of its own: its answer comes late
    try:
        state = modem.state()
    except SerialError as error:
        assert str(error).isprintable()
        return
    assert state.signal_dbm is None or -113 <= state.signal_dbm <= -51
    assert len(state.operator) <= 40 and "\n" not in state.operator


def test_given_an_answer_without_end_then_no_more_than_a_page_of_it_is_read() -> None:
    with pytest.raises(SerialError, match="does not answer"):
        AtModem(FakeLine(Babbler(b"A" * 200_000))).state()


@pytest.mark.parametrize(
    ("said", "left_mb"),
    [
        ("004400610074006100200034003100320020004D0042", 412.0),
        ("Bal: Rs 12.50", None),
        ("99999999999999 MB", None),
        ("0.5GB left", 500.0),
        ("", None),
    ],
)
def test_given_what_a_network_says_of_the_pack_then_megabytes_are_found_or_nothing(
    said: str, left_mb: float | None
) -> None:
    found = AtModem(FakeLine(CellularModem(data_left=said)), "*121#").state().data_left_mb
    # A number too long for any pack is cut by nobody into a shorter one that could be believed.
    assert found == left_mb


def test_given_a_code_that_would_begin_a_command_then_it_is_refused() -> None:
    with pytest.raises(SerialError, match="no code"):
        AtModem(FakeLine(CellularModem()), '*1#";+CMGD=1')


# -- Modbus and the printer ----------------------------------------------------------------------------------


@given(st.binary(max_size=40))
def test_given_any_answer_then_it_is_three_registers_with_a_right_checksum_or_refused(said: bytes) -> None:
    try:
        found = registers_of(said, 1)
    except ValueError:
        return
    assert len(found) == 3 and crc(said[:-2]) == said[-2:] and said[0] == 1


@given(st.binary(min_size=11, max_size=11), st.integers(0, 87))
def test_given_a_flipped_bit_then_the_answer_is_refused(registers: bytes, bit: int) -> None:
    good = b"\x01\x03\x06" + registers[:6]
    good += crc(good)
    assert len(registers_of(good, 1)) == 3
    torn = bytearray(good)
    torn[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match=r"disturbed|refuses|came"):
        registers_of(bytes(torn), 1)


@given(st.binary(max_size=3))
def test_given_a_printer_that_says_anything_then_only_an_empty_roll_stops_it(said: bytes) -> None:
    import numpy as np

    printer = EscPosPrinter(FakeLine(Babbler(said) if said else ReceiptPrinter()))
    no_paper = bool(said) and said[0] & 0b10010011 == 0b00010010 and bool(said[0] & 0b01100000)
    if no_paper:
        with pytest.raises(SerialError, match="no paper"):
            printer.print(np.ones((1, 384), bool))
    else:
        printer.print(np.ones((1, 384), bool))
