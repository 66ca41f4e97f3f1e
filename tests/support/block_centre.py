"""The centre's block service without a broker: what a device asks on a memory hub is answered at once."""

from __future__ import annotations

from pathlib import Path

from pikvani_contract import topics
from pikvani_contract.messages import Ask
from pikvani_contract.wire import pack, unpack
from pikvani_device.adapters.broker_memory import MemoryBroker, MemoryHub
from pikvani_device.adapters.fetcher_mqtt import MqttFetcher, MqttFetcherSettings
from pikvani_server.rollout.blocks import RepositoryFiles, answers

QUICK = MqttFetcherSettings(answer_s=0.2, patience_s=2.0, yield_s=0.1)


class MemoryCentre:
    """Answers asks out of a repository's folder.

    Args:
        folder: holds `metadata/` and `targets/`.
        hub: where devices ask; a new one unless given.
    """

    def __init__(self, folder: Path, hub: MemoryHub | None = None) -> None:
        self.hub = hub or MemoryHub()
        self.files = RepositoryFiles(folder)
        self.asked: list[Ask] = []
        self.answering = True
        self.brokers: dict[str, MemoryBroker] = {}
        self.hub.listen(None, self._arrived)

    def fetcher(self, device_id: str = "village-1", settings: MqttFetcherSettings = QUICK) -> MqttFetcher:
        """A device's fetcher on a connection of its own."""
        broker = MemoryBroker(self.hub, ("", b""))
        fetcher = MqttFetcher(broker, device_id, settings=settings)
        broker.start((topics.device(device_id, topics.DOWN_BLOCK),), lambda topic, payload: fetcher.arrived(payload))
        self.brokers[device_id] = broker
        return fetcher

    def _arrived(self, topic: str, payload: bytes) -> None:
        if not topic.endswith(topics.UP_ASK):
            return
        ask = unpack(payload, Ask)
        self.asked.append(ask)
        if self.answering:
            for blocks in answers(self.files, ask):
                self.hub.send(topics.device(topics.device_of(topic), topics.DOWN_BLOCK), pack(blocks))
