"""The generated production configuration, used as it is in front of a real Mosquitto."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import CollectorRegistry
from tests.support import mosquitto
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.peers import batch, record, wait_for
from tests.support.pki import Authority, Pki

from pikvani_contract import topics
from pikvani_contract.messages import Receipt
from pikvani_contract.wire import pack, unpack
from pikvani_device.adapters.broker_paho import PahoBroker, TlsFiles
from pikvani_server.broker.mosquitto_config import CENTRE_USER, MosquittoSettings, write_mosquitto_config
from pikvani_server.ingest.metrics import IngestMetrics
from pikvani_server.ingest.worker import IngestSettings, IngestWorker
from pikvani_server.link import BrokerAddress
from pikvani_server.store import Store

pytestmark = pytest.mark.needs_mosquitto
TAKEN = ("Success", "No matching subscribers")


class Peer:
    """A client that says what happened to it."""

    def __init__(self, port: int, ca_file: Path, files: tuple[Path, Path] | None, client_id: str) -> None:
        self.connected: str | None = None
        self.received: list[tuple[str, bytes]] = []
        self.puback: dict[int, str] = {}
        self.disconnects = 0
        self._heard = threading.Event()
        self._granted: set[int] = set()
        context = ssl.create_default_context(cafile=str(ca_file))
        if files:
            context.load_cert_chain(*map(str, files))
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        self.client.tls_set_context(context)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = lambda _c, _d, m: self.received.append((m.topic, m.payload))
        self.client.on_subscribe = lambda _c, _d, mid, _reasons, _p: self._granted.add(mid)
        self.client.on_publish = lambda _c, _d, mid, reason, _p: self.puback.__setitem__(mid, str(reason))
        self._port = port

    def _on_connect(self, _c: Any, _d: Any, _f: Any, reason: Any, _p: Any) -> None:
        self.connected = str(reason)
        self._heard.set()

    def _on_disconnect(self, *_: Any) -> None:
        self.disconnects += 1
        self._heard.set()

    def connect(self) -> bool:
        """Whether the broker let it in. Waits for what the broker does, not for a time."""
        try:
            self.client.connect("127.0.0.1", self._port, keepalive=30)
        except (OSError, ssl.SSLError):
            return False
        self.client.loop_start()
        assert self._heard.wait(20), "the broker neither let it in nor turned it away"
        return self.connected == "Success"

    def subscribe(self, topic: str) -> None:
        """Ask for a topic and wait for the broker's word on it, whatever that is."""
        _, mid = self.client.subscribe(topic, qos=1)
        assert wait_for(lambda: mid in self._granted), f"the broker said nothing of {topic}"

    def publish(self, topic: str, payload: bytes = b"x", retain: bool = False, within_s: float = 20) -> str:
        info = self.client.publish(topic, payload, qos=1, retain=retain)
        wait_for(lambda: info.mid in self.puback, within_s)
        return self.puback.get(info.mid, "no answer")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Village:
    def __init__(self, folder: Path) -> None:
        self.pki = Pki(folder / "pki")
        self.device_port, self.centre_port = free_port(), free_port()
        data = folder / "data"
        data.mkdir()
        for path in (folder, data, self.pki.folder):
            path.chmod(0o777)
        self.settings = MosquittoSettings(
            ca_file=self.pki.ca_file,
            cert_file=self.pki.broker_cert,
            key_file=self.pki.broker_key,
            crl_file=self.pki.crl_file,
            data_dir=data,
            device_port=self.device_port,
            device_host="127.0.0.1",
            centre_port=self.centre_port,
            user="root",
        )
        self.written = write_mosquitto_config(self.settings, folder / "conf")
        self.broker = Mosquitto(self.written[0], [self.device_port, self.centre_port])
        self.peers: list[Peer] = []

    def peer(self, files: tuple[Path, Path] | None, client_id: str, centre: bool = False) -> Peer:
        port = self.centre_port if centre else self.device_port
        found = Peer(port, self.pki.ca_file, files, client_id)
        self.peers.append(found)
        return found

    def device(self, name: str) -> Peer:
        found = self.peer(self.pki.files(name), name)
        assert found.connect(), found.connected
        return found


@pytest.fixture(scope="module")
def running_village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    if mosquitto.MISSING:
        pytest.skip(mosquitto.MISSING)
    found = Village(tmp_path_factory.mktemp("village"))
    found.broker.start()
    yield found
    found.broker.stop()


@pytest.fixture
def village(running_village: Village) -> Iterator[Village]:
    yield running_village
    while running_village.peers:
        running_village.peers.pop().close()


def test_given_an_enrolled_device_then_it_may_use_its_own_topics_and_the_centre_hears_it(village: Village) -> None:
    centre = village.peer(village.pki.files(CENTRE_USER), "ingest-0", centre=True)
    assert centre.connect()
    centre.subscribe(topics.every_device(topics.UP_BATCH, share="ingest"))
    device = village.device("village-a")
    device.subscribe(topics.device("village-a", topics.DOWN_RECEIPT))

    assert device.publish(topics.device("village-a", topics.UP_BATCH), b"batch") == "Success"
    assert centre.publish(topics.device("village-a", topics.DOWN_RECEIPT), b"receipt") == "Success"

    assert wait_for(lambda: centre.received and device.received)
    assert centre.received == [("pikvani/v1/d/village-a/up/batch", b"batch")]
    assert device.received == [("pikvani/v1/d/village-a/down/receipt", b"receipt")]


def test_given_device_a_then_it_can_neither_publish_nor_read_as_b(village: Village) -> None:
    a, b = village.device("village-a"), village.device("village-b")
    centre = village.peer(village.pki.files(CENTRE_USER), "ingest-0", centre=True)
    assert centre.connect()
    for leaf in topics.DOWN + topics.UP:
        a.subscribe(topics.device("village-b", leaf))
    a.subscribe("#")
    a.subscribe("$share/ingest/pikvani/v1/d/+/up/batch")
    a.subscribe(topics.device("village-a", topics.DOWN_COMMAND))
    centre.subscribe(topics.every_device(topics.UP_BATCH))

    for leaf in topics.UP:
        assert a.publish(topics.device("village-b", leaf)) == "Not authorized"
    for leaf in topics.DOWN:
        assert a.publish(topics.device("village-a", leaf)) == "Not authorized"
    assert b.publish(topics.device("village-b", topics.UP_BATCH), b"of b") == "Success"
    assert centre.publish(topics.device("village-b", topics.DOWN_COMMAND), b"for b") == "Success"

    # The broker keeps the order: once a has what came last and is its own, what it should not have would be there.
    last = (topics.device("village-a", topics.DOWN_COMMAND), b"for a")
    assert centre.publish(*last) == "Success"
    assert wait_for(lambda: last in a.received and centre.received)
    assert set(a.received) == {last}
    assert centre.received == [("pikvani/v1/d/village-b/up/batch", b"of b")]


def test_given_device_a_with_the_client_id_of_b_then_b_keeps_its_session(village: Village) -> None:
    b = village.device("village-b")
    thief = village.peer(village.pki.files("village-a"), "village-b")

    assert thief.connect()

    assert b.publish(topics.device("village-b", topics.UP_STATUS)) in TAKEN
    assert b.disconnects == 0


@pytest.mark.parametrize(("topic_of", "heard"), [("village-a", True), ("village-b", False)])
def test_given_a_will_then_only_a_topic_of_its_own_hears_it(village: Village, topic_of: str, heard: bool) -> None:
    a = village.peer(village.pki.files("village-a"), "village-a")
    topic = topics.device(topic_of, topics.UP_STATUS)
    a.client.will_set(topic, b"gone", qos=1)
    centre = village.peer(village.pki.files(CENTRE_USER), "fleet-0", centre=True)
    assert centre.connect() and a.connect()
    centre.subscribe(topics.every_device(topics.UP_STATUS))
    a.client.loop_stop()
    a.client.socket().close()

    # What the next one says is heard after a will that is heard at all.
    last = (topics.device("village-b", topics.UP_STATUS), b"here")
    assert village.device("village-b").publish(*last) == "Success"
    assert wait_for(lambda: last in centre.received)
    assert centre.received == [*([(topic, b"gone")] if heard else []), last]


def test_given_no_revoked_unknown_or_expired_certificate_then_none_gets_in(village: Village) -> None:
    revoked = village.pki.devices.issue("village-r")
    village.broker.stop()
    village.pki.revoke(revoked)
    village.broker.start()
    stranger = Authority("Somebody else")
    outside = stranger.issue("village-a").write(village.pki.folder, "outside")
    expired = village.pki.devices.issue("village-a", expired=True)

    for name, files in {
        "revoked": village.pki.files("village-r", revoked),
        "unknown authority": outside,
        "expired": village.pki.files("expired", expired),
        "no certificate": None,
    }.items():
        for centre in (False, True):
            peer = village.peer(files, "village-a", centre=centre)
            assert not peer.connect(), f"{name} got in"
    assert village.device("village-a").connected == "Success"


def test_given_a_link_that_came_back_then_it_is_resumed_until_its_device_is_revoked(village: Village) -> None:
    issued = village.pki.devices.issue("village-z")
    cert, key = village.pki.files("village-z", issued)
    broker = PahoBroker(
        "127.0.0.1", village.device_port, "village-z", ("x", b""), TlsFiles(village.pki.ca_file, cert, key)
    )
    broker._client.reconnect_delay_set(1, 1)
    broker.start((topics.device("village-z", topics.DOWN_RECEIPT),), lambda *_: None)
    wait_for(lambda: broker.connected)
    assert broker.resumed_connections == 0

    broker._client.socket().shutdown(socket.SHUT_RDWR)
    wait_for(lambda: not broker.connected)
    wait_for(lambda: broker.connected)
    assert broker.resumed_connections == 1

    village.broker.stop()
    village.pki.revoke(issued)
    village.broker.start()
    time.sleep(4)
    assert not broker.connected, "a remembered session let a revoked device in"
    broker.stop()


@pytest.mark.parametrize("common_name", ["+", "#", "a/b", " ", "village-a/up", "VILLAGE"])
def test_given_a_certificate_with_a_wrong_cn_then_it_gets_nowhere(village: Village, common_name: str) -> None:
    victim = village.device("village-a")
    victim.subscribe(topics.device("village-a", topics.DOWN_COMMAND))
    peer = village.peer(village.pki.files("wrong", village.pki.devices.issue(common_name)), "x")
    if not peer.connect():
        return
    for name in ("village-a", "+", "a"):
        peer.subscribe(f"pikvani/v1/d/{name}/up/#")
        peer.subscribe(f"pikvani/v1/d/{name}/down/#")

    assert peer.publish("pikvani/v1/d/village-a/up/batch") not in TAKEN
    assert peer.publish("pikvani/v1/d/village-a/down/command") not in TAKEN
    victim.publish(topics.device("village-a", topics.UP_BATCH), b"secret")

    time.sleep(0.2)
    assert peer.received == [] and victim.received == []


def test_given_a_device_enrolled_then_its_id_can_never_be_the_centres_user() -> None:
    assert not topics.DEVICE_ID.fullmatch(CENTRE_USER)


def test_given_a_payload_over_the_limit_then_the_broker_does_not_pass_it_on(village: Village) -> None:
    centre = village.peer(village.pki.files(CENTRE_USER), "ingest-0", centre=True)
    assert centre.connect()
    centre.subscribe(topics.every_device(topics.UP_BATCH))
    device, other = village.device("village-a"), village.device("village-b")

    assert device.publish(topics.device("village-a", topics.UP_BATCH), bytes(300_000), within_s=3) not in TAKEN

    last = (topics.device("village-b", topics.UP_BATCH), b"small")
    assert other.publish(*last) == "Success"
    assert wait_for(lambda: centre.received)
    assert centre.received == [last]


def test_given_the_production_broker_then_a_worker_takes_in_and_answers_over_mutual_tls(
    village: Village, sqlite_store: Store
) -> None:
    cert_file, key_file = village.pki.files(CENTRE_USER)
    address = BrokerAddress("127.0.0.1", village.centre_port, str(village.pki.ca_file), str(cert_file), str(key_file))
    workers = [
        IngestWorker(sqlite_store, address, IngestSettings(), number, IngestMetrics(CollectorRegistry()))
        for number in range(2)
    ]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        assert all(worker.link.ready.wait(10) for worker in workers)
        device = village.device("village-a")
        device.subscribe(topics.device("village-a", topics.DOWN_RECEIPT))
        for seq in range(1, 9):
            device.publish(topics.device("village-a", topics.UP_BATCH), pack(batch(record(seq))))
        assert wait_for(lambda: any(unpack(p, Receipt).upto == 8 for _, p in list(device.received)))
    finally:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join(10)
    assert sorted(row["seq"] for row in sqlite_store.cases(20)) == list(range(1, 9))
