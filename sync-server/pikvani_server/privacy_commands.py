"""The commands of erasure. They parse and print."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
import sqlalchemy as sa

from pikvani_server.config import load_config
from pikvani_server.privacy import ledger, obeying, queries
from pikvani_server.store import open_store
from pikvani_server.store.schema_privacy import erasures

_CONFIG = click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file.")
_DB = click.option("--db", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")


@click.group("erasures")
def erasures_group() -> None:
    """What farmers had erased: list it, take it to its end now, or purge an export that lies elsewhere."""


@erasures_group.command("list")
@_CONFIG
@_DB
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
def listing(config_path: Path | None, db: str | None, limit: int) -> None:
    """Print tombstones, the newest first, one JSON object a line."""
    store = open_store(db or load_config(config_path).database_url)
    try:
        found = queries.listed(store, limit)
    finally:
        store.close()
    for row in found:
        told = {name: value for name, value in row.items() if name not in ("outbox", "seq", "pictures")}
        click.echo(json.dumps(told, default=str))


@erasures_group.command("obey")
@_CONFIG
@_DB
def obey(config_path: Path | None, db: str | None) -> None:
    """Read the ledger, as after restoring a backup, and take every erasure to its end now."""
    config = load_config(config_path)
    store = open_store(db or config.database_url)
    try:
        store.migrate()
        again = ledger.replay(store, config.ledger_file)
        # Nothing else commits now, or it is old enough: no need to wait for transactions under way.
        done = obeying.obey(store, config.ledger_file, config.candidates_dir, datetime.now(UTC) + obeying.SETTLING)
    finally:
        store.close()
    click.echo(f"{again} erasures came from the ledger, {done} were taken to their end")


@erasures_group.command("purge")
@_CONFIG
@_DB
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def purge(config_path: Path | None, db: str | None, folder: Path) -> None:
    """Take erased pictures and their labels out of an export made with `export-labels`."""
    store = open_store(db or load_config(config_path).database_url)
    try:
        rows = store.read("reading tombstones", sa.select(erasures.c.pictures))
    finally:
        store.close()
    taken = obeying.purge(folder, {name for row in rows for name in row["pictures"].split()})
    click.echo(f"{taken} labels and their pictures were taken out of {folder}")
