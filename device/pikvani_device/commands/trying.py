"""`pikvani-device try`: whether the camera sees and the model still answers as it did, each as one JSON line."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

from pikvani_device.commands.common import as_json_line, open_device, say
from pikvani_device.config import load_config


@click.group("try")
def try_() -> None:
    """Try a part of this device; the field test asks it."""


@try_.command("camera")
@click.pass_obj
def try_camera(config_path: Path | None) -> None:
    """Take one photograph and say what it is like; it is not kept."""
    device = open_device(load_config(config_path))
    try:
        photo = device.photograph()
    finally:
        device.close()
    grey = photo.pixels.mean(axis=2)
    height, width = grey.shape
    sharpness = float(np.abs(np.diff(grey, axis=1)).mean())
    say(as_json_line({"width": width, "height": height, "brightness": float(grey.mean()), "sharpness": sharpness}))


@try_.command("model")
@click.pass_obj
def try_model(config_path: Path | None) -> None:
    """Run the golden cases of the model that answers. Exit 1 where one differs."""
    from pikvani_device.app.self_tests import try_package

    config = load_config(config_path)
    device = open_device(config)
    try:
        package = device.package
    finally:
        device.close()
    tested = try_package(config, package.folder, package.folder)
    name = f"{package.manifest.name}@{package.manifest.version}"
    say(as_json_line({"passed": tested.passed, "model": name, "detail": tested.detail}))
    sys.exit(0 if tested.passed else 1)
