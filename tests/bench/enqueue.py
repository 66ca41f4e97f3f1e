"""Durable enqueue: our store against persist-queue's SQLite ack queue and litequeue, same durability, same disk.

One result a transaction, synchronous=FULL, write-ahead log; the three take turns result by result, so that a disk
that slows down slows all of them. Prints one JSON object. Run: python -m tests.bench.enqueue
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pikvani_contract.clock import ManualClock
from pikvani_contract.samples import case_body
from pikvani_contract.wire import pack_body
from pikvani_device.store import open_store


def measure(folder: Path, results: int) -> dict[str, float]:
    import litequeue
    import persistqueue

    rng = random.Random(1)
    bodies = [case_body(rng) for _ in range(results)]
    encoded = [pack_body(body) for body in bodies]
    store = open_store(folder / "ours.sqlite3", ManualClock())
    theirs = persistqueue.SQLiteAckQueue(str(folder / "persistqueue"), auto_commit=True)
    theirs._putter.execute("PRAGMA synchronous=FULL")
    lite = litequeue.LiteQueue(str(folder / "lite.sqlite3"))
    lite.conn.execute("PRAGMA synchronous=FULL")
    turns: dict[str, Callable[[int], object]] = {
        "ours": lambda i: store.record_case(bodies[i]),
        "persist_queue": lambda i: theirs.put(encoded[i]),
        "litequeue": lambda i: lite.put(encoded[i].hex()),
    }
    took: dict[str, list[float]] = {name: [] for name in turns}
    names = list(turns)
    for i in range(results):
        names.append(names.pop(0))  # nobody always comes first
        for name in names:
            began = time.perf_counter()
            turns[name](i)
            took[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in took.items()}
    return {
        "ours_us": round(medians["ours"] * 1e6, 1),
        "persist_queue_us": round(medians["persist_queue"] * 1e6, 1),
        "litequeue_us": round(medians["litequeue"] * 1e6, 1),
        "enqueue_ratio": round(min(medians["persist_queue"], medians["litequeue"]) / medians["ours"], 3),
        "enqueue_ratio_persist_queue": round(medians["persist_queue"] / medians["ours"], 3),
        "enqueue_ratio_litequeue": round(medians["litequeue"] / medians["ours"], 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1_500)
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="a folder on the disk to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as scratch:
        print(json.dumps(measure(Path(scratch), options.n)))
