"""`pikvani-provision scan`: no secret may lie on a card but its own."""

from __future__ import annotations

from pathlib import Path

import click

from pikvani_provision.bundle import shipped
from pikvani_provision.errors import RefusedError
from pikvani_provision.scanning import CARD_FILE
from pikvani_provision.scanning import scan as scan_bytes
from pikvani_provision.wheels import public_hashes


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--card/--no-card", default=True, show_default=True, help="A card.json may hold its own claim.")
def scan(paths: tuple[Path, ...], card: bool) -> None:
    """Look through files, folders and the archives in them for secrets. Exit 1 where one is found."""
    found = scan_bytes(
        paths, frozenset({CARD_FILE}) if card else frozenset(), public_hashes(shipped().lock.read_text())
    )
    for each in found:
        click.echo(str(each))
    if found:
        raise RefusedError(f"{len(found)} places look like secrets; make the card anew without them")
    click.echo("no secret found")
