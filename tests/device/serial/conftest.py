"""A device with a thing of every kind, none of them real, and a clock that goes on when told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pikvani_device.adapters.serial_fake import FakeLine
from pikvani_device.app import Device
from pikvani_device.app.instruments import Instruments
from pikvani_device.config import parse_config

THINGS = """[modem]
adapter = "fake"
data_code = "*121#"
alarm_numbers = ["+911234567890"]
most_sms_a_day = 3
[soil]
adapter = "fake"
[printer]
adapter = "fake"
"""


class Watch:
    """Monotonic seconds."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def device_with(folder: Path, gnss: str = 'adapter = "fake"\ntell_place = true') -> Device:
    text = f'[device]\nid = "village-7"\ndata_dir = "{folder}"\n[gnss]\n{gnss}\n{THINGS}'
    return Device(parse_config(text.encode(), "test"))


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = device_with(tmp_path)
    yield device
    device.close()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def things(device: Device, watch: Watch) -> Instruments:
    things = Instruments(device, watch)
    device.__dict__["instruments"] = things
    return things


def line_of(thing: object) -> FakeLine:
    """The cable of a built thing, to pull at."""
    found: FakeLine = thing._line  # type: ignore[attr-defined]
    return found
