"""What a person waits for: pages of the centre over 10,000 devices and a million cases on PostgreSQL with fsync on.

    scripts/bench pages [--devices N] [--cases N] [--runs N] [--rounds N]

Rows are made by the database itself, evenly over four weeks, so that filling takes a minute. Each page is asked for
`--runs` times through the whole application (session, rules, queries, template); and cases sent over real MQTT are
looked for in the API's answer; then one web worker of gunicorn is asked for them in turn, its memory watched.
Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient
from tests.bench import web_memory
from tests.bench.scale import visibility
from tests.bench.web_memory import PAGES
from tests.simulation.world import DISTRICTS
from tests.support import centre
from tests.support.mosquitto import Mosquitto
from tests.support.postgres import Postgres

from pikvani_server.fleet import counts
from pikvani_server.store import Store, open_store

_DEVICES = """
INSERT INTO devices (id, first_seen_at, last_seen_at, online, app, model, runtime, clock_trust, queue_records,
  queue_bytes, budget_used_bytes, budget_bytes)
SELECT 'sim-' || lpad(n::text, 6, '0'), now() - interval '90 days', now() - (n % 97) * interval '1 hour', n % 9 > 0,
  '0.1.' || n % 3, 'leaf@1.' || n % 2 || '.0', 'onnx', n % 3, CASE WHEN n % 50 = 0 THEN 900 ELSE n % 7 END, n % 7 * 90,
  n * 3571 % 50000000, 50000000
FROM generate_series(0, :devices - 1) AS n
"""
_PLACES = """
INSERT INTO places (device_id, district, taluka, kind, updated_at)
SELECT 'sim-' || lpad(n::text, 6, '0'), (CAST(:districts AS text[]))[1 + n % :many], '',
  (ARRAY['pi4','pi5','jetson'])[1 + n % 3], now() FROM generate_series(0, :devices - 1) AS n
"""
_CASES = """
INSERT INTO cases (device_id, outbox, seq, received_at, happened_at, time_quality, mono_ms, offset_ms, trust, decision,
  reason, crop, condition, confidence_e4, others, model, runtime, photos, latency_ms, quality_e4, channel, locale,
  consents)
SELECT 'sim-' || lpad((n % :devices)::text, 6, '0'), '\\x0102030405060708', 1 + n / :devices, at,
  at - interval '40 min', 'synced', n, 0, 2,
  (ARRAY['answer','answer','answer','answer','more','refuse'])[1 + n % 6], '',
  (ARRAY['cotton','rice','maize','tomato','chilli'])[1 + n % 5],
  (ARRAY['cotton','rice','maize','tomato','chilli'])[1 + n % 5] || '/' ||
  (ARRAY['healthy','rust','early_blight','mosaic'])[1 + n % 4], 3000 + n % 7000, '[]',
  'leaf@1.' || n % 2 || '.0', 'onnx', 2, 40, '[]', 'kiosk', CASE WHEN n % 6 = 0 THEN 'hi-IN' ELSE 'mr-IN' END, 0
FROM (SELECT n, now() - (1 - n::float8 / :cases) * interval '28 days' AS at
      FROM generate_series(0, :cases - 1) AS n) AS made
"""


def fill(store: Store, devices: int, cases: int) -> dict[str, float]:
    """Make the rows and count them; seconds of each."""
    started_s = time.monotonic()
    names = [name for name, _ in DISTRICTS]
    with store.writing("filling") as connection:
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        connection.execute(sa.text(_DEVICES), {"devices": devices})
        connection.execute(sa.text(_PLACES), {"devices": devices, "districts": names, "many": len(names)})
        connection.execute(sa.text(_CASES), {"devices": devices, "cases": cases})
    filled_s = time.monotonic()
    counts.run_pass(store, datetime.now(UTC))
    counted_s = time.monotonic()
    counts.run_pass(store, datetime.now(UTC))
    with store.writing("analysing") as connection:
        connection.execute(sa.text("ANALYZE"))
    again_s = time.monotonic() - counted_s
    seconds = {"filled_s": filled_s - started_s, "counted_s": counted_s - filled_s, "counted_again_s": again_s}
    return {name: round(value, 1) for name, value in seconds.items()}


def timed(client: FlaskClient, path: str, runs: int) -> dict[str, float]:
    """Milliseconds of a page, after one that warms up."""
    took = []
    for _ in range(runs + 1):
        started_s = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - started_s) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    ordered = sorted(took[1:])
    return {"p50_ms": round(statistics.median(ordered), 1), "p95_ms": round(ordered[int(0.95 * runs) - 1], 1)}


class Shown:
    """The store as a program sees it: through the API."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client

    def cases(self, limit: int, device: str) -> list[dict[str, Any]]:
        return list(self._client.get(f"/api/v1/cases?limit={limit}&device={device}").json["cases"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=200, help="through all pages, for the memory of a web worker")
    options = parser.parse_args()
    postgres = Postgres(durable=True)
    with tempfile.TemporaryDirectory(prefix="pikvani-pages-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        broker = Mosquitto.bare(folder / "broker")
        try:
            postgres.start()
            broker.start()
            url = postgres.new_database()
            store = open_store(url)
            store.migrate()
            told: dict[str, Any] = {"devices": options.devices, "cases": options.cases}
            told["filling"] = fill(store, options.devices, options.cases)
            print(json.dumps(told), file=sys.stderr, flush=True)
            client = centre.client_of(centre.build(store), store, "admin")
            told["pages"] = {path: timed(client, path, options.runs) for path in PAGES}
            print(json.dumps(told["pages"]), file=sys.stderr, flush=True)
            config = folder / "centre.toml"
            config.write_text(
                f'[database]\nurl = "{url}"\n[broker]\nport = {broker.port}\n[ingest]\nrate_bytes_s = 0\n'
            )
            told["visible"] = visibility(Shown(client), config, broker.port)  # type: ignore[arg-type]
            told["web_worker"] = web_memory.measure(store, config, options.rounds)
            told["machine"] = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
            store.close()
        finally:
            broker.stop()
            postgres.close()
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
