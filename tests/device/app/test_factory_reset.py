"""A device that is handed on forgets what it saw, whenever the plug is pulled, and loses nothing the centre lacks."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from pikvani_contract.samples import case_body
from pikvani_device.app import Device, factory_reset
from pikvani_device.config import load_config
from pikvani_device.errors import DeviceError

MARKER = ".pikvani-data"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "identity" / "current").mkdir(parents=True)
    (data / "identity" / "current" / "key.pem").write_text("a key")
    (data / "card.json").write_text("{}")
    (data / MARKER).touch()
    (data / "photos").mkdir()
    (data / "photos" / "leaf.jpg").write_bytes(b"leaf")
    (data / "update" / "slots").mkdir(parents=True)
    path = tmp_path / "device.toml"
    path.write_text(
        f'[device]\nid = "pune-b1-0001"\ndata_dir = "{data}"\n[store]\nmarker = "{MARKER}"\n'
        f'[enrolment]\ndir = "{data / "identity"}"\ntrust = "/nowhere.pem"\n'
    )
    return path


def seen(config: Path) -> Device:
    device = Device(load_config(config))
    device.store.record_case(case_body(random.Random(1)))
    return device


def left(config: Path) -> set[str]:
    return {path.name for path in (config.parent / "data").iterdir()}


def test_given_cases_that_wait_then_they_are_not_lost_by_oversight(config: Path) -> None:
    with pytest.raises(DeviceError, match="--export-to"):
        factory_reset.factory_reset(seen(config), None, lose_unsynced=False, forget_identity=False)
    assert "photos" in left(config) and "device.sqlite3" in left(config)


@pytest.mark.parametrize(("forget", "kept"), [(False, {MARKER, "identity", "card.json"}), (True, {MARKER})])
def test_given_a_reset_then_only_what_may_stay_is_there(config: Path, forget: bool, kept: set[str]) -> None:
    factory_reset.factory_reset(seen(config), None, lose_unsynced=True, forget_identity=forget)
    assert left(config) == kept
    again = Device(load_config(config))
    assert again.latest_cases() == []
    again.close()


def test_given_a_cut_at_any_removal_then_the_next_start_finishes_and_the_identity_stays(config: Path) -> None:
    for cut in range(2):
        Path(config.parent / "data/photos").mkdir(exist_ok=True)
        device, calls = seen(config), iter(range(100))
        real = factory_reset._remove

        def pull(path: Path, calls=calls, cut=cut, real=real) -> None:
            if next(calls) == cut:
                raise KeyboardInterrupt
            real(path)

        with mock.patch.object(factory_reset, "_remove", pull), pytest.raises(KeyboardInterrupt):
            factory_reset.factory_reset(device, None, lose_unsynced=True, forget_identity=False)
        started = Device(load_config(config))
        assert started.latest_cases() == [] and not started.store.waiting()
        started.close()
        assert factory_reset.BEGUN not in left(config) and {"identity", "card.json"} <= left(config)


def test_given_another_process_that_runs_then_nothing_is_taken_from_under_it(config: Path) -> None:
    seen(config).close()
    hold = (
        "import sys, time; from pathlib import Path; from pikvani_device.app import Device;"
        "from pikvani_device.config import load_config;"
        "d = Device(load_config(Path(sys.argv[1]))); d.store; print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(config)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout and other.stdout.readline() == "open\n"
            with pytest.raises(DeviceError, match="systemctl stop"):
                factory_reset.factory_reset(Device(load_config(config)), None, True, False)
        finally:
            other.kill()
    assert "photos" in left(config)


def test_given_the_command_then_it_asks_first(config: Path) -> None:
    words = [sys.executable, "-m", "pikvani_device.cli", "--config", str(config), "factory-reset"]
    done = subprocess.run(words, input="n\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 130 and "photos" in left(config)
    done = subprocess.run([*words, "--yes"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "pune-b1-0001 has forgotten" in done.stdout, done.stderr
