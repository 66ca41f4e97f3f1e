"""`pikvani-device status`, `run`, `export` and `rescue`: the appliance as a whole."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pikvani_device.commands.common import as_json_line, open_device, say
from pikvani_device.config import load_config

PARTS = ("web", "sync", "update", "enrol")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def status(config_path: Path | None, as_json: bool) -> None:
    """Say how this device is: model, runtime, what waits for the centre."""
    device = open_device(load_config(config_path))
    try:
        found = device.status()
    finally:
        device.close()
    if as_json:
        say(as_json_line(found))
        return
    for key, value in found.items():
        say(f"{key:>16}: {value}")


@click.command()
@click.option("--part", type=click.Choice(["all", *PARTS]), default="all", help="Run only one part.")
@click.pass_obj
def run(config_path: Path | None, part: str) -> None:
    """Run the appliance: its pages and the link to the centre, until it is told to stop."""
    import logging

    from pikvani_device.serving import serve

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    device = open_device(load_config(config_path))
    try:
        wanted = {name: part in ("all", name) for name in PARTS}
        serve(device, say=say, **wanted)
    finally:
        device.close()


@click.command()
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="The stick.")
@click.pass_obj
def export(config_path: Path | None, folder: Path) -> None:
    """Carry the outbox by hand: take receipts off a USB stick, then put on it what still waits, sealed."""
    device = open_device(load_config(config_path))
    try:
        released, exported = device.export(folder)
    finally:
        device.close()
    say(f"{released} records let go by receipts on the stick, {exported} records put on it for the centre")


@click.command()
@click.pass_obj
def rescue(config_path: Path | None) -> None:
    """Replace a damaged case store by what can still be read of it; stop the device first."""
    found = open_device(load_config(config_path)).rescue()
    say(f"{found.cases} cases and {found.waiting} waiting records saved, {found.unnamed} records lost their outbox")
    say(f"the damaged file is kept: {found.damaged}")
