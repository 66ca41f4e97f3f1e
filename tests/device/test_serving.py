"""`pikvani-device run` as a process: ready, answering, and gone when told."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


def start(config: Path, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pikvani_device.cli", "--config", str(config), "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready "):
        process.kill()
        pytest.fail(process.communicate()[1])
    return process, json.loads(line.removeprefix("ready "))


@pytest.fixture
def config(tmp_path: Path, sample_package: Path) -> Path:
    path = tmp_path / "device.toml"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = free.getsockname()[1]
    path.write_text(
        f'[device]\nid = "village-7"\ndata_dir = "{tmp_path / "data"}"\n[model]\ndir = "{sample_package}"\n'
        f'[runtime]\nadapter = "fake"\n[web]\nport = 0\n[sync]\nport = {nobody}\n'
    )
    return path


@pytest.mark.parametrize("part", ["all", "web", "sync"])
def test_given_no_broker_then_the_device_runs_answers_and_stops_when_told(config: Path, part: str) -> None:
    process, ready = start(config, "--part", part)
    try:
        assert ready["device"] == "village-7"
        assert ("web" in ready, "broker" in ready) == (part != "sync", part != "web")
        if "web" in ready:
            with urllib.request.urlopen(f"{ready['web']}/healthz", timeout=10) as answer:
                assert json.load(answer)["ok"]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.wait()


def test_given_an_address_that_is_taken_then_one_line_says_so(config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("[web]\nport = 0", f"[web]\nport = {port}"))
        done = subprocess.run(
            [sys.executable, "-m", "pikvani_device.cli", "run"],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "PIKVANI_DEVICE_CONFIG": str(config)},
        )
    assert done.returncode == 2
    assert "web.port" in done.stderr
    assert "Traceback" not in done.stderr
