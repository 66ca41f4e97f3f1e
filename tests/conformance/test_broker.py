"""Every adapter of the Broker port keeps the same promises, over a real MQTT 5 broker where it needs one."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pikvani_device.adapters.broker_memory import MemoryBroker, MemoryHub
from pikvani_device.adapters.broker_paho import PahoBroker
from pikvani_device.ports import Broker

WILL = ("pikvani/v1/d/village-7/up/status", b"gone")
MakeBroker = Callable[[str], Broker]


def until(condition: Callable[[], bool], timeout_s: float = 10) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


@pytest.fixture(params=["memory", "paho"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeBroker]:
    if request.param == "memory":
        hub = MemoryHub()
        yield lambda client_id: MemoryBroker(hub, WILL)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "pikvani_server.cli",
        "broker",
        "--port",
        str(port),
        "--data-dir",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield lambda client_id: PahoBroker("127.0.0.1", port, client_id, WILL)
    finally:
        process.terminate()
        process.wait(10)


def test_given_a_subscription_then_what_another_publishes_arrives_whole(make: MakeBroker) -> None:
    got: list[tuple[str, bytes]] = []
    listener, speaker = make("listener"), make("speaker")
    listener.start(("pikvani/v1/d/village-7/down/receipt",), lambda topic, payload: got.append((topic, payload)))
    speaker.start((), lambda topic, payload: None)
    assert until(lambda: listener.connected and speaker.connected, 60)
    payload = bytes(range(256)) * 400
    assert speaker.publish("pikvani/v1/d/village-7/down/receipt", payload)
    assert until(lambda: len(got) == 1)
    assert got == [("pikvani/v1/d/village-7/down/receipt", payload)]
    assert speaker.bytes_on_wire >= len(payload)
    listener.stop()
    speaker.stop()


def test_given_no_connection_then_publish_says_so_and_does_not_block(make: MakeBroker) -> None:
    broker = make("early")
    began = time.monotonic()
    assert not broker.publish("pikvani/v1/d/village-7/up/batch", b"x")
    assert time.monotonic() - began < 1


def test_given_a_stopped_broker_then_it_is_not_connected_and_may_be_stopped_again(make: MakeBroker) -> None:
    broker = make("brief")
    broker.start(("pikvani/v1/d/village-7/down/receipt",), lambda topic, payload: None)
    assert until(lambda: broker.connected, 60)
    broker.stop()
    broker.stop()
    assert not broker.connected
    assert not broker.publish("pikvani/v1/d/village-7/up/batch", b"x")


def test_given_a_message_sent_at_most_once_then_it_arrives_over_a_sound_link(make: MakeBroker) -> None:
    got: list[bytes] = []
    listener, speaker = make("listener"), make("speaker")
    assert listener.connections == 0
    listener.start(("pikvani/v1/d/village-7/down/block",), lambda topic, payload: got.append(payload))
    speaker.start((), lambda topic, payload: None)
    assert until(lambda: listener.connected and speaker.connected, 60)
    assert listener.connections == 1
    assert speaker.publish("pikvani/v1/d/village-7/down/block", b"a block", once=True)
    assert until(lambda: got == [b"a block"])
    listener.stop()
    speaker.stop()


def test_given_a_listener_that_fails_then_the_link_goes_on(make: MakeBroker) -> None:
    topic, got = "pikvani/v1/d/village-7/down/command", []
    listener, speaker = make("listener"), make("speaker")
    if isinstance(listener, MemoryBroker):
        pytest.skip("in memory a failure comes back to the test that published")

    def take(_topic: str, payload: bytes) -> None:
        got.append(payload)
        if payload == b"first":
            raise OSError("no space left on device")

    listener.start((topic,), take)
    speaker.start((), lambda topic, payload: None)
    assert until(lambda: listener.connected and speaker.connected, 60)
    assert speaker.publish(topic, b"first")
    assert until(lambda: got == [b"first"])
    assert speaker.publish(topic, b"second")
    assert until(lambda: got == [b"first", b"second"])
    assert listener.connected
    listener.stop()
    speaker.stop()
