"""`pikvani-server`: the commands of the centre. Parses and prints; `app` does the work."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import click
import msgspec

from pikvani_server import app, sticks
from pikvani_server.account_commands import tokens_group, users_group
from pikvani_server.audit_commands import audit_commands
from pikvani_server.broker.mosquitto_config import MosquittoSettings, write_mosquitto_config
from pikvani_server.config import Config, load_config
from pikvani_server.config_docs import describe_config
from pikvani_server.drift.cli import drift
from pikvani_server.enrolment.commands import enrolment
from pikvani_server.errors import ConfigError, ServerError
from pikvani_server.learning_commands import COMMANDS, drift_run
from pikvani_server.logs import set_up
from pikvani_server.privacy_commands import erasures_group
from pikvani_server.repository.commands import keys, repository
from pikvani_server.rollout.commands import rollout

_CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="TOML file; `pikvani-server config` lists its keys.",
)
_DB = click.option("--db", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")
_BROKER = click.option("--broker", help="host:port of the MQTT 5 broker.")
_DATA_DIR = click.option("--data-dir", help="Where the SQLite file and the embedded broker's files lie.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
@click.option("--log-json", is_flag=True, help="Log one JSON object a line.")
def cli(verbose: bool, log_json: bool) -> None:
    """The centre: takes in what devices saw, answers with receipts, shows it to people."""
    set_up(verbose, log_json)


drift.add_command(drift_run)
cli.add_command(drift)
for _command in COMMANDS:
    cli.add_command(_command)
cli.add_command(audit_commands)
cli.add_command(enrolment)
cli.add_command(erasures_group)
cli.add_command(users_group)
cli.add_command(tokens_group)
cli.add_command(keys)
cli.add_command(repository)
cli.add_command(rollout)


@cli.command()
@_CONFIG
@_DB
@_BROKER
@_DATA_DIR
@click.option("--embedded", is_flag=True, help="Start a broker too: no TLS, no access list, loopback only.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port of the pages, 0 for a free one.")
def run(
    config_path: Path | None,
    db: str | None,
    broker: str | None,
    data_dir: str | None,
    embedded: bool,
    port: int | None,
) -> None:
    """Run the centre: ingest, device status and pages; prints `ready {json}` when all of it answers."""
    config = _configured(config_path, db, broker, data_dir)
    if embedded:
        # Without a port asked for, a free one: a broker may already run on 1883.
        broker_port = config.broker.port if broker or config_path else 0
        config = _with(config, "broker", embedded=True, port=broker_port)
    if port is not None:
        config = _with(config, "web", port=port)
    app.run_centre(config, _say)


@cli.command()
@_CONFIG
@_DB
@_BROKER
@_DATA_DIR
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
def ingest(config_path: Path | None, db: str | None, broker: str | None, data_dir: str | None, workers: int) -> None:
    """Run more ingest workers on the shared subscription."""
    app.run_ingest(_configured(config_path, db, broker, data_dir), workers, _say)


@cli.command()
@_CONFIG
@_DB
@_DATA_DIR
def work(config_path: Path | None, db: str | None, data_dir: str | None) -> None:
    """Do the standing work: drift, review, proposals. Any number of these may run; one of them leads."""
    app.run_work(_configured(config_path, db, None, data_dir), _say)


@cli.command("updates")
@_CONFIG
@_DB
@_BROKER
@_DATA_DIR
def updates_command(config_path: Path | None, db: str | None, broker: str | None, data_dir: str | None) -> None:
    """Give devices the blocks of the signed repository and keep roll-outs going; any number of these may run."""
    app.run_updates(_configured(config_path, db, broker, data_dir), _say)


@cli.command("broker")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0 for a free one.")
@click.option("--data-dir", type=click.Path(path_type=Path), default="pikvani-data", show_default=True)
def broker_command(port: int, data_dir: Path) -> None:
    """Run the embedded broker alone; for demonstrations and tests."""
    app.run_broker(data_dir, port, _say)


@cli.command()
@_CONFIG
@_DB
@_DATA_DIR
def migrate(config_path: Path | None, db: str | None, data_dir: str | None) -> None:
    """Bring the database to this version."""
    config = _configured(config_path, db, None, data_dir)
    store = app.migrated_store(config, threading.Event())
    _say(f"{store.name} is up to date")
    store.close()


@cli.command("broker-config")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to write into.")
@click.option("--ca", "ca_file", type=click.Path(path_type=Path), required=True, help="PEM of the authorities.")
@click.option("--cert", "cert_file", type=click.Path(path_type=Path), required=True, help="The broker's, with chain.")
@click.option("--key", "key_file", type=click.Path(path_type=Path), required=True, help="The broker's key.")
@click.option("--crl", "crl_file", type=click.Path(path_type=Path), required=True, help="PEM of revocation lists.")
@click.option(
    "--persistence-dir",
    "data_dir",
    type=click.Path(path_type=Path),
    default="/var/lib/mosquitto",
    show_default=True,
)
@click.option("--device-port", type=click.IntRange(1, 65_535), default=8883, show_default=True)
@click.option("--device-host", default="", help="Address for devices; all of them unless given.")
@click.option("--centre-port", type=click.IntRange(1, 65_535), default=8884, show_default=True)
@click.option("--centre-host", default="127.0.0.1", show_default=True)
@click.option("--max-devices", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--user", default="mosquitto", show_default=True, help="System user Mosquitto becomes.")
def broker_config(out: Path, **settings: Any) -> None:
    """Write the production configuration of Mosquitto: mutual TLS, access list, limits, revocation."""
    for path in write_mosquitto_config(MosquittoSettings(**settings), out):
        _say(str(path))


@cli.command("stick-keys")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to write into.")
def stick_keys(out: Path) -> None:
    """Make the centre's keys for USB sticks; devices get the public file."""
    for path in sticks.make_stick_keys(out):
        _say(str(path))


@cli.command("import")
@_CONFIG
@_DB
@_DATA_DIR
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--keys", type=click.Path(path_type=Path), required=True, help="centre-secret.pem of `stick-keys`.")
@click.option("--ca", type=click.Path(path_type=Path), help="PEM of the authorities that sign devices.")
@click.option("--crl", type=click.Path(path_type=Path), help="PEM of their revocation lists.")
@click.option("--allow-unsigned", is_flag=True, help="Take bundles of devices that are not enrolled.")
def import_command(
    config_path: Path | None,
    db: str | None,
    data_dir: str | None,
    folder: Path,
    keys: Path,
    ca: Path | None,
    crl: Path | None,
    allow_unsigned: bool,
) -> None:
    """Take in the bundles on a USB stick and leave receipts on it; any order, any number of times."""
    if bool(ca) == allow_unsigned:
        raise click.UsageError("give either --ca, so that signatures are checked, or --allow-unsigned")
    if not sticks.import_stick(_configured(config_path, db, None, data_dir), folder, keys, ca, crl, _say):
        raise SystemExit(1)


@cli.command("config")
def config_command() -> None:
    """Print every key of the configuration file with its meaning and default."""
    _say(describe_config())


def _configured(config_path: Path | None, db: str | None, broker: str | None, data_dir: str | None) -> Config:
    config = load_config(config_path)
    if db:
        config = _with(config, "database", url=db)
    if broker:
        host, _, port = broker.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:
            raise ConfigError(f"--broker {broker!r} is not host:port; give for example 127.0.0.1:1883")
        config = _with(config, "broker", host=host, port=int(port))
    return msgspec.structs.replace(config, data_dir=data_dir) if data_dir else config


def _with(config: Config, section: str, **changes: object) -> Config:
    part = msgspec.structs.replace(getattr(config, section), **changes)
    return msgspec.structs.replace(config, **{section: part})


def _say(line: str) -> None:
    click.echo(line)


def main() -> None:
    """Entry point: an error of ours is one line and exit code 1, not a traceback."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except click.Abort:
        raise SystemExit(130) from None
    except ServerError as error:
        click.echo(f"pikvani-server: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
