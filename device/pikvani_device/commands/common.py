"""What commands share: a device out of a configuration, words on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from pikvani_device.config import Config

if TYPE_CHECKING:
    from pikvani_device.app import Device

READ_LIMIT_BYTES = 25 * 2**20 + 1
"""One over what a photograph or recording may have, so that the reader can say so."""


def open_device(config: Config) -> Device:
    """The appliance a configuration describes; imports it only now, so that `--help` is quick."""
    from pikvani_device.app import Device

    return Device(config)


def overridden(config: Config, model_dir: str | None, runtime: str | None, threads: int | None) -> Config:
    """The configuration with what the command line asks for in its place."""
    changes: dict[str, Any] = {}
    if model_dir is not None:
        changes["model"] = msgspec.structs.replace(config.model, dir=model_dir)
    asked = {key: value for key, value in (("adapter", runtime), ("threads", threads)) if value is not None}
    if asked:
        changes["runtime"] = msgspec.structs.replace(config.runtime, **asked)
    return msgspec.structs.replace(config, **changes)


def say(line: str) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def as_json_line(value: dict[str, Any]) -> str:
    """A JSON object on one line."""
    return msgspec.json.encode(value).decode()
