"""A roll-out on real processes: ordered, fetched over the device's one connection, proven, and taken back."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.device.conftest import write_sample_package
from tests.support.tuf_repository import TufRepository

from pikvani_contract.model.manifest import load_package
from pikvani_contract.model.packing import package_target, packed_bytes
from pikvani_device.drawn_leaves import write_drawn_leaves

SERVER = (sys.executable, "-m", "pikvani_server.cli")
DEVICE = (sys.executable, "-m", "pikvani_device.cli")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Road:
    """A centre with a repository of two versions, and one device whose link is a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        repository = TufRepository(folder / "repository", now=datetime.now(UTC).replace(microsecond=0))
        for version in ("1.0.0", "1.1.0"):
            data = packed_bytes(load_package(write_sample_package(folder / version, 3, version=version)))
            target = repository.add_target(package_target("sample", version), data)
            target.unrecognized_fields["custom"] = {"stage": "production"}
        repository.publish_all()
        (folder / "root.json").write_bytes(repository.first_root)
        port = free_port()
        self.database = f"sqlite:///{folder / 'centre.sqlite3'}"
        (folder / "server.toml").write_text(
            f'data_dir = "{folder / "centre"}"\n[database]\nurl = "{self.database}"\n[broker]\nport = {port}\n'
            f"embedded = true\n[web]\nport = {free_port()}\n[learning]\nwork = false\n"
            f'[updates]\nrepository = "{folder / "repository"}"\ninterval_s = 1\n'
        )
        (folder / "device.toml").write_text(
            f'[device]\nid = "village-7"\ndata_dir = "{folder / "device"}"\n[model]\ndir = "{folder / "1.0.0"}"\n'
            f'[runtime]\nadapter = "fake"\n[sync]\nport = {port}\nmax_batch_age_s = 0.2\n'
            f'[update]\nsource = "mqtt"\nroot = "{folder / "root.json"}"\nwatch_cases = 3\n'
        )
        self.env = {**os.environ, "PIKVANI_DEVICE_CONFIG": str(folder / "device.toml")}
        self._start([*SERVER, "run", "--config", str(folder / "server.toml")])
        self._start([*DEVICE, "run", "--part", "sync"])

    def _start(self, command: list[str]) -> None:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.env)
        self.processes.append(process)
        assert process.stdout is not None
        assert any(line.startswith("ready ") for line in process.stdout), f"{command} ended before it was ready"

    def device(self, *words: str) -> str:
        done = subprocess.run([*DEVICE, *words], capture_output=True, text=True, timeout=120, env=self.env)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def check(self) -> dict[str, Any]:
        return {"phase": "idle"} | json.loads(self.device("update", "check").splitlines()[0])

    def answers(self) -> str:
        return json.loads(self.device("update", "status").splitlines()[0])["answers"]

    def rollout(self, *words: str) -> str:
        command = [*SERVER, "rollout", *words, "--config", str(self.folder / "server.toml")]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout

    def states(self) -> dict[str, int]:
        shown = json.loads(self.rollout("status", "1", "--json"))
        return {state: count for state, count in shown["states"].items() if count} | {"is": shown["state"]}


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    road = Road(tmp_path)
    yield road
    for process in road.processes:
        process.terminate()
    for process in road.processes:
        process.wait(30)


def until(condition: Callable[[], Any], what: str, timeout_s: float = 90) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.3)


@pytest.mark.timeout(400)
def test_a_version_is_ordered_fetched_over_the_link_proven_and_taken_back(road: Road, tmp_path: Path) -> None:
    assert road.check()["phase"] == "idle", "nothing is ordered, so nothing is taken, though it is signed and newer"
    road.rollout("start", "sample@1.1.0", "--steps", "100", "--soak-hours", "0", "--by", "asha")
    until(lambda: road.check()["phase"] == "watching", "the device takes what was ordered")
    assert road.answers() == "sample@1.1.0"
    until(lambda: road.states().get("watching") == 1, "the centre hears that it is watched")
    leaves = write_drawn_leaves(tmp_path / "leaves", 3)
    road.device("diagnose", "--record", "--each", *map(str, leaves))
    assert road.check()["phase"] == "committed"
    until(lambda: road.states() == {"committed": 1, "is": "done"}, "the proof ends the roll-out")
    assert "1 devices are ordered back" in road.rollout("abort", "1", "--because", "farmers complain")
    until(lambda: road.check()["phase"] == "rolled_back", "the device obeys")
    assert road.answers() == "sample@1.0.0"
    until(lambda: road.states() == {"back": 1, "is": "aborted"}, "the centre hears that it is back")
    road.check()
    assert road.answers() == "sample@1.0.0"
