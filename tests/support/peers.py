"""Batches as devices send them, and a device that speaks MQTT and remembers its receipts."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from pikvani_contract import samples, topics
from pikvani_contract.messages import SCHEMA, Batch, Body, Receipt, Record
from pikvani_contract.wire import pack, pack_body, unpack

NOW_MS = 1_790_000_000_000
OUTBOX = b"outbox-1"


def record(seq: int, body: Body | None = None, kind: str = "case", **changes: Any) -> Record:
    """A record written with a confirmed clock, `seq` seconds after its boot."""
    body = samples.case_body(random.Random(seq)) if body is None else body
    made = Record(seq, seq * 1_000, NOW_MS - 3_600_000, 2, kind, msgspec.Raw(pack_body(body)))
    return msgspec.structs.replace(made, **changes)


def batch(*records: Record, outbox: bytes = OUTBOX, oldest: int = 1, **changes: Any) -> Batch:
    """A batch of this boot, sent an hour after it."""
    made = Batch(SCHEMA, outbox, 0, oldest, 0, 3_600_000, NOW_MS - 3_600_000, 2, list(records))
    return msgspec.structs.replace(made, **changes)


class TestDevice:
    """Sends what it is told and collects receipts."""

    __test__ = False

    def __init__(self, port: int, device_id: str) -> None:
        self.device_id = device_id
        self.receipts: list[Receipt] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=device_id, protocol=mqtt.MQTTv5)
        self.client.on_message = self._on_message
        self.client.on_connect = lambda client, *_: client.subscribe(
            topics.device(device_id, topics.DOWN_RECEIPT), qos=1
        )
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert subscribed.wait(10), "the broker did not grant the subscription"

    def _on_message(self, _c: Any, _d: Any, message: mqtt.MQTTMessage) -> None:
        self.receipts.append(unpack(message.payload, Receipt))

    def send(self, payload: Batch | bytes, leaf: str = topics.UP_BATCH) -> None:
        data = payload if isinstance(payload, bytes) else pack(payload)
        self.client.publish(topics.device(self.device_id, leaf), data, qos=1)

    def upto(self, outbox: bytes = OUTBOX) -> int:
        return max((r.upto for r in list(self.receipts) if r.outbox == outbox and not r.gaps), default=0)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def wait_for(condition: Any, timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
