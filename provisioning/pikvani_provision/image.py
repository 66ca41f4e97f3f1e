"""`pikvani-provision image`: from a board, a centre's site file and a card's claim to what a blank card needs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from pikvani_contract.cards import read_card
from pikvani_provision import placing, wheels
from pikvani_provision.boards import BOARDS
from pikvani_provision.bundle import contents, shipped, write_bundle
from pikvani_provision.errors import ProvisionError
from pikvani_provision.scanning import CARD_FILE, scan
from pikvani_provision.site_file import read_site

DEFAULT_EPOCH_S = 1_767_225_600
"""2026-01-01; what a bundle's files bear where SOURCE_DATE_EPOCH does not say otherwise. First boot's clock floor."""


@click.command()
@click.option("--board", "board_name", type=click.Choice(sorted(BOARDS)), required=True, help="Whom it is for.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Or a boot partition.")
@click.option("--site", "site_path", type=click.Path(path_type=Path), required=True, help="The centre's site.toml.")
@click.option("--wheels", "cache", type=click.Path(path_type=Path, file_okay=False), required=True, help="Cache.")
@click.option("--wheel", type=click.Path(path_type=Path), help="Pikvani's own wheel; else the newest in the cache.")
@click.option("--card", type=click.Path(path_type=Path), help="The card's own file, of `claims make`.")
@click.option("--into", type=click.Path(path_type=Path), help="A mounted root file system to put it into.")
@click.option("--deb", "debs", type=click.Path(path_type=Path), multiple=True, help="A Debian package to install too.")
@click.option("--download", is_flag=True, help="Fill the wheel cache first; needs the internet.")
def image(
    board_name: str,
    out: Path,
    site_path: Path,
    cache: Path,
    wheel: Path | None,
    card: Path | None,
    into: Path | None,
    debs: tuple[Path, ...],
    download: bool,
) -> None:
    """Make a first-boot bundle: the same inputs, the same bytes, and no secret but the card's own claim."""
    board, site = BOARDS[board_name], read_site(site_path)
    lock = shipped().lock
    if download:
        wheels.download(cache, lock, board)
    chosen = wheels.choose_wheels(cache, wheels.read_lock(lock.read_text(), board), board)
    own = wheels.own_wheel(cache, wheel)
    files = contents(board, site, chosen, own, sorted(debs))
    folder = out / placing.FOLDER
    sums = write_bundle(folder, board, files, _epoch_s())
    found = scan([folder], frozenset({CARD_FILE}), wheels.public_hashes(lock.read_text()))
    if found:
        shutil.rmtree(folder)
        raise ProvisionError(f"{found[0]}; nothing was left on {out}: take it out of what the bundle is made of")
    if card is not None:
        _add_card(folder, card)
    for name, digest in sorted(sums.items()):
        click.echo(f"{digest}  {name}")
    if into is not None:
        placing.into_root(into, folder, board)
        click.echo(f"first boot begins when {into} is started")
    else:
        click.echo(placing.place(out, board, site.place.wifi_country))


def _add_card(folder: Path, source: Path) -> None:
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ProvisionError(f"{source}: cannot be read ({error.strerror}); name a card's file") from None
    read_card(data, str(source)).seed()  # a card whose claim was used makes no second device
    target = folder / CARD_FILE
    beside = target.with_suffix(".new")
    beside.write_bytes(data)
    beside.chmod(0o600)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(target)


def _epoch_s() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given and not given.isdecimal():
        raise ProvisionError(f"SOURCE_DATE_EPOCH={given!r} is no number of seconds; leave it out or correct it")
    return int(given) if given else DEFAULT_EPOCH_S
