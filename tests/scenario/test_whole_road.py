"""The whole road on real processes: photographs in, receipts back, and the centre killed in the middle."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from pikvani_contract.samples import case_body
from pikvani_device.adapters.clock_linux import LinuxClock
from pikvani_device.store import open_store

CASES = 600


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_until_ready(command: list[str], env: dict[str, str] | None = None) -> tuple[subprocess.Popen[str], dict]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            return process, json.loads(line.removeprefix("ready "))
    raise AssertionError(f"{command} ended with {process.wait()} before it was ready")


def committed(web: str, data_dir: Path) -> list[tuple[str, int]]:
    make_token = [sys.executable, "-m", "pikvani_server.cli", "tokens", "add", "test", "--data-dir", str(data_dir)]
    token = subprocess.check_output(make_token, text=True).strip()
    url = f"{web}/api/v1/cases?device=village-7&limit=10000"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return [(row["outbox"], row["seq"]) for row in json.load(answer)["cases"]]


def test_given_a_server_killed_again_and_again_then_every_case_is_at_the_centre_once(tmp_path: Path) -> None:
    """Broker, server and device are processes of their own; the server is killed while cases pour in."""
    broker_port, web_port = free_port(), free_port()
    broker, _ = start_until_ready(
        [
            sys.executable,
            "-m",
            "pikvani_server.cli",
            "broker",
            "--port",
            str(broker_port),
            "--data-dir",
            str(tmp_path / "b"),
        ]
    )
    server_command = [
        *(sys.executable, "-m", "pikvani_server.cli", "run", "--data-dir", str(tmp_path / "centre")),
        *("--broker", f"127.0.0.1:{broker_port}", "--port", str(web_port)),
    ]
    config = tmp_path / "device.toml"
    config.write_text(
        f'[device]\nid = "village-7"\ndata_dir = "{tmp_path / "device"}"\n[web]\nport = {free_port()}\n'
        f'[sync]\nhost = "127.0.0.1"\nport = {broker_port}\nmax_batch_age_s = 0.2\nreceipt_timeout_s = 2\n'
    )
    device, _ = start_until_ready(
        [sys.executable, "-m", "pikvani_device.cli", "run"], {"PIKVANI_DEVICE_CONFIG": str(config)}
    )
    server, centre = start_until_ready(server_command)
    processes = [broker, device, server]
    rng = random.Random(7)
    try:
        store = open_store(next((tmp_path / "device").rglob("*.sqlite3")), LinuxClock())
        recorded: list[str] = []
        for kill in range(4):
            for _ in range(CASES // 4):
                recorded.append(store.record_case(case_body(rng)).case_id)
            time.sleep(rng.uniform(0.1, 0.8))
            if kill < 3:
                server.send_signal(signal.SIGKILL)
                server.wait()
                server, centre = start_until_ready(server_command)
                processes.append(server)
        deadline = time.monotonic() + 90
        while store.waiting() and time.monotonic() < deadline:
            time.sleep(0.3)
        assert store.waiting() == [], "the outbox is not empty: a receipt is missing"
        stored = committed(centre["web"], tmp_path / "centre")
        assert len(stored) == len(set(stored)), "a case stands twice at the centre"
        assert {f"{outbox}-{seq}" for outbox, seq in stored} == set(recorded)
    finally:
        for process in processes:
            process.kill()
            process.wait()
