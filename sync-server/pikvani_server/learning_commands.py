"""The commands of drift, review and proposals that need the database. They parse and print."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from pikvani_server import propose as proposing
from pikvani_server.background import INDIA
from pikvani_server.config import Config, load_config
from pikvani_server.drift import computing, queries
from pikvani_server.review import exporting, results
from pikvani_server.store import Store, open_store

_CONFIG = click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file.")
_DB = click.option("--db", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")


def _opened(config_path: Path | None, db: str | None) -> tuple[Config, Store]:
    config = load_config(config_path)
    store = open_store(db or config.database_url)
    store.migrate()
    return config, store


def _command(name: str) -> Callable[[Any], click.Command]:
    def wrap(function: Any) -> click.Command:
        made: click.Command = click.command(name)(_CONFIG(_DB(function)))
        return made

    return wrap


@_command("run")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="Judge as of this day; today in India if left out.")
def drift_run(config_path: Path | None, db: str | None, today: datetime | None) -> None:
    """Judge what came since the last pass now, instead of waiting for the standing work."""
    _, store = _opened(config_path, db)
    now = datetime.now(UTC)
    day: date = today.date() if today else now.astimezone(INDIA).date()
    try:
        done = computing.run_pass(store, day, now, results.checked_by_model(store))
        concept = results.concept_pass(store, day, now)
        open_alarms = queries.alarm_counts(store)
    finally:
        store.close()
    click.echo(
        f"{done.days} days, {done.verdicts} verdicts, {concept} from labels; open: "
        f"{open_alarms['alarm']} alarms, {open_alarms['warning']} warnings"
    )


@_command("propose")
@click.option("--build", is_flag=True, help="Run the pipeline of learning.pipeline for each new proposal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
def propose_command(config_path: Path | None, db: str | None, build: bool, as_json: bool) -> None:
    """Say for each model whether training anew pays, and keep a proposal where it does."""
    config, store = _opened(config_path, db)
    now = datetime.now(UTC)
    try:
        for row in queries.models(store):
            judged, number = proposing.propose(store, row["model"], now)
            built = None
            if build and number is not None:
                folder = config.candidates_dir
                built = proposing.build(store, number, config.learning.pipeline, folder, now)
            told = {"model": row["model"], "pays": judged.pays, "gain": round(judged.gain, 4)}
            told |= {"reasons": judged.reasons, "proposal": number, "built": built}
            if as_json:
                click.echo(msgspec.json.encode(told).decode())
                continue
            click.echo(f"{row['model']}: training {'pays' if judged.pays else 'does not pay'}")
            for reason in judged.reasons:
                click.echo(f"  {reason}")
            if number is not None:
                made = "" if built is None else ", candidate built" if built else ", building failed"
                click.echo(f"  proposal {number}{made}; a person decides with `pikvani-server decide {number}`")
    finally:
        store.close()


@_command("proposals")
def proposals_command(config_path: Path | None, db: str | None) -> None:
    """List proposals, the newest first."""
    _, store = _opened(config_path, db)
    try:
        for row in proposing.listed(store):
            who = f" by {row['decided_by']}" if row["decided_by"] else ""
            click.echo(f"{row['id']}\t{row['model']}\t{row['state']}{who}\t{row['candidate']}")
    finally:
        store.close()


@_command("decide")
@click.argument("number", type=int)
@click.option("--approve/--decline", required=True, default=None)
@click.option("--by", "who", required=True, help="Who decides.")
@click.option("--note", default="")
def decide_command(config_path: Path | None, db: str | None, number: int, approve: bool, who: str, note: str) -> None:
    """Approve a candidate that was built, or decline a proposal. Signing and roll-out are other commands."""
    _, store = _opened(config_path, db)
    try:
        proposing.decide(store, number, approve, who, note, datetime.now(UTC))
    finally:
        store.close()
    click.echo(f"proposal {number} is {'approved' if approve else 'declined'}")


@_command("export-labels")
@click.argument("out", type=click.Path(path_type=Path))
def export_labels(config_path: Path | None, db: str | None, out: Path) -> None:
    """Write the labelled cases that farmers allowed for training, with where they are from, into folder OUT."""
    _, store = _opened(config_path, db)
    try:
        told = exporting.export(store, out, datetime.now(UTC))
    finally:
        store.close()
    click.echo(f"{told['cases']} cases; left out: {told['left_out']}")


COMMANDS = (propose_command, proposals_command, decide_command, export_labels)
