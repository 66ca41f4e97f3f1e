"""`pikvani-device prompts`: everything this device says, for a voice to record ahead."""

from __future__ import annotations

from pathlib import Path

import click

from pikvani_device.commands.common import as_json_line, open_device, say
from pikvani_device.config import load_config

LOCALES = ("mr-IN", "hi-IN", "en-IN")


@click.command()
@click.option("--locale", type=click.Choice(LOCALES), help="One language; all of them if left out.")
@click.pass_obj
def prompts(config_path: Path | None, locale: str | None) -> None:
    """Every sentence the device can say, a JSON line each: id, locale, text."""
    from pikvani_device.web.prompts import prompts as of_pages

    device = open_device(load_config(config_path))
    try:
        for one in (locale,) if locale else LOCALES:
            for prompt, text in of_pages(one):
                say(as_json_line({"id": prompt, "locale": one, "text": text}))
            for pair in device.package.manifest.labels:
                told = device.advice(pair, one)
                for sentence in told.sentences if told else ():
                    say(as_json_line({"id": sentence.id, "locale": one, "text": sentence.text}))
    finally:
        device.close()
