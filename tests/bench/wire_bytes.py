"""Bytes on the socket per result: our batches and receipts against one JSON message a result, over one Mosquitto.

TCP payload both ways, counted by a proxy, TLS off, receipts included, in steady state with batches of 50. The
JSON side sends what our record says, QoS 1, one publish a result. Prints one JSON object.
Run: python -m tests.bench.wire_bytes
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from tests.faults.link_proxy import LinkProxy
from tests.support.mosquitto import Mosquitto

from pikvani_contract import topics
from pikvani_contract.samples import case_body
from pikvani_device.adapters.broker_paho import PahoBroker
from pikvani_device.adapters.clock_linux import LinuxClock
from pikvani_device.store import open_store
from pikvani_device.sync.publisher import Publisher, PublisherSettings, Running, offline_status

RESULTS = 1_000


def ours(folder: Path, broker_port: int) -> float:
    """Bytes a result with the real publisher, from connected and quiet to drained and quiet."""
    proxy = LinkProxy(("127.0.0.1", broker_port))
    clock = LinuxClock()
    store = open_store(folder / "device.sqlite3", clock)
    will = (topics.device("village-001", topics.UP_STATUS), offline_status())
    broker = PahoBroker("127.0.0.1", proxy.port, "village-001", will)
    settings = PublisherSettings(batch_records=50, batch_age_s=3_600, status_interval_s=3_600)
    publisher = Publisher(store, broker, clock, "village-001", lambda: Running("0.1.0", "leaf@1.0.0", "onnx"), settings)
    publisher.start()
    rng = random.Random(5)
    until(lambda: broker.connected)
    publisher.step()
    time.sleep(1)
    before = proxy.up_bytes + proxy.down_bytes
    for _ in range(RESULTS // 50):
        for _ in range(50):
            store.record_case(case_body(rng))
        publisher.step()
        until(lambda: publisher.step() >= 0 and not store.waiting())
    time.sleep(0.5)
    used = proxy.up_bytes + proxy.down_bytes - before
    broker.stop()
    proxy.close()
    return used / RESULTS


def one_json_a_message(broker_port: int) -> float:
    """Bytes a result when each is a JSON message of its own."""
    proxy = LinkProxy(("127.0.0.1", broker_port))
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="json", protocol=mqtt.MQTTv5)
    ready = threading.Event()
    client.on_connect = lambda *_: ready.set()
    client.connect("127.0.0.1", proxy.port)
    client.loop_start()
    ready.wait(10)
    time.sleep(0.5)
    before = proxy.up_bytes + proxy.down_bytes
    rng = random.Random(5)
    for seq in range(1, RESULTS + 1):
        body = msgspec.to_builtins(case_body(rng))
        names = ("decision", "reason", "crop", "condition", "confidence", "others", "model", "runtime", "photos")
        record = dict(zip((*names, "latency_ms", "quality", "channel", "locale", "consents"), body, strict=True))
        record |= {"device": "village-001", "seq": seq, "wall_ms": time.time_ns() // 1_000_000}
        client.publish("pikvani/v1/d/village-001/up/result", json.dumps(record), qos=1).wait_for_publish(10)
    time.sleep(0.5)
    used = proxy.up_bytes + proxy.down_bytes - before
    client.disconnect()
    proxy.close()
    return used / RESULTS


def until(condition, timeout_s: float = 30) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("nothing came back within 30 s")
        time.sleep(0.01)


def measure(folder: Path) -> dict[str, float]:
    broker = Mosquitto.bare(folder / "broker")
    broker.start()
    command = [sys.executable, "-m", "pikvani_server.cli", "ingest", "--data-dir", str(folder / "centre")]
    server = subprocess.Popen([*command, "--broker", f"127.0.0.1:{broker.port}"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    server.stdout.readline()  # "ready": before it, a batch would find nobody
    try:
        mine, theirs = ours(folder, broker.port), one_json_a_message(broker.port)
    finally:
        server.terminate()
        server.wait(20)
        broker.stop()
    return {
        "bytes_per_result": round(mine, 1),
        "bytes_per_result_json": round(theirs, 1),
        "json_over_ours": round(theirs / mine, 2),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(Path(scratch))))
