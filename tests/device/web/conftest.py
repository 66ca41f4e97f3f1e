"""A device with drawn leaves and the fake runtime, its pages, and what a browser on the device or the Wi-Fi sends."""

import dataclasses
import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from pikvani_device.app import Device
from pikvani_device.config import parse_config
from pikvani_device.web import create_app

PHONE = {"base_url": "http://pikvani.local:8080", "environ_overrides": {"REMOTE_ADDR": "192.168.4.20"}}
"""A request as a phone on the village Wi-Fi sends it."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A sentence of advice, as the table gives it."""

    id: str
    stage: str
    text: str
    source: str = "ICAR"
    page: str = "12"
    date: str = "2024"
    reviewed: bool = False


ROWS = (
    Row("a1", "today", "Pick the sick leaves."),
    Row("a2", "today", "Burn <b>nothing</b>."),
    Row("a3", "this_week", "Look at ten plants."),
    Row("a4", "avoid", "Do not spray today.", reviewed=True),
)


def device_at(
    tmp_path: Path,
    package: Path,
    more: str = "",
    camera: str = 'adapter = "drawn"\nseed = 3',
    name: str = "pikvani-dev",
) -> Device:
    text = (
        f'[device]\nid = "{name}"\ndata_dir = "{tmp_path / "data"}"\n'
        f'[model]\ndir = "{package}"\n[runtime]\nadapter = "fake"\n'
        f"[camera]\n{camera}\n{more}"
    )
    return Device(parse_config(text.encode(), "test"))


@pytest.fixture
def device(tmp_path: Path, sample_package: Path):
    device = device_at(tmp_path, sample_package)
    yield device
    device.close()


@pytest.fixture
def client(device: Device) -> FlaskClient:
    return create_app(device).test_client()


@pytest.fixture
def decides(device: Device, monkeypatch: pytest.MonkeyPatch):
    """Makes the device decide one thing, whatever it sees; advice is there for every answer."""
    monkeypatch.setattr(device, "advice", lambda label, locale: SimpleNamespace(sentences=ROWS, reviewed=False))
    real = device.diagnose

    def set_to(decision: str, reason: str = "") -> None:
        def diagnose(*args, **kwargs):
            said, photos = real(*args, **kwargs)
            return dataclasses.replace(said, decision=decision, reason=reason, confidence=0.95), photos

        monkeypatch.setattr(device, "diagnose", diagnose)

    return set_to


@pytest.fixture
def advised(decides) -> None:
    """The device is sure of everything."""
    decides("answer")


def form(*photos: bytes, **fields: str) -> dict[str, object]:
    return {**fields, "photos": [(io.BytesIO(data), f"../{n}.jpg") for n, data in enumerate(photos)]}
