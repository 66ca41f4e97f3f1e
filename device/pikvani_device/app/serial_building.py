"""Builds the things on serial cables that the configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pikvani_device.errors import SerialError

if TYPE_CHECKING:
    from pikvani_device.adapters.serial_line import Plugged
    from pikvani_device.config import Config
    from pikvani_device.config_serial import GnssSection, ModemSection, PrinterSection, SoilSection
    from pikvani_device.ports import Gnss, Modem, SerialPort, SlipPrinter, SoilProbe

THINGS = ("gnss", "modem", "soil", "printer")


def plugged_things() -> list[Plugged]:
    """Serial things this machine has just now."""
    from pikvani_device.adapters.serial_line import plugged

    return plugged()


def build_gnss(config: Config) -> Gnss:
    """The satellite receiver.

    Raises:
        SerialError: none is configured.
    """
    from pikvani_device.adapters.serial_gnss import NmeaGnss

    return NmeaGnss(_line("gnss", config.gnss))


def build_modem(config: Config) -> Modem:
    """The cellular modem; see `build_gnss`."""
    from pikvani_device.adapters.serial_modem import AtModem

    return AtModem(_line("modem", config.modem, config.modem.line), config.modem.data_code)


def build_soil(config: Config) -> SoilProbe:
    """The soil probe; see `build_gnss`."""
    from pikvani_device.adapters.serial_soil import ModbusSoilProbe

    return ModbusSoilProbe(_line("soil", config.soil), config.soil.address, config.soil.first_register)


def build_printer(config: Config) -> SlipPrinter:
    """The receipt printer; see `build_gnss`."""
    from pikvani_device.adapters.serial_printer import EscPosPrinter

    return EscPosPrinter(_line("printer", config.printer), config.printer.width_dots)


def _line(name: str, section: GnssSection | ModemSection | SoilSection | PrinterSection, number: int = 0) -> SerialPort:
    if section.adapter == "none":
        raise SerialError(f"no {name} is configured: set {name}.adapter")
    if section.adapter == "fake":
        from pikvani_device.adapters.serial_fake import FakeLine
        from pikvani_device.adapters.serial_things import CellularModem, ReceiptPrinter, Receiver, SoilThing

        fakes = {"gnss": Receiver, "modem": CellularModem, "soil": SoilThing, "printer": ReceiptPrinter}
        return FakeLine(fakes[name](), f"fake {name}")
    from pikvani_device.adapters.serial_line import SerialLine

    return SerialLine(section.usb, section.path, section.baud, number)
