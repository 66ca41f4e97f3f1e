"""Durable enqueue: our store against persist-queue's SQLite ack queue and litequeue, same durability, same disk.

One result a transaction, synchronous=FULL, write-ahead log; the three take turns result by result, so that a disk
that slows down slows all of them. Ratios are of total times, checkpoints included. The first results are not counted:
until a log has grown to its size each sync also has to grow the file, and a queue that writes more gets over it sooner.

Prints one JSON object. Run: python -m tests.bench.enqueue
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

WARM_UP = 1_200


def measure(folder: Path, results: int) -> dict[str, float]:
    import litequeue
    import persistqueue

    rng = random.Random(1)
    bodies = [case_body(rng) for _ in range(WARM_UP + results)]
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
    for i in range(WARM_UP + results):
        names.append(names.pop(0))  # nobody always comes first
        for name in names:
            began = time.perf_counter()
            turns[name](i)
            took[name].append(time.perf_counter() - began)
    counted = {name: values[WARM_UP:] for name, values in took.items()}
    means = {name: statistics.mean(values) for name, values in counted.items()}
    medians = {name: statistics.median(values) for name, values in counted.items()}
    figures = {f"{name}_us": round(mean * 1e6, 1) for name, mean in means.items()}
    figures |= {f"{name}_median_us": round(median * 1e6, 1) for name, median in medians.items()}
    ratios = {name: means[name] / means["ours"] for name in ("persist_queue", "litequeue")}
    return (
        figures
        | {"enqueue_ratio": round(min(ratios.values()), 3)}
        | {f"enqueue_ratio_{name}": round(ratio, 3) for name, ratio in ratios.items()}
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3_000)
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="a folder on the disk to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as scratch:
        print(json.dumps(measure(Path(scratch), options.n)))
