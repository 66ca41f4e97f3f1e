"""`pikvani-server rollout ...`: start, look at, pause, resume and abort roll-outs, compare models, tag devices."""

from __future__ import annotations

import getpass
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from pikvani_server.config import Config, load_config
from pikvani_server.errors import ServerError
from pikvani_server.rollout import acting, queries
from pikvani_server.rollout.comparing import Comparison, compare
from pikvani_server.rollout.plan import Plan
from pikvani_server.store import Store, open_store

_CONFIG = click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file.")
_DB = click.option("--db", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")
_BY = click.option("--by", "who", default=lambda: f"cli:{getpass.getuser()}", help="Who does it, for the audit log.")
_WHY = click.option("--because", default="", help="Why, for the audit log.")
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON.")


@click.group("rollout")
def rollout() -> None:
    """Bring a signed version to the fleet, step by step; it stops by itself where it makes things worse."""


@rollout.command()
@_CONFIG
@_DB
@click.argument("version", metavar="PACKAGE@VERSION")
@click.option("--repository", type=click.Path(path_type=Path), help="The signed repository; else updates.repository.")
@click.option("--steps", default="1,5,20,50,100", show_default=True, help="Percent of devices; ends at the last.")
@click.option("--district", "districts", multiple=True, help="Repeat: only these.")
@click.option("--hardware", "kinds", multiple=True, help="Repeat: only these machines.")
@click.option("--tag", "tags", multiple=True, help="Repeat: only devices with one of these.")
@click.option("--canary-tag", default="", help="Devices with this tag come first.")
@click.option("--soak-hours", type=float, default=24.0, show_default=True, help="A step lasts at least so long.")
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="All keys of a plan, as JSON, instead.")
@_BY
def start(
    config_path: Path | None,
    db: str | None,
    version: str,
    repository: Path | None,
    steps: str,
    plan_file: Path | None,
    who: str,
    **keys: Any,
) -> None:
    """Start a roll-out of a version that is signed and published for production."""
    package, at, number = version.partition("@")
    if not at:
        raise click.UsageError(f"{version!r} is not PACKAGE@VERSION")
    config, store = _opened(config_path, db)
    try:
        folder = str(repository or config.updates.repository)
        if not folder:
            raise click.UsageError("name the signed repository: --repository, or updates.repository in the file")
        data = _read(plan_file) if plan_file else msgspec.json.encode(keys | {"steps": _numbers(steps)})
        plan = _plan(data, str(plan_file or "the options"))
        sha256 = acting.signed_sha256(Path(folder), package, number)
        made = acting.start(store, package, number, sha256, plan, who, datetime.now(UTC))
    finally:
        store.close()
    click.echo(f"roll-out {made} of {version} is started; `rollout status {made}` shows it")


@rollout.command()
@_CONFIG
@_DB
@click.argument("number", type=int, required=False)
@click.option("--devices", "with_devices", is_flag=True, help="Every device it reached, those in trouble first.")
@_JSON
def status(config_path: Path | None, db: str | None, number: int | None, with_devices: bool, as_json: bool) -> None:
    """Show all roll-outs, or one with its steps and what was done to it."""
    _, store = _opened(config_path, db)
    try:
        shown = queries.overview(store) if number is None else [queries.one(store, number)]
        listed = queries.devices(store, number) if with_devices and number is not None else []
    finally:
        store.close()
    if as_json:
        click.echo(msgspec.json.encode(shown if number is None else shown[0] | {"devices": listed}).decode())
        return
    for one in shown:
        name = f"{one['package']}@{one['version']}"
        click.echo(f"{one['id']}\t{name}\t{one['state']}\t{one['step_name']}\t{one['reason']}")
        counts = ", ".join(f"{count} {state}" for state, count in one["states"].items() if count)
        click.echo(f"\t{one['exposed']} devices reached: {counts or 'none'}")
        for step in one.get("steps", ()):
            states = ", ".join(f"{count} {state}" for state, count in sorted(step["states"].items()))
            click.echo(f"\t  {step['name']:>8}: {states or '-'}")
        for act in one.get("acts", ()):
            click.echo(f"\t  {act['at']:%Y-%m-%d %H:%M} {act['actor']} {act['action']}")
    for row in listed:
        click.echo(f"\t{row['device_id']}\t{row['state']}\t{row['detail']}")


@rollout.command()
@_CONFIG
@_DB
@click.argument("number", type=int)
@_WHY
@_BY
def pause(config_path: Path | None, db: str | None, number: int, because: str, who: str) -> None:
    """Reach nobody new; a version that regresses is halted all the same."""
    _act(config_path, db, lambda store, now: acting.pause(store, number, who, because, now))
    click.echo(f"roll-out {number} is paused")


@rollout.command()
@_CONFIG
@_DB
@click.argument("number", type=int)
@_WHY
@_BY
def resume(config_path: Path | None, db: str | None, number: int, because: str, who: str) -> None:
    """Go on with a paused roll-out."""
    _act(config_path, db, lambda store, now: acting.resume(store, number, who, because, now))
    click.echo(f"roll-out {number} goes on")


@rollout.command()
@_CONFIG
@_DB
@click.argument("number", type=int)
@_WHY
@_BY
def abort(config_path: Path | None, db: str | None, number: int, because: str, who: str) -> None:
    """End a roll-out, a finished one too, and order every device it reached back."""
    recalled = _act(config_path, db, lambda store, now: acting.abort(store, number, who, because, now))
    click.echo(f"roll-out {number} is aborted, {recalled} devices are ordered back")


@rollout.command("compare")
@_CONFIG
@_DB
@click.argument("first", metavar="PACKAGE@VERSION")
@click.argument("second", metavar="PACKAGE@VERSION")
@click.option("--days", type=click.IntRange(1, 366), default=14, show_default=True, help="Cases of so many days.")
@_JSON
def compare_command(
    config_path: Path | None, db: str | None, first: str, second: str, days: int, as_json: bool
) -> None:
    """Compare two models on live cases; the device is the unit, the test is exact."""
    until = datetime.now(UTC)
    _, store = _opened(config_path, db)
    try:
        found = compare(store, first, second, until - timedelta(days=days), until)
    finally:
        store.close()
    click.echo(msgspec.json.encode(found).decode() if as_json else _told(found))


@rollout.command("tag")
@_CONFIG
@_DB
@click.argument("word")
@click.argument("device_ids", nargs=-1, required=True, metavar="DEVICE...")
@click.option("--remove", is_flag=True, help="Take it away.")
@_BY
def tag_command(
    config_path: Path | None, db: str | None, word: str, device_ids: tuple[str, ...], remove: bool, who: str
) -> None:
    """Give devices a tag, such as `canary`, or take it away."""
    _act(config_path, db, lambda store, now: acting.tag(store, word, device_ids, who, now, remove))
    click.echo(f"{len(device_ids)} devices {'lost' if remove else 'have'} the tag {word}")


def _opened(config_path: Path | None, db: str | None) -> tuple[Config, Store]:
    config = load_config(config_path)
    store = open_store(db or config.database_url)
    store.migrate()
    return config, store


def _act(config_path: Path | None, db: str | None, act: Callable[[Store, datetime], Any]) -> Any:
    _, store = _opened(config_path, db)
    try:
        return act(store, datetime.now(UTC))
    finally:
        store.close()


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--steps {text!r}: give numbers with commas between, such as 1,5,20,100") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ServerError(f"{path}: the plan cannot be read ({error.strerror}); name a file that is there") from None


def _plan(data: bytes, source: str) -> Plan:
    try:
        return msgspec.json.decode(data, type=Plan)
    except msgspec.MsgspecError as error:
        raise ServerError(f"{source} cannot be read as a plan: {error}") from None


def _told(found: Comparison) -> str:
    lines = [
        f"{name}: {devices} devices, {count} cases"
        for name, devices, count in zip(found.models, found.devices, found.cases, strict=True)
    ]
    lines.append(f"{found.both} devices ran both and are left out")
    for metric in found.metrics:
        test = metric.compared
        if metric.name == "unanswered":
            line = f"not answered: {test.first:.1%} and {test.second:.1%}, {test.low:+.1%} to {test.high:+.1%}"
        else:
            interval = f"{math.exp(test.low):.2f} to {math.exp(test.high):.2f}"
            line = f"time of a case: {math.exp(test.difference):.2f} times, {interval}"
        lines.append(f"{line}, p = {metric.p:.3g}: {'they differ' if metric.p <= 0.05 else 'no difference is shown'}")
    return "\n".join(lines)
