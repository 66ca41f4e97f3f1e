"""How costs grow: the device's store and the centre's pages, with ten and a hundred times as much in them.

    scripts/bench growth

A device at 300, 3,000 and 30,000 cases that wait (100 a day: three days, a month, most of a year); the centre at 100
devices with 10,000 cases, then ten and a hundred times both. Ingest at ten times the devices is in `sync`.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pikvani_contract.clock import ManualClock
from pikvani_contract.messages import CaseBody
from pikvani_contract.samples import case_body
from pikvani_device.store import Store, open_store

CASES = (300, 3_000, 30_000)
TIMED = 300
CENTRES = ((100, 10_000), (1_000, 100_000), (10_000, 1_000_000))
_PAGES = ("/", "/fleet", "/cases", "/fleet/sim-000042", "/drift")


def median_us(work: Callable[[], object], times: int) -> float:
    """Microseconds of one call."""
    took = []
    for _ in range(times):
        began_s = time.perf_counter()
        work()
        took.append((time.perf_counter() - began_s) * 1e6)
    return round(statistics.median(took), 1)


def on_device(folder: Path) -> list[dict[str, float]]:
    """A store as it fills."""
    rng, rows = random.Random(1), list[dict[str, float]]()
    path = folder / "device.sqlite3"
    for cases in CASES:
        began_s = time.perf_counter()
        store = open_store(path, ManualClock())
        opened_s = time.perf_counter() - began_s
        for _ in range(cases - (int(rows[-1]["cases"]) + TIMED if rows else 0)):
            store.record_case(case_body(rng))
        rows.append(timed(store, case_body(rng)) | {"cases": cases, "open_ms": round(opened_s * 1_000, 1)})
        store.close()
        rows[-1]["bytes_a_case"] = round(path.stat().st_size / (cases + TIMED), 1)
    return rows


def timed(store: Store, body: CaseBody) -> dict[str, float]:
    """What a case, the latest cases and a look at the queue cost now."""
    return {
        "record_us": median_us(lambda: store.record_case(body), TIMED),
        "latest_page_us": median_us(lambda: store.latest_cases(50), 50),
        "depths_us": median_us(store.depths, 50),
    }


def command(*words: object) -> dict[str, Any]:
    """The JSON object another bench prints."""
    done = subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def at_centre() -> list[dict[str, float]]:
    """Pages, 95th percentile in ms."""
    rows = []
    for devices, cases in CENTRES:
        found = command("tests.bench.pages", "--devices", devices, "--cases", cases, "--runs", 20, "--rounds", 2)
        pages = {page: found["pages"][page]["p95_ms"] for page in _PAGES}
        rows.append({"devices": devices, "cases": cases} | pages)
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:
        device = on_device(Path(scratch))
    print(json.dumps({"device": device, "centre": at_centre()}))
