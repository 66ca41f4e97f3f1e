"""Every serial thing keeps the same promises at the end of a real terminal and of a line that is none.

The device's own line (`SerialLine`) speaks through pyserial to a pseudo terminal; `FakeLine` ships for rehearsals.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from tests.support.serial_ends import PtyThing

from pikvani_device.adapters.serial_fake import FakeLine, Thing
from pikvani_device.adapters.serial_gnss import NmeaGnss
from pikvani_device.adapters.serial_line import SerialLine
from pikvani_device.adapters.serial_modem import AtModem
from pikvani_device.adapters.serial_printer import EscPosPrinter
from pikvani_device.adapters.serial_soil import ModbusSoilProbe
from pikvani_device.adapters.serial_things import CellularModem, ReceiptPrinter, Receiver, SoilThing
from pikvani_device.errors import SerialError
from pikvani_device.ports import SerialPort, SoilReading


class Cable(Protocol):
    line: SerialPort
    unplug: Callable[[], None]
    plug: Callable[[], None]


class PtyCable:
    def __init__(self, thing: Thing, folder: Path) -> None:
        self._end = PtyThing(thing, folder / "tty-thing")
        self.line = SerialLine("", str(self._end.path), 9_600)
        self.unplug, self.plug = self._end.unplug, self._end.plug


class FakeCable:
    def __init__(self, thing: Thing, folder: Path) -> None:
        self.line = FakeLine(thing)
        self.unplug, self.plug = self.line.unplug, self.line.plug


Connect = Callable[[Thing], Cable]


@pytest.fixture(params=[PtyCable, FakeCable])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    made: list[Cable] = []

    def build(thing: Thing) -> Cable:
        made.append(request.param(thing, tmp_path))
        return made[-1]

    yield build
    for cable in made:
        cable.line.close()
        cable.unplug()


class Echo:
    def heard(self, data: bytes) -> bytes:
        return data

    def says(self) -> bytes:
        return b""


# -- the line ------------------------------------------------------------------------------------------------


def test_given_bytes_of_every_value_then_they_come_back_as_they_went(connect: Connect) -> None:
    line = connect(Echo()).line
    line.write(bytes(range(256)))
    assert line.read(256, 3.0) == bytes(range(256))


def test_given_silence_then_a_read_ends_when_its_time_is_over(connect: Connect) -> None:
    line = connect(Echo()).line
    line.write(b"ab")
    began_s = time.monotonic()
    assert line.read(9, 0.3) == b"ab"
    assert time.monotonic() - began_s < 3


def test_given_a_line_that_forgets_then_older_bytes_are_gone(connect: Connect) -> None:
    line = connect(Echo()).line
    line.write(b"old")
    assert line.read(1, 1.0) == b"o"
    time.sleep(0.2)
    line.forget()
    line.write(b"new")
    assert line.read(3, 1.0) == b"new"


def test_given_a_plug_that_is_pulled_then_it_says_so_and_works_again_once_it_is_in(connect: Connect) -> None:
    cable = connect(Echo())
    cable.line.write(b"x")
    cable.unplug()
    with pytest.raises(SerialError, match="plug"):
        for _ in range(3):  # the first bytes may still fit a buffer
            cable.line.write(b"y")
            cable.line.read(1, 0.1)
    with pytest.raises(SerialError, match="plug"):
        cable.line.read(1, 0.1)
    cable.plug()
    cable.line.write(b"z")
    assert cable.line.read(1, 2.0) == b"z"


def test_given_a_line_that_was_closed_then_closing_again_does_no_harm(connect: Connect) -> None:
    line = connect(Echo()).line
    line.write(b"x")
    line.close()
    line.close()


# -- the things ----------------------------------------------------------------------------------------------


def test_given_a_receiver_under_the_sky_then_it_knows_place_and_time(connect: Connect) -> None:
    fix = NmeaGnss(connect(Receiver(-18.5204, 73.8567)).line).fix(5.0)
    assert fix is not None and fix.utc_ms is not None
    assert fix.latitude == pytest.approx(-18.5204, abs=1e-4)
    assert fix.longitude == pytest.approx(73.8567, abs=1e-4)
    assert abs(fix.utc_ms - time.time() * 1000) < 10_000


def test_given_a_receiver_under_a_roof_then_it_knows_nothing_and_that_is_no_error(connect: Connect) -> None:
    receiver = Receiver()
    receiver.sees_sky = False
    assert NmeaGnss(connect(receiver).line).fix(1.5) is None


def test_given_a_line_on_which_nobody_speaks_nmea_then_the_baud_rate_is_doubted(connect: Connect) -> None:
    with pytest.raises(SerialError, match="baud"):
        NmeaGnss(connect(Echo()).line).fix(0.4)


def test_given_a_modem_then_signal_operator_and_data_left_are_known(connect: Connect) -> None:
    state = AtModem(connect(CellularModem("BSNL", 20, "आपला शिल्लक डेटा 1.25 GB")).line, "*121#").state()
    assert (state.signal_dbm, state.operator, state.registered) == (-73, "BSNL", True)
    assert state.data_left_mb == 1_250


def test_given_a_place_without_network_then_the_modem_says_so(connect: Connect) -> None:
    thing = CellularModem()
    thing.has_network = False
    modem = AtModem(connect(thing).line)
    state = modem.state()
    assert (state.signal_dbm, state.operator, state.registered, state.data_left_mb) == (None, "", False, None)
    with pytest.raises(SerialError, match="was not sent"):
        modem.send_sms("+911234567890", "alarm")
    assert thing.sent == []


def test_given_an_alarm_then_the_modem_sends_it_as_one_line_and_no_letter_of_it_is_a_command(connect: Connect) -> None:
    thing = CellularModem()
    modem = AtModem(connect(thing).line)
    modem.send_sms("+911234567890", 'disk low\x1a\rAT+CMGS="+10"\r पाणी' + "x" * 300)
    ((number, text),) = thing.sent
    assert number == "+911234567890"
    assert text.startswith('disk low??AT+CMGS="+10"?') and len(text) == 160 and text.isascii()
    with pytest.raises(SerialError, match="no telephone number"):
        modem.send_sms('+91";+CMGS="10', "x")


@pytest.mark.parametrize("temperature", [265, -51])
def test_given_a_probe_then_moisture_temperature_and_conductivity_are_read(connect: Connect, temperature: int) -> None:
    probe = ModbusSoilProbe(connect(SoilThing(7, 312, temperature, 840)).line, 7)
    assert probe.read() == SoilReading(31.2, temperature / 10, 840)


def test_given_another_address_then_the_probe_is_missed(connect: Connect) -> None:
    with pytest.raises(SerialError, match="address 9"):
        ModbusSoilProbe(connect(SoilThing(7)).line, 9).read()


def test_given_registers_the_probe_does_not_have_then_it_says_that_it_refuses(connect: Connect) -> None:
    with pytest.raises(SerialError, match="no such registers"):
        ModbusSoilProbe(connect(SoilThing()).line, 1, 40).read()


def test_given_a_probe_that_says_what_cannot_be_then_it_is_not_believed(connect: Connect) -> None:
    with pytest.raises(SerialError, match="cannot be"):
        ModbusSoilProbe(connect(SoilThing(1, 1_500)).line).read()


def test_given_a_picture_then_it_comes_out_of_the_printer_dot_for_dot(connect: Connect) -> None:
    thing = ReceiptPrinter()
    image = np.random.default_rng(3).random((131, 384)) < 0.4
    EscPosPrinter(connect(thing).line).print(image)
    ends_s = time.monotonic() + 5
    while not thing.slips and time.monotonic() < ends_s:
        time.sleep(0.02)
    assert np.array_equal(thing.slips[0], image)


def test_given_no_paper_then_nothing_is_printed_and_the_reason_is_told(connect: Connect) -> None:
    thing = ReceiptPrinter()
    thing.paper = False
    with pytest.raises(SerialError, match="no paper"):
        EscPosPrinter(connect(thing).line).print(np.ones((8, 384), bool))


def test_given_any_thing_whose_plug_is_pulled_then_it_answers_again_once_it_is_in(connect: Connect) -> None:
    cable = connect(SoilThing())
    probe = ModbusSoilProbe(cable.line)
    assert probe.read().ec_us_cm == 840
    cable.unplug()
    with pytest.raises(SerialError):
        probe.read()
    cable.plug()
    assert probe.read().ec_us_cm == 840
