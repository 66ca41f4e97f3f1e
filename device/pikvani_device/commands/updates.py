"""`pikvani-device self-test` and `update ...`: signed model updates."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from pikvani_device.commands.common import as_json_line, open_device, overridden, say
from pikvani_device.config import load_config


@click.command("self-test")
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help="The package to be no slower than.")
@click.option("--runtime", type=click.Choice(["onnx", "tflite", "fake"]))
@click.option("--threads", type=click.IntRange(1, 16))
@click.pass_obj
def self_test(
    config_path: Path | None, package: Path, against: Path | None, runtime: str | None, threads: int | None
) -> None:
    """Try a model package here: golden cases, time, memory. Exit 1 where it fails."""
    from pikvani_device.app.update import self_test as run_test

    config = overridden(load_config(config_path), None, runtime, threads)
    tested = run_test(config, package, against, config.update.max_rss_mb)
    say(as_json_line({"passed": tested.passed, "detail": tested.detail}))
    sys.exit(0 if tested.passed else 1)


@click.group()
def update() -> None:
    """Signed model updates: look for one, take one from a stick, see how it stands, go back."""


@update.command("check")
@click.option("--from", "source", type=click.Path(path_type=Path, file_okay=False), help="A folder or stick.")
@click.pass_obj
def update_check(config_path: Path | None, source: Path | None) -> None:
    """Look once and go on as far as can be gone: download, self-test, switch, watch. Exit 1 where it was refused."""
    device = open_device(load_config(config_path))
    try:
        state = device.updates(source).run()
    finally:
        device.close()
    say(as_json_line(msgspec.to_builtins(state)))
    sys.exit(1 if state.reason and state.phase == "idle" else 0)


@update.command("status")
@click.pass_obj
def update_status(config_path: Path | None) -> None:
    """Say how the last update stands and which model answers."""
    device = open_device(load_config(config_path))
    try:
        engine = device.updates()
        manifest = engine.active().manifest
        say(as_json_line({"answers": f"{manifest.name}@{manifest.version}"} | msgspec.to_builtins(engine.state)))
    finally:
        device.close()


@update.command("heal")
@click.pass_obj
def update_heal(config_path: Path | None) -> None:
    """Go back to the model before if the new one is still watched: asked by systemd where the app does not start."""
    device = open_device(load_config(config_path))
    try:
        engine = device.updates()
        if engine.state.phase != "watching":
            say(f"nothing to take back: the last update is {engine.state.phase}")
            return
        state = engine.roll_back("the app did not start with it")
    finally:
        device.close()
    say(f"{state.name}@{state.version} gave way to {state.previous}")


@update.command("roll-back")
@click.option("--because", default="a technician said so", help="Told to the centre.")
@click.pass_obj
def update_roll_back(config_path: Path | None, because: str) -> None:
    """Go back to the model before."""
    device = open_device(load_config(config_path))
    try:
        state = device.updates().roll_back(because)
    finally:
        device.close()
    say(f"{state.name}@{state.version} gave way to {state.previous}")
