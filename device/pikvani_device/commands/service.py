"""What a technician sets up on the device itself: the PIN of the service page."""

from __future__ import annotations

from pathlib import Path

import click

from pikvani_device.commands.common import open_device, say
from pikvani_device.config import load_config


@click.command("service-pin")
@click.option(
    "--pin", prompt=True, hide_input=True, confirmation_prompt=True, help="6 to 12 digits; asked if left out."
)
@click.pass_obj
def service_pin(config_path: Path | None, pin: str) -> None:
    """Set the PIN of the technician's page, /service."""
    from pikvani_device.web.pin import Pin

    device = open_device(load_config(config_path))
    try:
        Pin(device.store, device.clock.now).set(pin)
    finally:
        device.close()
    say("the PIN is set; it opens /service from the device and from the village network")
