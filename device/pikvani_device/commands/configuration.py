"""`pikvani-device config ...`: the configuration file: check it, show it, describe it."""

from __future__ import annotations

from pathlib import Path

import click

from pikvani_device.commands.common import say
from pikvani_device.config import load_config
from pikvani_device.config_docs import as_toml, reference


@click.group()
def config() -> None:
    """The configuration file: check it, show it, describe it."""


@config.command("check")
@click.pass_obj
def config_check(config_path: Path | None) -> None:
    """Say whether the configuration can be used."""
    load_config(config_path)
    say("the configuration is good")


@config.command("show")
@click.pass_obj
def config_show(config_path: Path | None) -> None:
    """Print the configuration with every default filled in."""
    say(as_toml(load_config(config_path)))


@config.command("reference")
def config_reference() -> None:
    """Print the reference of all keys, as kept in docs/configuration.md."""
    say(reference().rstrip("\n"))
