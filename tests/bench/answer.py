"""Photograph to answer over HTTP: this device, durable and with advice, beside a plain FastAPI and PyTorch FP32 server.

    scripts/bench answer [-n 150] [--photos DIR]

Both run the same network on one thread in processes of their own and take turns photograph by photograph. Also: from
the start of the process to the first answer, and memory once all photographs were answered. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import psutil
from tests.bench.diagnose import choose
from tests.support.mosquitto import free_port

from pikvani_contract.model.manifest import load_package
from pikvani_device.app.building import shipped_package
from pikvani_device.drawn_leaves import drawn_jpeg

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
STARTS = 3


def post(url: str, field: str, photo: bytes) -> bytes:
    """One photograph as a form; what was answered."""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="{field}"; filename="leaf.jpg"\r\n'
    body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + photo + f"\r\n--{mark}--\r\n".encode()
    request = urllib.request.Request(url, body, {"Content-Type": f"multipart/form-data; boundary={mark}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


class Answering:
    """A server of either kind, started and asked once."""

    def __init__(self, command: list[str], field: str, path: str, photo: bytes, folder: Path) -> None:
        self._field, began_s = field, time.perf_counter()
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'models'}:{ROOT / 'contract'}", "OMP_NUM_THREADS": "1"}
        log = (folder / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        found = re.search(r'"web": "([^"]+)"', first) or re.search(r'"port": (\d+)', first)
        if not found:
            sys.exit(f"{command} did not start: {(folder / 'log').read_text()[-2_000:]}")
        base = found[1] if found[1].startswith("http") else f"http://127.0.0.1:{found[1]}"
        self._url = base.rstrip("/") + path
        while True:  # the peer says its port before it listens
            try:
                self.ask(photo)
                break
            except urllib.error.URLError:
                time.sleep(0.02)
        self.start_s = time.perf_counter() - began_s

    def ask(self, photo: bytes) -> float:
        """Milliseconds to an answer."""
        began_s = time.perf_counter()
        post(self._url, self._field, photo)
        return (time.perf_counter() - began_s) * 1_000

    @property
    def rss_mb(self) -> float:
        """Of the process and its children."""
        own = psutil.Process(self._process.pid)
        return sum(p.memory_info().rss for p in (own, *own.children(recursive=True))) / 2**20

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


def ours(folder: Path, photo: bytes) -> Answering:
    """The device's pages alone: camera drawn, nothing to send to."""
    folder.mkdir()
    config = folder / "device.toml"
    config.write_text(
        f'[device]\ndata_dir = "{folder}/data"\n[camera]\nadapter = "drawn"\n[web]\nport = 0\n[runtime]\nthreads = 1\n'
    )
    command = [sys.executable, "-m", "pikvani_device.cli", "--config", str(config), "run", "--part", "web"]
    return Answering(command, "photos", "/api/v1/diagnose", photo, folder)


def theirs(folder: Path, photo: bytes) -> Answering:
    """FastAPI and PyTorch."""
    folder.mkdir()
    manifest = load_package(shipped_package()).manifest
    numbers = (manifest.input.size, len(manifest.labels), free_port())
    command = [str(PEERS), str(Path(__file__).parent / "peers" / "fp32_server.py"), *map(str, numbers)]
    return Answering(command, "photo", "/predict", photo, folder)


def measure(photos: list[bytes], folder: Path) -> dict[str, object]:
    """Both, side by side."""
    starts: dict[str, list[float]] = {"ours": [], "fastapi_torch": []}
    for number in range(STARTS):
        for name, start in (("ours", ours), ("fastapi_torch", theirs)):
            server = start(folder / f"{name}-{number}", photos[0])
            starts[name].append(server.start_s)
            server.stop()
    servers = {"ours": ours(folder / "ours", photos[0]), "fastapi_torch": theirs(folder / "theirs", photos[0])}
    took: dict[str, list[float]] = {name: [] for name in servers}
    try:
        for number, photo in enumerate(photos):
            for name in list(servers)[:: 1 if number % 2 else -1]:
                took[name].append(servers[name].ask(photo))
        memory = {name: server.rss_mb for name, server in servers.items()}
    finally:
        for server in servers.values():
            server.stop()
    found: dict[str, object] = {"photos": len(photos)}
    for name, times in took.items():
        found[f"{name}_ms"] = round(statistics.median(times), 1)
        found[f"{name}_p95_ms"] = round(statistics.quantiles(times, n=20)[-1], 1)
        found[f"{name}_start_s"] = round(statistics.median(starts[name]), 2)
        found[f"{name}_rss_mb"] = round(memory[name], 1)
    for what in ("ms", "p95_ms", "start_s", "rss_mb"):
        found[f"{what.removesuffix('_ms')}_ratio"] = round(found[f"fastapi_torch_{what}"] / found[f"ours_{what}"], 2)  # type: ignore[operator]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=150)
    parser.add_argument("--photos", type=Path, help="folder of photographs; drawn leaves where none is given")
    options = parser.parse_args()
    if options.photos:
        photos = [path.read_bytes() for path in choose(options.photos, options.n, 1)]
    else:
        photos = [drawn_jpeg(seed) for seed in range(options.n)]
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(photos, Path(folder))))


if __name__ == "__main__":
    main()
