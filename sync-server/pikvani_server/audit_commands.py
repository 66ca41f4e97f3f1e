"""The commands of the audit log. They parse and print."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pikvani_server.config import load_config
from pikvani_server.store import Store, audit, open_store

_CONFIG = click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file.")
_DB = click.option("--db", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")


@click.group("audit")
def audit_commands() -> None:
    """Who did what: the log nobody can change unseen."""


@audit_commands.command("verify")
@_CONFIG
@_DB
@click.option("--noted", help="NUMBER:SEAL that an earlier `audit verify` printed; the log must still hold it.")
def verify(config_path: Path | None, db: str | None, noted: str | None) -> None:
    """Check every entry's seal; prints NUMBER:SEAL of the last one to note down elsewhere. Exit code 1 if broken."""
    try:
        expected = audit.Head.parse(noted) if noted else None
    except ValueError:
        raise click.BadParameter("give NUMBER:SEAL as `audit verify` printed it", param_hint="--noted") from None
    store = _opened(config_path, db)
    try:
        found = audit.verify(store, expected)
    finally:
        store.close()
    if not found.sound:
        click.echo(f"broken: {found.fault}; {found.entries} entries before it hold", err=True)
        raise SystemExit(1)
    click.echo(f"{found.entries} entries, all sound")
    click.echo(str(found.head))


@audit_commands.command("list")
@_CONFIG
@_DB
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
def listing(config_path: Path | None, db: str | None, limit: int) -> None:
    """Print entries, the newest first, one JSON object a line."""
    store = _opened(config_path, db)
    try:
        for row in audit.entries(store, limit):
            told = {name: row[name] for name in ("number", "actor", "action", "subject", "detail")}
            click.echo(json.dumps(told | {"at": row["at"].isoformat()}, ensure_ascii=False))
    finally:
        store.close()


def _opened(config_path: Path | None, db: str | None) -> Store:
    store = open_store(db or load_config(config_path).database_url)
    store.migrate()
    return store
