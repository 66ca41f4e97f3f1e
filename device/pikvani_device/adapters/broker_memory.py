"""A broker inside the process, with a link that can be cut, lose, repeat and reorder: for simulations and tests."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable

from pikvani_device.ports import MessageHandler


class MemoryHub:
    """The far end: keeps retained messages and hands publishes to whoever listens.

    Args:
        seed: of the faults, so that a failing run can be repeated.
        lose: probability that a message is lost.
        repeat: probability that it comes twice.
    """

    def __init__(self, seed: int = 0, lose: float = 0.0, repeat: float = 0.0) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._lose, self._repeat = lose, repeat
        self._listeners: dict[str, list[MessageHandler]] = defaultdict(list)
        self._everything: list[MessageHandler] = []
        self.retained: dict[str, bytes] = {}

    def listen(self, topic: str | None, handler: MessageHandler) -> Callable[[], None]:
        """Call `handler` for messages on `topic`, or for all with None. Returns what ends it."""
        handlers = self._everything if topic is None else self._listeners[topic]
        handlers.append(handler)
        return lambda: handlers.remove(handler)

    def send(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Deliver a message, or lose it, or deliver it twice."""
        if retain:
            self.retained[topic] = payload
        copies = 0 if self._rng.random() < self._lose else 2 if self._rng.random() < self._repeat else 1
        for _ in range(copies):
            for handler in [*self._listeners.get(topic, ()), *self._everything]:
                handler(topic, payload)


class MemoryBroker:
    """A `Broker` on a `MemoryHub`. Set `linked` to False to cut the wire."""

    def __init__(self, hub: MemoryHub, will: tuple[str, bytes]) -> None:
        self._linked = True
        self._connections = 1
        self._hub = hub
        self._will = will
        self._started = False
        self._bytes = 0
        self._leave: list[Callable[[], None]] = []

    def start(self, subscriptions: tuple[str, ...], on_message: MessageHandler) -> None:
        """See `Broker.start`."""
        self._started = True

        def deliver(topic: str, payload: bytes) -> None:
            if self.connected:
                self._bytes += len(topic) + len(payload)
                on_message(topic, payload)

        self._leave = [self._hub.listen(topic, deliver) for topic in subscriptions]

    @property
    def linked(self) -> bool:
        """Whether the wire is in."""
        return self._linked

    @linked.setter
    def linked(self, linked: bool) -> None:
        self._connections += linked and not self._linked
        self._linked = linked

    @property
    def connections(self) -> int:
        """See `Broker.connections`."""
        return self._connections if self._started else 0

    @property
    def connected(self) -> bool:
        """See `Broker.connected`."""
        return self._started and self.linked

    def publish(self, topic: str, payload: bytes, retain: bool = False, once: bool = False) -> bool:
        """See `Broker.publish`."""
        if not self.connected:
            return False
        self._bytes += len(topic) + len(payload)
        self._hub.send(topic, payload, retain)
        return True

    @property
    def bytes_on_wire(self) -> int:
        """See `Broker.bytes_on_wire`."""
        return self._bytes

    def stop(self) -> None:
        """See `Broker.stop`."""
        for leave in self._leave:
            leave()
        self._leave, self._started = [], False
