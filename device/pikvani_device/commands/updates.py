"""`pikvani-device self-test` and `update ...`: signed updates."""

from __future__ import annotations

import sys
from pathlib import Path

import click

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
    """Try a package here: golden cases or what its kind has instead, time, memory. Exit 1 where it fails."""
    from pikvani_device.app.self_tests import self_test as run_test

    config = overridden(load_config(config_path), None, runtime, threads)
    tested = run_test(config, package, against, config.update.max_rss_mb)
    say(as_json_line({"passed": tested.passed, "detail": tested.detail}))
    sys.exit(0 if tested.passed else 1)


@click.group()
def update() -> None:
    """Signed updates: look for one, take one from a stick, see how it stands, go back."""


@update.command("check")
@click.option("--from", "source", type=click.Path(path_type=Path, file_okay=False), help="A folder or stick.")
@click.pass_obj
def update_check(config_path: Path | None, source: Path | None) -> None:
    """Look once and go on as far as can be gone: download, self-test, switch, watch. Exit 1 where one was refused."""
    from pikvani_device.app.parts import engines, told

    device = open_device(load_config(config_path))
    refused = False
    try:
        for number, (name, engine) in enumerate(engines(device, source).items()):
            state = engine.run()
            refused |= bool(state.reason) and state.phase == "idle"
            if number == 0 or state.version:
                say(as_json_line({"package": name} | told(engine)))
    finally:
        device.close()
    sys.exit(1 if refused else 0)


@update.command("status")
@click.pass_obj
def update_status(config_path: Path | None) -> None:
    """Say of every package, the model first, which version answers and how its last update stands."""
    from pikvani_device.app.parts import engines, told

    device = open_device(load_config(config_path))
    try:
        for name, engine in engines(device).items():
            say(as_json_line({"package": name} | told(engine)))
    finally:
        device.close()


@update.command("heal")
@click.pass_obj
def update_heal(config_path: Path | None) -> None:
    """Take back what is new and still watched: asked by systemd where the app does not start."""
    from pikvani_device.app.parts import engines

    device = open_device(load_config(config_path))
    try:
        found = engines(device)
        watched = [engine for engine in found.values() if engine.state.phase == "watching"]
        for engine in watched:
            state = engine.roll_back("the app did not start with it")
            say(f"{state.name}@{state.version} gave way to {state.previous}")
        if not watched:
            say(f"nothing to take back: the last update is {next(iter(found.values())).state.phase}")
    finally:
        device.close()


@update.command("roll-back")
@click.option("--package", "name", default="", help="Name of the package; the model if left out.")
@click.option("--because", default="a technician said so", help="Told to the centre.")
@click.pass_obj
def update_roll_back(config_path: Path | None, name: str, because: str) -> None:
    """Go back to the version before."""
    from pikvani_device.app.parts import engines

    device = open_device(load_config(config_path))
    try:
        found = engines(device) if name else {"": device.updates()}
        if name not in found:
            raise click.UsageError(f"there is no package {name}; this device has {', '.join(found)}")
        state = found[name].roll_back(because)
    finally:
        device.close()
    say(f"{state.name}@{state.version} gave way to {state.previous}")
