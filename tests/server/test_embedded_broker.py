"""The embedded broker comes back by itself, whichever way it died."""

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from pikvani_server.broker.embedded import EmbeddedBroker, takes_sessions
from pikvani_server.link import BrokerAddress, Link


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


def answers_within(broker: EmbeddedBroker, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if takes_sessions(broker.host, broker.port):
            return True
        time.sleep(0.1)
    return False


def test_given_a_broker_whose_process_died_then_it_is_started_again_on_its_port(broker: EmbeddedBroker) -> None:
    broker._broker._process.kill()
    broker._broker._process.wait()
    assert not takes_sessions(broker.host, broker.port)
    assert answers_within(broker, 30)


def test_given_workers_cut_off_while_messages_come_then_a_router_that_panics_is_started_again(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """The road of the panic: a member of a shared subscription goes again and again with messages on the way to it."""
    speaker = mqtt.Client(CallbackAPIVersion.VERSION2, "speaker", protocol=mqtt.MQTTv5)
    speaker.reconnect_delay_set(1, 1)
    speaker.connect(broker.host, broker.port)
    speaker.loop_start()
    try:
        with caplog.at_level(logging.WARNING, "pikvani_server.broker.embedded"):
            for _ in range(40):
                worker = Link(BrokerAddress(broker.host, broker.port), "worker", ["$share/g/pk/+/up"], 200, 3_600)
                worker.start()
                if not worker.ready.wait(1):
                    break
                for _ in range(30):
                    speaker.publish("pk/one/up", b"x" * 100, qos=1)
                sock = worker._client.socket()
                assert sock is not None
                sock.shutdown(socket.SHUT_RDWR)
                worker._client.loop_stop()
            assert answers_within(broker, 30)
            late = Link(BrokerAddress(broker.host, broker.port), "late", ["$share/g/pk/+/up"], 200, 0)
            late.start()
            assert late.ready.wait(20), "who comes afterwards is served"
            speaker.publish("pk/two/up", b"after", qos=1)
            taken = [late.take(20)]
            late.stop()
        assert taken[0] is not None
    finally:
        speaker.loop_stop()


def test_given_a_port_that_is_silent_or_closed_then_no_broker_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        assert not takes_sessions("127.0.0.1", port)
    assert not takes_sessions("127.0.0.1", port)
