"""One web worker of gunicorn over HTTP while people page through a full centre: how long they wait, what it keeps."""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from tests.support import centre
from tests.support.postgres import free_port

from pikvani_server.store import Store
from pikvani_server.wsgi import ENVIRONMENT

PAGES = (
    *("/", "/fleet", "/fleet?district=Latur&sort=budget", "/fleet?page=150", "/fleet?trouble=queue", "/cases"),
    *("/cases?days=90&district=Latur", "/fleet/sim-000042", "/drift", "/rollouts", "/api/v1/fleet"),
    *("/api/v1/case-counts", "/api/v1/devices?limit=100"),
)
PARTS = 10


def measure(store: Store, config: Path, rounds: int) -> dict[str, Any]:
    """All pages in turn: median memory in MB by tenths of the time, and milliseconds of each page, p95."""
    requests = rounds * len(PAGES)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4"]
    environment = os.environ | {ENVIRONMENT: str(config)}
    server = subprocess.Popen([*command, "pikvani_server.wsgi:create()"], env=environment, stderr=subprocess.DEVNULL)
    cookie = f"{centre.SESSION}={centre.cookie_of(store, 'admin')}"
    samples: list[float] = []
    waits: dict[str, list[float]] = {path: [] for path in PAGES}
    try:
        worker = _answering(server, port, cookie)
        started_s = time.monotonic()
        for number in range(requests):
            path, asked_s = PAGES[number % len(PAGES)], time.monotonic()
            status = _asked(port, path, cookie)
            assert status == 200, (path, status)
            waits[path].append((time.monotonic() - asked_s) * 1000)
            samples.append(worker.memory_info().rss / 1e6)
        took_s = time.monotonic() - started_s
    finally:
        server.terminate()
        server.wait(20)
    size = max(1, len(samples) // PARTS)
    parts = [round(statistics.median(samples[i : i + size]), 1) for i in range(0, len(samples), size)][:PARTS]
    p95 = {path: round(sorted(took)[max(0, int(0.95 * len(took)) - 1)], 1) for path, took in waits.items()}
    told = {"rss_mb_by_tenth": parts, "requests": requests, "requests_per_s": round(requests / took_s, 1)}
    return told | {"p95_ms": p95}


def _answering(server: subprocess.Popen[bytes], port: int, cookie: str) -> psutil.Process:
    """The worker's process, once it answers."""
    deadline_s = time.monotonic() + 120
    while True:
        try:
            if _asked(port, "/", cookie) == 200:
                return psutil.Process(server.pid).children()[0]
        except OSError:
            pass
        if server.poll() is not None or time.monotonic() > deadline_s:
            raise SystemExit("the web worker does not answer: run its command by hand and read what it says")
        time.sleep(0.2)


def _asked(port: int, path: str, cookie: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
