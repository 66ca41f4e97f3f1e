"""`pikvani-device assets`: what a village may add to the software: another recogniser's model, other voices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import click

from pikvani_device.assets import Assets, Kind
from pikvani_device.commands.common import say
from pikvani_device.config import load_config


@click.group()
def assets() -> None:
    """Optional assets: list, check, install from a file or a stick."""


def _room(config_path: Path | None) -> Assets:
    return Assets(Path(load_config(config_path).device.data_dir) / "assets")


@assets.command("list")
@click.pass_obj
def list_(config_path: Path | None) -> None:
    """What is installed."""
    found = _room(config_path).installed()
    for asset in found:
        say(f"{asset.name} ({asset.kind}) {asset.version} {len(asset.files)} files sha256 {asset.sha256}".strip())
    if not found:
        say("nothing is installed; everything the device needs came with it")


@assets.command()
@click.pass_obj
def check(config_path: Path | None) -> None:
    """Hold every installed file against its sha256; exit 1 where one has changed."""
    room = _room(config_path)
    wrong = room.check()
    for line in wrong:
        say(line)
    if wrong:
        sys.exit(1)
    say(f"{len(room.installed())} assets, every file as it was installed")


@assets.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--sha256", default="", help="Of SOURCE where it is an archive, as its publisher states it.")
@click.option("--kind", type=click.Choice(get_args(Kind)), default="vosk", show_default=True)
@click.pass_obj
def install(config_path: Path | None, source: Path, sha256: str, kind: Kind) -> None:
    """Install SOURCE: a folder with assets.json, or one archive (tar or zip)."""
    for asset in _room(config_path).install(source, sha256, kind):
        say(f"{asset.name} ({asset.kind}) is installed")
