"""The packages of a device are looked after one after another: what breaks one leaves the others their turn."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pikvani_device import serving
from pikvani_device.errors import DeviceError


@pytest.mark.parametrize("trouble", [DeviceError("no source"), ValueError("a mistake of ours")], ids=repr)
def test_given_a_package_whose_update_breaks_then_the_next_one_has_its_turn(
    trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, turns = threading.Event(), []

    def breaks() -> None:
        turns.append("leaf")
        raise trouble

    def ends() -> None:
        turns.append("advice")
        stop.set()
        raise DeviceError("enough")

    found = {"leaf": SimpleNamespace(recover=breaks), "advice": SimpleNamespace(recover=ends)}
    monkeypatch.setattr(serving, "engines", lambda device, births: found)
    device = SimpleNamespace(health=SimpleNamespace(beat=lambda part: None))
    serving._keep_updated(cast(Any, device), stop)
    assert turns == ["leaf", "advice"]
