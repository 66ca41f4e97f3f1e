"""Draining a long queue over mutual TLS: our publisher to the receipts, against one paho QoS 1 message a result.

Broker, certificates and PostgreSQL are the production ones on loopback. Ours reads from its durable queue and counts
until the centre has committed everything, receipts have come back and the outbox is empty. The peer sends from memory.
`drain_ratio`, which is held to the bar, is against the fastest: it never waits, and its subscriber stores nothing.
Beside it `drain_ratio_committed`, where that subscriber commits each result as it comes (the same end of the road, less
a durable queue and receipts), and `drain_ratio_waiting`, where each message waits for the acknowledgement of the one
before. The device is a process of its own, so that its memory can be read: idle and connected, and at its peak while
30 days of 100 cases drain. Prints one JSON object. Run: python -m tests.bench.drain
"""

from __future__ import annotations

import argparse
import json
import os
import random
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path
from statistics import median
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from tests.faults.harness import production_broker
from tests.support.postgres import Postgres

from pikvani_contract import topics
from pikvani_contract.messages import SketchBody
from pikvani_contract.samples import case_body
from pikvani_contract.wire import pack_body
from pikvani_device.adapters.broker_paho import PahoBroker, TlsFiles
from pikvani_device.adapters.clock_linux import LinuxClock
from pikvani_device.store import open_store
from pikvani_device.sync.publisher import Publisher, PublisherSettings, Running, offline_status

DEVICE = "village-000"
DAYS, CASES_A_DAY = 30, 100
ROUNDS = 5
"""Peers and we take turns, and the median of the rounds counts: a shared machine is not as fast at every moment."""


def drain(folder: Path, port: int, results: int) -> dict[str, float]:
    """In the device's process: fill the store, connect, drain; memory in kilobytes."""
    clock, rng = LinuxClock(), random.Random(3)
    store = open_store(folder / f"{results}.sqlite3", clock)
    # Filling is not what is measured: one transaction, not thirty days of them.
    store._db.execute("PRAGMA synchronous=OFF")
    for number in range(results):
        store.record_case(case_body(rng))
        if number % CASES_A_DAY == 0:
            store.enqueue("sketch", SketchBody("leaf@1.0.0", "2026-11-23", number, rng.randbytes(1_500)))
    store._db.execute("PRAGMA synchronous=FULL")
    os.sync()  # what filling left to be written must not be written while we measure
    tls = TlsFiles(folder / "tls" / "ca.pem", folder / "tls" / f"{DEVICE}.pem", folder / "tls" / f"{DEVICE}.key")
    will = (topics.device(DEVICE, topics.UP_STATUS), offline_status())
    broker = PahoBroker("127.0.0.1", port, DEVICE, will, tls)
    settings = PublisherSettings(batch_age_s=0)  # a queue of weeks is older than any wait for company
    publisher = Publisher(store, broker, clock, DEVICE, lambda: Running("0", "m", "r"), settings)
    publisher.start()
    while not broker.connected:
        time.sleep(0.01)
    idle_kb = _memory_kb("VmRSS")
    lanes: list[int] = []
    stop = threading.Event()
    began = time.perf_counter()
    while waiting := store.waiting():
        if not lanes or lanes[-1] != waiting[0].lane:
            lanes.append(int(waiting[0].lane))
        store.changed.clear()
        publisher.step()
        store.changed.wait(0.02)
    took_s = time.perf_counter() - began
    stop.set()
    broker.stop()
    peak_kb = _memory_kb("VmHWM")  # not ru_maxrss, which begins with what the process that started us had
    return {"seconds": took_s, "idle_kb": idle_kb, "peak_kb": peak_kb, "in_order": float(lanes == sorted(lanes))}


def _memory_kb(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise RuntimeError(f"no {name} in /proc/self/status")


class PlainListener:
    """A plain subscriber at the centre: counts each result, and commits it to PostgreSQL where it has a database."""

    def __init__(self, centre: dict[str, Any], database: str | None = None) -> None:
        self._database = psycopg.connect(database) if database else None
        if self._database:
            self._database.execute("CREATE TABLE plain (device text, seq int, body bytea, PRIMARY KEY (device, seq))")
            self._database.commit()
        self.arrived = 0
        self._changed = threading.Condition()
        heard = threading.Event()
        self._client = _client("plain-listener", centre["ca_file"], centre["cert_file"], centre["key_file"])
        self._client.on_message = self._take
        self._client.on_subscribe = lambda *_: heard.set()
        self._client.on_connect = lambda *_: self._client.subscribe(topics.every_device(topics.UP_ASK), qos=1)
        self._client.connect("127.0.0.1", centre["port"])
        self._client.loop_start()
        if not heard.wait(10):
            raise TimeoutError("the broker did not take the plain listener within 10 s")

    def _take(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        if self._database:
            row = (DEVICE, self.arrived, message.payload)
            self._database.execute("INSERT INTO plain VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", row)
            self._database.commit()
        with self._changed:
            self.arrived += 1
            self._changed.notify_all()

    def wait(self, results: int) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self.arrived >= results, 300):
                raise TimeoutError(f"{self.arrived} of {results} plain messages arrived within 300 s")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        if self._database:
            self._database.close()


def one_message_a_result(tls: Path, port: int, centre: dict[str, Any], database: str, results: int) -> dict[str, float]:
    """Plain clients, every result a QoS 1 message from memory; results a second.

    Returns:
        `arrived`: sent without waiting, until a subscriber that stores nothing has all; `committed`: the same until a
        subscriber has committed all; `waiting`: each sent when the one before is acknowledged, as a client must that
        loses nothing itself.
    """
    client = _client(DEVICE, tls / "ca.pem", tls / f"{DEVICE}.pem", tls / f"{DEVICE}.key")
    ready = threading.Event()
    client.on_connect = lambda *_: ready.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    if not ready.wait(10):
        raise TimeoutError("the broker did not take the plain client within 10 s")
    rng = random.Random(3)
    bodies = [pack_body(case_body(rng)) for _ in range(results)]
    topic = topics.device(DEVICE, topics.UP_ASK)
    rates: dict[str, float] = {}
    few = results // 10
    for name, where, count in (("arrived", None, results), ("committed", database, few * 2)):
        listener = PlainListener(centre, where)
        began = time.perf_counter()
        for body in bodies[:count]:
            client.publish(topic, body, qos=1)
        listener.wait(count)
        rates[name] = count / (time.perf_counter() - began)
        listener.close()
    listener = PlainListener(centre)
    began = time.perf_counter()
    for body in bodies[:few]:
        client.publish(topic, body, qos=1).wait_for_publish(10)
    listener.wait(few)
    rates["waiting"] = few / (time.perf_counter() - began)
    listener.close()
    client.disconnect()
    client.loop_stop()
    return rates


def _client(name: str, ca: object, cert: object, key: object) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    client.tls_set(str(ca), str(cert), str(key), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    return client


def measure(folder: Path, results: int = 60_000) -> dict[str, Any]:
    folder.chmod(0o755)
    postgres, (broker, tls, table) = Postgres(), production_broker(folder, [DEVICE])
    server: subprocess.Popen[str] | None = None
    try:
        postgres.start()
        broker.start()
        config = folder / "server.toml"
        config.write_text(f'[database]\nurl = "{postgres.new_database()}"\n{table}')
        command = [sys.executable, "-m", "pikvani_server.cli", "ingest", "--config", str(config)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        server.stdout.readline()
        centre = tomllib.loads(table)["broker"]
        rounds = []
        for number in range(ROUNDS):
            plain = one_message_a_result(tls, broker.port, centre, postgres.new_database(), results // 5)
            # A count of its own, since each round has a store of its own.
            rounds.append(plain | {"ours": results / _device_process(folder, broker.port, results + number)["seconds"]})
        outage = _device_process(folder, broker.port, DAYS * CASES_A_DAY)
    finally:
        if server:
            server.terminate()
            server.wait(20)
        broker.stop()
        postgres.close()
    rate = {name: median(one[name] for one in rounds) for name in rounds[0]}
    return {
        "drain_results_per_s": round(rate["ours"]),
        "one_message_results_per_s": round(rate["arrived"]),
        "one_message_committed_results_per_s": round(rate["committed"]),
        "one_message_waiting_results_per_s": round(rate["waiting"]),
        "drain_ratio": round(rate["ours"] / rate["arrived"], 2),
        "drain_ratio_rounds": [round(one["ours"] / one["arrived"], 2) for one in rounds],
        "drain_ratio_committed": round(rate["ours"] / rate["committed"], 2),
        "drain_ratio_waiting": round(rate["ours"] / rate["waiting"], 2),
        "outage_days": DAYS,
        "outage_cases": DAYS * CASES_A_DAY,
        "outage_drain_s": round(outage["seconds"], 2),
        "outage_peak_over_idle_mb": round((outage["peak_kb"] - outage["idle_kb"]) / 1024, 1),
        "outage_in_order_of_priority": bool(outage["in_order"]),
    }


def _device_process(folder: Path, port: int, results: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.drain", "--device", str(folder), str(port), str(results)]
    found: dict[str, float] = json.loads(subprocess.check_output(command, text=True, timeout=300))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", nargs=3, metavar=("FOLDER", "PORT", "RESULTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device:
        where, port_text, count = options.device
        print(json.dumps(drain(Path(where), int(port_text), int(count))))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(measure(Path(scratch))))
