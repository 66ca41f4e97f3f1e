"""`pikvani-provision claims`: one-time claims. The secrets go to the cards, the public halves to the centre."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import click

from pikvani_contract import cards
from pikvani_provision.authority import utc_now, write_public, write_secret
from pikvani_provision.errors import ProvisionError

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")


@click.group()
def claims() -> None:
    """Make and show the one-time claims of cards."""


@claims.command()
@click.option("--batch", required=True, help="Name of the batch: a-z, 0-9 and '-'.")
@click.option("--count", required=True, type=click.IntRange(1, 10_000), help="Cards in it.")
@click.option("--district", required=True, help="Whose authority signs these devices.")
@click.option("--days", type=click.IntRange(1, 730), default=180, show_default=True, help="Claims are void after it.")
@click.option("--first", type=click.IntRange(1, 9_999), default=1, show_default=True, help="First device's number.")
@click.option("--villages", type=click.Path(path_type=Path, dir_okay=False), help="Text file, one village a line.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where files go.")
def make(batch: str, count: int, district: str, days: int, first: int, villages: Path | None, out: Path) -> None:
    """Make a batch: a folder cards/ with one secret file a card, and batch.json with nothing secret, for the centre."""
    for what, value in (("batch", batch), ("district", district)):
        if not _SLUG.fullmatch(value):
            raise click.UsageError(f"--{what} {value[:40]!r}: take 1 to 20 of a-z, 0-9 and '-'")
    if first + count > 10_000:
        raise click.UsageError(f"--first {first} and --count {count}: numbers end at 9999; make a second batch")
    made = cards.make_cards(batch, district, count, utc_now() + timedelta(days=days), first, _villages(villages))
    folder = out / "cards"
    if (out / "batch.json").exists():
        raise ProvisionError(f"{out} holds a batch already, and none is ever overwritten; take another folder")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for card in made:
        write_secret(folder / f"{card.device}.json", cards.as_json(card))
    whole = cards.Batch(batch=batch, claims=[cards.claim_of(card) for card in made])
    path = write_public(out / "batch.json", cards.as_json(whole))
    click.echo(f"{len(made)} cards in {folder}, each for one SD card and nobody else")
    click.echo(f"{path}: enter it at the centre with `pikvani-server enrolment add-batch {path}`")


@claims.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def show(folder: Path) -> None:
    """List the cards of a batch, without their secrets, and say when two share one."""
    seen: dict[bytes, str] = {}
    for path in sorted((folder / "cards").glob("*.json")):
        card = cards.read_card(path.read_bytes(), str(path))
        seed = card.seed()
        if seed in seen:
            raise ProvisionError(f"{path} holds the claim of {seen[seed]}: destroy both and make them anew")
        seen[seed] = card.device
        click.echo(f"{card.device}  {card.district}  {card.village or '-'}  batch {card.batch}")
    if not seen:
        raise ProvisionError(f"{folder / 'cards'}: no card is there; give the folder that `claims make` wrote")


@claims.command()
@click.argument("card", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--onto", required=True, type=click.Path(path_type=Path, file_okay=False, exists=True), help="The card.")
@click.option("--village", help="Where the device is to stand.")
def place(card: Path, onto: Path, village: str | None) -> None:
    """Move a card's file onto a mounted SD card; here it is gone then, so that it cannot reach two."""
    import msgspec

    found = cards.read_card(card.read_bytes(), str(card))
    found.seed()
    if village is not None:
        found = msgspec.structs.replace(found, village=village)
        found = cards.read_card(cards.as_json(found), "--village")
    target = write_secret(onto / "card.json", cards.as_json(found))
    folder = os.open(onto, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    card.unlink()
    click.echo(f"{target}: {found.device}, {found.village or 'no village yet'}")


def _villages(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except UnicodeDecodeError:
        raise ProvisionError(f"{path} is not UTF-8 text: one village a line") from None
