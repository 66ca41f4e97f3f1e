"""`pikvani-device enrol`: how it stands with the centre, and requests and answers by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from pikvani_device.commands.common import open_device, say
from pikvani_device.config import load_config
from pikvani_device.errors import DeviceError

_MAX_TEXT_BYTES = 64 * 1024


@click.group()
def enrol() -> None:
    """Become known to the centre; `run --part enrol` does all of this by itself."""


@enrol.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def status(config_path: Path | None, as_json: bool) -> None:
    """Say how it stands: enrolled, waiting or refused."""
    device = open_device(load_config(config_path))
    try:
        found = device.enrolment.status()
    finally:
        device.close()
    if as_json:
        say(json.dumps(found))
        return
    for key, value in found.items():
        say(f"{key:>10}: {value}")


@enrol.command()
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False, exists=True), help="A USB stick.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it as a QR code into this file.")
@click.pass_obj
def request(config_path: Path | None, folder: Path | None, svg: Path | None) -> None:
    """Give the request that waits for an answer: as text, as a file on a stick, as a QR code."""
    device = open_device(load_config(config_path))
    try:
        if folder is not None:
            say(str(device.enrolment.write_request(folder)))
            return
        text = device.enrolment.request_text()
    finally:
        device.close()
    if not text:
        raise DeviceError("nothing to ask: this device has its certificate, and it is not time to renew it")
    if svg is None:
        say(text)
        return
    import segno

    segno.make(text, error="l", micro=False, boost_error=False).save(str(svg), scale=4, border=4)
    say(str(svg))


@enrol.command()
@click.argument("source", type=click.Path(path_type=Path, allow_dash=True))
@click.pass_obj
def answer(config_path: Path | None, source: Path) -> None:
    """Take the answer in a file, `-` for standard input."""
    if str(source) == "-":
        text = sys.stdin.read(_MAX_TEXT_BYTES)
    else:
        with Path(source).open("rb") as file:
            text = file.read(_MAX_TEXT_BYTES).decode("ascii", "replace")
    _taken(config_path, text)


@enrol.command()
@click.pass_obj
def renew(config_path: Path | None) -> None:
    """Ask for the next certificate now, and with it for a new key; the link carries it."""
    device = open_device(load_config(config_path))
    try:
        device.enrolment.renew_now()
    finally:
        device.close()
    say("asked; `enrol status` says when it is here")


@enrol.command()
@click.option("--seconds", type=click.IntRange(1, 600), default=60, show_default=True, help="Look so long.")
@click.pass_obj
def scan(config_path: Path | None, seconds: int) -> None:
    """Take the answer off a screen that is held before the camera, as a QR code."""
    device = open_device(load_config(config_path))
    try:
        text = device.enrolment.scan(seconds)
    finally:
        device.close()
    if not text:
        raise DeviceError(f"no enrolment code was seen in {seconds} s: hold the screen closer, and brighter")
    _taken(config_path, text)


def _taken(config_path: Path | None, text: str) -> None:
    device = open_device(load_config(config_path))
    try:
        if device.enrolment.take_text(text):
            say("this device is certified")
            return
        reason = device.enrolment.status()["reason"]
    finally:
        device.close()
    raise DeviceError(f"the centre refused: {reason}")
