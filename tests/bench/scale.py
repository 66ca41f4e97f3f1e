"""The centre with a state's worth in it: 10,000 devices and a million cases on PostgreSQL with fsync on.

    python -m tests.bench.scale [--devices N] [--days D] [--cases-a-day C] [--fresh N] [--rounds N]

Fills the database with the simulated fleet (its light road), runs the drift pass, then measures what people wait for:
the queries of the pages (p50, p95 of 40 runs each), from a receipt on real MQTT to the case being visible, the memory
and CPU of an ingest worker process while `--fresh` more results come in, the memory of a web worker while it answers,
what each table weighs a row (indexes included), and what a connected device costs the broker: the figures
`docs/scale.md` reckons with. Prints JSON, and each part on standard error as it comes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from tests.bench import connections, web_memory
from tests.bench.ingest import BATCH, _publish, cpu_s, payloads
from tests.simulation.__main__ import simulate
from tests.support.mosquitto import Mosquitto
from tests.support.peers import TestDevice, batch, record, wait_for
from tests.support.postgres import Postgres

from pikvani_device.drift.saying import INDIA
from pikvani_server.drift import computing, queries
from pikvani_server.fleet import counts
from pikvani_server.fleet.collector import FleetCollector
from pikvani_server.review import results
from pikvani_server.store import Store, open_store

RUNS = 40


def timed(ask: Callable[[], object]) -> dict[str, float]:
    """Milliseconds of `RUNS` runs after one that warms up."""
    ask()
    took = []
    for _ in range(RUNS):
        started_s = time.perf_counter()
        ask()
        took.append((time.perf_counter() - started_s) * 1000)
    return {"p50_ms": round(statistics.median(took), 1), "p95_ms": round(sorted(took)[int(0.95 * RUNS) - 1], 1)}


def page_queries(store: Store) -> dict[str, dict[str, float]]:
    """What the pages ask, one by one."""
    model = queries.models(store)[0]["model"]
    end = queries.series(store, "fleet", "", model)[-1]["window_end"]
    since = datetime.now(UTC) - timedelta(days=30)

    def scrape() -> bytes:
        registry = CollectorRegistry()
        FleetCollector(store, registry)
        return generate_latest(registry)

    asked: dict[str, Callable[[], object]] = {
        "fleet: latest 50 devices": lambda: store.devices(50),
        "fleet: latest 50 cases": lambda: store.cases(50),
        "fleet: totals": store.totals,
        "cases of one device": lambda: store.cases(50, "sim-000042"),
        "drift: open alarms": lambda: queries.alarms(store),
        "drift: districts of the latest window": lambda: queries.overview(store),
        "drift: fleet by day": lambda: queries.daily(store, model),
        "drift: drill-down fleet": lambda: queries.drill_down(store, model, end, "brightness"),
        "drift: drill-down district": lambda: queries.drill_down(store, model, end, "brightness", "Latur"),
        "fairness by district, 30 days": lambda: results.fairness_audit(store, "district", since),
        "/metrics": scrape,
    }
    return {name: timed(ask) for name, ask in asked.items()}


def visibility(store: Store, config: Path, port: int) -> dict[str, float]:
    """Seconds from a receipt's arrival at the device to the case being in what the page shows; 30 cases."""
    command = [sys.executable, "-m", "pikvani_server.cli", "ingest", "--config", str(config)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    took, whole = [], []
    try:
        worker.stdout.readline()
        device = TestDevice(port, "visible-1")
        for seq in range(1, 31):
            sent_s = time.monotonic()
            device.send(batch(record(seq)))
            assert wait_for(lambda seq=seq: device.upto() >= seq, 30), "no receipt"
            receipt_s = time.monotonic()
            assert wait_for(lambda seq=seq: any(c["seq"] == seq for c in store.cases(50, "visible-1")), 30), (
                "not visible"
            )
            took.append(time.monotonic() - receipt_s)
            whole.append(time.monotonic() - sent_s)
        device.close()
    finally:
        worker.terminate()
        worker.wait(20)
    return {"receipt_to_visible_s_max": round(max(took), 3), "sent_to_visible_s_p95": round(sorted(whole)[28], 3)}


def memory(config: Path, port: int, fresh: int, store: Store) -> dict[str, Any]:
    """Resident memory of one worker process while results come in, in ten equal parts of the time."""
    command = [sys.executable, "-m", "pikvani_server.cli", "ingest", "--config", str(config)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    samples: list[float] = []
    try:
        worker.stdout.readline()
        process = psutil.Process(worker.pid)
        messages = payloads(fresh, max(1, min(500, fresh // BATCH)))
        before = store.totals().committed
        sender = threading.Thread(target=_publish, args=(port, messages))
        started_s, used_s = time.monotonic(), cpu_s([process])
        sender.start()
        while store.totals().committed < before + len(messages) * BATCH and time.monotonic() - started_s < 600:
            samples.append(process.memory_info().rss / 1e6)
            time.sleep(0.1)
        sender.join()
        took_s, used_s = time.monotonic() - started_s, cpu_s([process]) - used_s
    finally:
        worker.terminate()
        worker.wait(20)
    size = max(1, len(samples) // 10)
    parts = [round(statistics.median(samples[i * size : (i + 1) * size]), 1) for i in range(len(samples) // size)][:10]
    return {
        "rss_mb_by_tenth": parts,
        "results": len(messages) * BATCH,
        "results_per_s": round(len(messages) * BATCH / took_s),
        "results_per_cpu_s": round(len(messages) * BATCH / used_s),
    }


_TABLES = """
SELECT coalesce(parent.relname, one.relname) AS name, sum(pg_total_relation_size(one.oid))::bigint AS bytes,
  sum(greatest(one.reltuples, 0))::bigint AS rows
FROM pg_class AS one JOIN pg_namespace AS space ON space.oid = one.relnamespace AND space.nspname = 'public'
LEFT JOIN pg_inherits ON pg_inherits.inhrelid = one.oid LEFT JOIN pg_class AS parent ON parent.oid = inhparent
WHERE one.relkind = 'r' GROUP BY 1 HAVING sum(greatest(one.reltuples, 0)) >= 1000 ORDER BY 2 DESC
"""


def weights(store: Store) -> dict[str, dict[str, float]]:
    """Rows of each table of a thousand and more, and bytes a row with its indexes."""
    with store.writing("analysing") as connection:
        connection.execute(sa.text("ANALYZE"))
    return {
        row["name"]: {"rows": row["rows"], "bytes_a_row": round(row["bytes"] / row["rows"], 1)}
        for row in store.read("weighing", sa.text(_TABLES))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--cases-a-day", type=float, default=3.8)
    parser.add_argument("--fresh", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=200, help="through all pages, for the memory of a web worker")
    options = parser.parse_args()
    postgres = Postgres(durable=True)
    with tempfile.TemporaryDirectory(prefix="pikvani-scale-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        broker = Mosquitto.bare(folder / "broker")
        try:
            postgres.start()
            broker.start()
            url = postgres.new_database()
            print(f"[scale] {url}", file=sys.stderr, flush=True)
            store = open_store(url)
            store.migrate()
            told: dict[str, Any] = {
                "filled": simulate(
                    store, options.devices, options.days, road="light", cases_a_day=options.cases_a_day,
                    say=lambda text: print(f"[scale] {text}", file=sys.stderr, flush=True),
                )
            }  # fmt: skip
            started_s, before_mb = time.monotonic(), psutil.Process().memory_info().rss / 1e6
            done = computing.run_pass(store, datetime.now(INDIA).date(), datetime.now(UTC))
            told["drift_pass"] = {"verdicts": done.verdicts, "seconds": round(time.monotonic() - started_s, 1)}
            told["drift_pass"]["rss_grew_mb"] = round(psutil.Process().memory_info().rss / 1e6 - before_mb, 1)
            print(json.dumps(told), file=sys.stderr, flush=True)
            told["queries"] = page_queries(store)
            print(json.dumps(told["queries"]), file=sys.stderr, flush=True)
            config = folder / "centre.toml"
            config.write_text(
                f'[database]\nurl = "{url}"\n[broker]\nport = {broker.port}\n[ingest]\nrate_bytes_s = 0\n'
            )
            told["visible"] = visibility(store, config, broker.port)
            told["worker"] = memory(config, broker.port, options.fresh, store)
            print(json.dumps(told["visible"] | told["worker"]), file=sys.stderr, flush=True)
            counts.run_pass(store, datetime.now(UTC))
            told["web_worker"] = web_memory.measure(store, config, options.rounds)
            print(json.dumps(told["web_worker"]), file=sys.stderr, flush=True)
            told["tables"] = weights(store)
            told["connections"] = connections.measure(min(5_000, options.devices))
            size = store.read("measuring", sa.text("SELECT pg_database_size(current_database()) AS s"))
            told["database_mb"] = round(size[0]["s"] / 1e6)
            told["machine"] = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "cpu": platform.machine()}
            store.close()
        finally:
            broker.stop()
            postgres.close()
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
