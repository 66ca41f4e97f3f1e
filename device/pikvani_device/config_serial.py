"""The sections of the configuration for things on serial cables; each is optional.

A thing is found by the USB id `lsusb` shows for it, or stands at a device file where it is no USB thing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from pikvani_device.config_section import Section

UsbId = Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:[!-~]{1,60})?)?$")]
Baud = Annotated[int, Meta(ge=300, le=921_600)]
Telephone = Annotated[str, Meta(pattern=r"^\+?[0-9]{3,15}$")]


class GnssSection(Section, frozen=True):
    """A satellite receiver: the coarse place of this device, and the time.

    Attributes:
        adapter: `none`, `nmea` or `fake` (a rehearsal without hardware).
        usb: its USB id, `vendor:product` or `vendor:product:serial`; empty where `path` is used.
        path: its device file, e.g. /dev/ttyAMA0 for one on a Pi's pins.
        baud: bits a second.
        tell_place: whether the owner of this device agrees that its place, rounded to 0.1 degree, reaches the centre.
    """

    adapter: Literal["none", "nmea", "fake"] = "none"
    usb: UsbId = ""
    path: str = ""
    baud: Baud = 9_600
    tell_place: bool = False


class ModemSection(Section, frozen=True):
    """A cellular modem: how the network is, and one SMS where an alarm waits and the link is down.

    Attributes:
        adapter: `none`, `at` or `fake`.
        usb: its USB id; empty where `path` is used.
        path: the device file of its line for AT commands.
        line: usb only: which of its lines takes AT commands, from 0; the others are often the data connection's.
        baud: bits a second.
        data_code: what is dialled to learn how much data is left, e.g. `*121#`; empty to ask nobody.
        alarm_numbers: telephone numbers that get alarms by SMS; empty for none.
        alarm_after_minutes: an alarm that waited so long for the link goes by SMS.
        most_sms_a_day: bound on what the SIM is charged.
    """

    adapter: Literal["none", "at", "fake"] = "none"
    usb: UsbId = ""
    path: str = ""
    line: Annotated[int, Meta(ge=0, le=15)] = 0
    baud: Baud = 115_200
    data_code: Annotated[str, Meta(pattern=r"^([*#0-9]{2,20})?$")] = ""
    alarm_numbers: Annotated[tuple[Telephone, ...], Meta(max_length=4)] = ()
    alarm_after_minutes: Annotated[int, Meta(ge=1, le=10_080)] = 60
    most_sms_a_day: Annotated[int, Meta(ge=0, le=100)] = 6


class SoilSection(Section, frozen=True):
    """A soil probe: moisture, temperature and conductivity, shown with the cases of that time.

    Attributes:
        adapter: `none`, `modbus` or `fake`.
        usb: USB id of the RS485 adapter; empty where `path` is used.
        path: its device file.
        baud: bits a second.
        address: Modbus address of the probe.
        first_register: where moisture stands; temperature and conductivity follow it.
    """

    adapter: Literal["none", "modbus", "fake"] = "none"
    usb: UsbId = ""
    path: str = ""
    baud: Baud = 4_800
    address: Annotated[int, Meta(ge=1, le=247)] = 1
    first_register: Annotated[int, Meta(ge=0, le=65_533)] = 0


class PrinterSection(Section, frozen=True):
    """A receipt printer for the slip with the advice.

    Attributes:
        adapter: `none`, `escpos` or `fake`.
        usb: its USB id; empty where `path` is used.
        path: its device file.
        baud: bits a second.
        width_dots: dots of a line, a multiple of 8: 384 for paper of 58 mm, 576 for 80 mm.
    """

    adapter: Literal["none", "escpos", "fake"] = "none"
    usb: UsbId = ""
    path: str = ""
    baud: Baud = 115_200
    width_dots: Annotated[int, Meta(ge=128, le=1_280, multiple_of=8)] = 384
