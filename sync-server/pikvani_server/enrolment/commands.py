"""`pikvani-server enrolment`: what people do to claims and identities. Parses and prints."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from pikvani_contract.cards import read_batch
from pikvani_contract.errors import ContractError
from pikvani_server.config import Config, load_config
from pikvani_server.enrolment import keeping, queries
from pikvani_server.enrolment.building import build_keeper, build_signer
from pikvani_server.errors import ServerError
from pikvani_server.store import Store, open_store

_REASON = click.option("--reason", required=True, help="Why, for the record.")


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--db", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")(function)
    return click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file.")(function)


@contextmanager
def _opened(config_path: Path | None, db: str | None) -> Iterator[tuple[Config, Store]]:
    config = load_config(config_path)
    if db:
        config = msgspec.structs.replace(config, database=msgspec.structs.replace(config.database, url=db))
    store = open_store(config.database_url)
    try:
        store.migrate()
        yield config, store
    finally:
        store.close()


def _now() -> datetime:
    return datetime.now(UTC)


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


@click.group("enrolment")
def enrolment() -> None:
    """Which devices are ours: claims, certificates, copies, revocation."""


@enrolment.command("add-batch")
@_options
@click.argument("files", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1, required=True)
def add_batch(config_path: Path | None, db: str | None, files: tuple[Path, ...]) -> None:
    """Enter each batch.json of `pikvani-provision claims make`; entering one twice changes nothing."""
    try:
        batches = [read_batch(file.read_bytes(), str(file)) for file in files]
    except (ContractError, OSError) as error:
        raise ServerError(str(error)) from None
    with _opened(config_path, db) as (_, store):
        for batch in batches:
            new = keeping.add_batch(store, batch, _actor(), _now())
            click.echo(f"{new} claims of batch {batch.batch} entered, {len(batch.claims) - new} were here already")


@enrolment.command("list")
@_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def list_command(config_path: Path | None, db: str | None, as_json: bool) -> None:
    """Show devices, cards that have not enrolled, refusals with their reason and suspected copies."""
    with _opened(config_path, db) as (_, store):
        now = _now()
        found = {
            "devices": queries.devices(store),
            "pending": queries.pending(store, now),
            "refused": queries.refused(store),
            "suspected": queries.suspected(store),
        }
        totals = queries.counts(store, now)
    if as_json:
        click.echo(json.dumps(found | {"counts": totals}, default=str))
        return
    click.echo(", ".join(f"{number} {name}" for name, number in totals.items()))
    for row in found["devices"]:
        seen = "in use" if row["confirmed_at"] else "not heard yet"
        state = (
            f"revoked: {row['revoked_reason']}" if row["state"] == "revoked" else f"until {row['expires_at']:%Y-%m-%d}"
        )
        copy = f"; COPY? {row['suspicion']}" if row["suspected_at"] else ""
        click.echo(f"{row['device_id']}  {row['district']}  {row['village'] or '-'}  {state}, {seen}{copy}")
    for row in found["refused"]:
        click.echo(f"refused {row['times']}x  {row['device_id'] or '?'}  {row['reason']}: {row['meaning']}")


@enrolment.command("revoke")
@_options
@_REASON
@click.argument("device")
def revoke(config_path: Path | None, db: str | None, reason: str, device: str) -> None:
    """Believe a device no more: stolen, lost or broken. What it sent before stays."""
    with _opened(config_path, db) as (config, store):
        enrolled = keeping.revoke(store, device, reason, _actor(), _now())
        click.echo(f"{device} is revoked" if enrolled else f"{device} never enrolled; its claim is withdrawn")
        if not enrolled or not config.enrolment.authorities_dir:
            return
        keeper = build_keeper(config, store, build_signer(config))
        if keeper is not None and keeper.turn(_now()):
            click.echo(f"{config.enrolment.crl_file} is written and the broker told")
        else:
            click.echo("the centre's listener writes the broker's list within a minute")


@enrolment.command("replace")
@_options
@_REASON
@click.argument("old")
@click.argument("new")
def replace(config_path: Path | None, db: str | None, reason: str, old: str, new: str) -> None:
    """Let a new card stand for an old device in its village; revoke the old one besides."""
    with _opened(config_path, db) as (_, store):
        keeping.replace(store, old, new, _actor(), _now())
    click.echo(f"{new} stands for {old} ({reason}); now `pikvani-server enrolment revoke {old}`")


@enrolment.command("move")
@_options
@click.option("--village", required=True)
@click.option("--district", default="", help="Only where it changes; that authority signs the next certificate.")
@click.argument("device")
def move(config_path: Path | None, db: str | None, village: str, district: str, device: str) -> None:
    """Note where a device stands from now on."""
    with _opened(config_path, db) as (_, store):
        keeping.move(store, device, village, district, _actor(), _now())
    click.echo(f"{device} stands in {village}")


@enrolment.command("clear")
@_options
@_REASON
@click.argument("device")
def clear(config_path: Path | None, db: str | None, reason: str, device: str) -> None:
    """Say that a suspected copy is none: a board was changed, a person looked."""
    with _opened(config_path, db) as (_, store):
        keeping.clear(store, device, reason, _actor(), _now())
    click.echo(f"{device} is no longer suspected")


@enrolment.command("lists")
@_options
def lists(config_path: Path | None, db: str | None) -> None:
    """Write the broker's revocation file now, if it is missing, worn or does not name everybody."""
    with _opened(config_path, db) as (config, store):
        keeper = build_keeper(config, store, build_signer(config))
        if keeper is None:
            raise ServerError("no file to write: set enrolment.crl_file to what the broker reads")
        done = keeper.turn(_now())
    click.echo(f"{config.enrolment.crl_file}: {done or 'true as it is'}")


@enrolment.command("web")
@_options
@click.option("--workers", type=click.IntRange(1, 16), default=2, show_default=True, help="Processes.")
def web(config_path: Path | None, db: str | None, workers: int) -> None:
    """Answer devices that have no certificate yet, over HTTPS on a port of their own."""
    from pikvani_server.enrolment.desk import Desk
    from pikvani_server.enrolment.web import Server, create_app

    with _opened(config_path, db) as (config, _store):
        build_signer(config)  # what is wrong with it is said here, not in every worker
    settings = config.enrolment
    url = config.database_url

    def make() -> Any:
        return create_app(Desk(open_store(url), build_signer(config)))

    Server(make, f"{settings.host}:{settings.port}", settings.cert_file, settings.key_file, workers).run()
