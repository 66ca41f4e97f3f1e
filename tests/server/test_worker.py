"""The ingest worker against a real broker: answers after commit, waits out a database, is never stopped by rubbish."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.support.mosquitto import Mosquitto
from tests.support.peers import TestDevice, batch, record, wait_for
from tests.support.postgres import MISSING as NO_POSTGRES
from tests.support.postgres import Postgres

from pikvani_contract import topics
from pikvani_contract.messages import SCHEMA, Status
from pikvani_contract.wire import pack
from pikvani_server.fleet.listener import StatusListener
from pikvani_server.ingest.metrics import IngestMetrics
from pikvani_server.ingest.worker import IngestSettings, IngestWorker
from pikvani_server.link import BrokerAddress
from pikvani_server.store import Store, open_store

pytestmark = pytest.mark.needs_mosquitto


@contextlib.contextmanager
def running(store: Store, broker: Mosquitto, number: int = 0, **settings: object) -> Iterator[IngestWorker]:
    worker = IngestWorker(
        store,
        BrokerAddress("127.0.0.1", broker.port),
        IngestSettings(**settings),  # type: ignore[arg-type]
        number,
        IngestMetrics(CollectorRegistry()),
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert worker.link.ready.wait(10)
        yield worker
    finally:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def device(mosquitto_broker: Mosquitto) -> Iterator[TestDevice]:
    found = TestDevice(mosquitto_broker.port, "village-1")
    yield found
    found.close()


def seqs(store: Store) -> list[int]:
    return sorted(row["seq"] for row in store.cases(10_000))


def test_given_rubbish_before_and_behind_then_the_valid_batch_gets_its_receipt(
    sqlite_store: Store, mosquitto_broker: Mosquitto, device: TestDevice
) -> None:
    with running(sqlite_store, mosquitto_broker):
        for rubbish in (b"", b"\x00", b"\x01" + b"\xff" * 40, b"\x00" + b"\x91" * 60_000, b"\x63new codec"):
            device.send(rubbish)
        device.send(batch(record(1), record(2)))
        device.send(b"\x00\xc1")

        assert wait_for(lambda: device.upto() == 2)
        assert wait_for(lambda: len(sqlite_store.dead_letters(10)) == 6)
    assert seqs(sqlite_store) == [1, 2]


def test_given_a_worker_that_was_away_then_what_came_meanwhile_is_taken_when_it_returns(
    sqlite_store: Store, mosquitto_broker: Mosquitto, device: TestDevice
) -> None:
    with running(sqlite_store, mosquitto_broker):
        pass
    device.send(batch(record(1)))
    time.sleep(0.2)
    assert device.receipts == []

    with running(sqlite_store, mosquitto_broker):
        assert wait_for(lambda: device.upto() == 1)


def test_given_a_device_over_its_limit_then_nothing_is_lost_and_others_are_served(
    sqlite_store: Store, mosquitto_broker: Mosquitto, device: TestDevice
) -> None:
    other = TestDevice(mosquitto_broker.port, "village-2")
    with running(sqlite_store, mosquitto_broker, rate_bytes_s=4_000, burst_bytes=4_000) as worker:
        for seq in range(1, 40):
            device.send(batch(record(seq)))
        other.send(batch(record(1), outbox=b"other-ob"))

        assert wait_for(lambda: other.upto(b"other-ob") == 1)
        assert wait_for(lambda: worker.link.waiting == 0)
        assert worker._metrics.throttled._value.get() > 0
        for _ in range(60):  # the device sends again what has no receipt
            if device.upto() == 39:
                break
            device.send(batch(*map(record, range(1, 40))))
            time.sleep(0.5)
        assert device.upto() == 39
    other.close()
    rows = [row["seq"] for row in sqlite_store.cases(100, "village-1")]
    assert sorted(rows) == list(range(1, 40))


def test_given_a_broker_that_dies_then_the_worker_comes_back_and_takes_on(
    sqlite_store: Store, mosquitto_broker: Mosquitto, device: TestDevice
) -> None:
    with running(sqlite_store, mosquitto_broker):
        device.send(batch(record(1)))
        assert wait_for(lambda: device.upto() == 1)

        mosquitto_broker.kill()
        time.sleep(0.3)
        mosquitto_broker.start()

        def answered() -> bool:
            device.send(batch(record(1), record(2)))
            return wait_for(lambda: device.upto() == 2, 1)

        assert wait_for(answered, 20)
    assert seqs(sqlite_store) == [1, 2]


@pytest.mark.needs_postgres
@pytest.mark.skipif(NO_POSTGRES is not None, reason=str(NO_POSTGRES))
def test_given_a_database_killed_under_load_then_the_worker_waits_and_every_record_is_there_once(
    mosquitto_broker: Mosquitto, device: TestDevice
) -> None:
    cluster = Postgres(durable=True)
    try:
        cluster.start()
        store = open_store(cluster.new_database())
        store.migrate()
        with running(store, mosquitto_broker) as worker:
            for seq in range(1, 60):
                device.send(batch(record(seq)))
                if seq == 30:
                    cluster.kill()
                    device.send(batch(record(seq + 1)))
                    assert wait_for(lambda: worker._metrics.store_errors._value.get() > 0)
                    cluster.start()
            assert wait_for(lambda: device.upto() == 59, 30)
        assert seqs(store) == list(range(1, 60))
        store.close()
    finally:
        cluster.close()


@pytest.mark.needs_postgres
def test_given_two_worker_processes_killed_at_random_then_all_is_there_once(
    mosquitto_broker: Mosquitto, postgres_server: Postgres, tmp_path: Path
) -> None:
    url = postgres_server.new_database()
    command = [sys.executable, "-m", "pikvani_server.cli", "ingest", "--workers", "2", "--db", url]
    server = subprocess.Popen(
        [*command, "--broker", f"127.0.0.1:{mosquitto_broker.port}"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    workers = json.loads(server.stdout.readline().removeprefix("ready "))["workers"]
    devices = [TestDevice(mosquitto_broker.port, f"village-{n}") for n in range(6)]
    rng = random.Random(11)
    try:
        for turn in range(20):
            for device in devices:
                device.send(batch(*map(record, range(1 + turn * 5, 6 + turn * 5))))
            if turn == 8:
                os.kill(rng.choice(workers), signal.SIGKILL)
            time.sleep(0.02)
        deadline = time.monotonic() + 40
        while any(device.upto() < 100 for device in devices) and time.monotonic() < deadline:
            time.sleep(0.5)
            for device in devices:
                if device.upto() < 100:
                    device.send(batch(*map(record, range(device.upto() + 1, 101))))
        assert [device.upto() for device in devices] == [100] * 6
    finally:
        for device in devices:
            device.close()
        server.terminate()
        assert server.wait(20) == 0
    store = open_store(url)
    found = sorted((row["device_id"], row["seq"]) for row in store.cases(10_000))
    store.close()
    assert found == sorted((device.device_id, seq) for device in devices for seq in range(1, 101))


def test_given_a_status_and_then_a_will_then_the_device_is_known_and_away(
    sqlite_store: Store, mosquitto_broker: Mosquitto, device: TestDevice
) -> None:
    listener = StatusListener(sqlite_store, BrokerAddress("127.0.0.1", mosquitto_broker.port), "test")
    thread = threading.Thread(target=listener.run)
    thread.start()
    try:
        assert listener.link.ready.wait(10)
        device.send(b"not a status", topics.UP_STATUS)
        device.send(pack(Status(SCHEMA, True, "boot", 1, 2, 2, "0.1", "leaf@1", "tflite")), topics.UP_STATUS)
        assert wait_for(lambda: [d["online"] for d in sqlite_store.devices(5)] == [True])
        device.send(pack(Status(SCHEMA, False)), topics.UP_STATUS)
        assert wait_for(lambda: [d["online"] for d in sqlite_store.devices(5)] == [False])
        assert sqlite_store.devices(5)[0]["model"] == "leaf@1"
        assert len(sqlite_store.dead_letters(5)) == 1
    finally:
        listener.stop()
        thread.join(10)
