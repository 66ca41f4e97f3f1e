"""`pikvani-device serial`: what is plugged in, what each thing says, and a slip to try the printer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from pikvani_device.commands.common import as_json_line, open_device, say
from pikvani_device.config import load_config


@click.group()
def serial() -> None:
    """Things on serial cables: satellite receiver, modem, soil probe, printer."""


@serial.command("list")
def list_() -> None:
    """Show what is plugged in, a JSON line each, with the USB id the configuration wants."""
    from pikvani_device.app.serial_building import plugged_things

    for thing in plugged_things():
        say(as_json_line(asdict(thing)))


@serial.command()
@click.argument("thing", type=click.Choice(["gnss", "modem", "soil"]))
@click.pass_obj
def look(config_path: Path | None, thing: str) -> None:
    """Ask one thing now and print what it says as a JSON line; stop the device first, it holds the line."""
    device = open_device(load_config(config_path))
    try:
        found = device.instruments.read(thing)
    finally:
        device.close()
    say(as_json_line({"thing": thing, "says": None if found is None else asdict(found)}))


@serial.command("print-test")
@click.pass_obj
def print_test(config_path: Path | None) -> None:
    """Print a short slip in Marathi, Hindi and English; stop the device first, it holds the line."""
    from pikvani_device.slip import Lettering, Line, draw

    device = open_device(load_config(config_path))
    lines = [
        Line("पिकवाणी", 56),
        Line("श्री ज्ञान क्षेत्र कार्बेन्डाझिम"),
        Line("हिन्दी: पत्तियाँ, विद्युत"),
        Line("Pikvani 1800-180-1551"),
    ]
    try:
        device.instruments.print(draw(lines, device.config.printer.width_dots, Lettering()))
    finally:
        device.close()
    say("the slip was sent to the printer")


@serial.command()
@click.option("--to", "number", required=True, help="Telephone number, with + before the country's code.")
@click.option("--text", default="Pikvani: this is a test", show_default=True)
@click.pass_obj
def sms(config_path: Path | None, number: str, text: str) -> None:
    """Send one SMS, which the SIM pays for; stop the device first, it holds the line."""
    device = open_device(load_config(config_path))
    try:
        device.instruments.modem.send_sms(number, text)
    finally:
        device.close()
    say(f"the modem took the SMS to {number}")
