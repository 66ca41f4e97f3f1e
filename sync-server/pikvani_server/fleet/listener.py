"""Keeps what devices say about themselves: reads status topics, writes the `devices` table in groups."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from pikvani_contract import topics
from pikvani_server.errors import StoreAwayError, StoreRefusedError
from pikvani_server.fleet.status import read_status
from pikvani_server.ingest.reading import Refused
from pikvani_server.link import BrokerAddress, Delivery, Link
from pikvani_server.store import Store
from pikvani_server.store.rows import DeviceStatus, Settlement, StreamKey, StreamState

log = logging.getLogger(__name__)

_GROUP = 200
_RETRY_S = 2.0


class StatusListener:
    """Runs in the thread that calls `run`. One a centre is enough.

    Args:
        store: migrated.
        address: the broker.
        name: of this centre's listener; gives it a client id of its own.
        wall_ms: the centre's UTC clock, in milliseconds.
    """

    def __init__(
        self,
        store: Store,
        address: BrokerAddress,
        name: str,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._wall_ms = wall_ms
        self._stopping = threading.Event()
        self.beat: Callable[[], object] = lambda: None
        """Called at every turn of `run`, while the database is away too."""
        # A clean session: status is retained, so subscribing again repeats all there is to know.
        self.link = Link(address, f"pikvani-fleet-{name}", [topics.every_device(topics.UP_STATUS)], _GROUP, 0)

    def run(self) -> None:
        """Listen until `stop`."""
        self.link.start()
        try:
            while not self._stopping.is_set():
                self.beat()
                self._turn()
        finally:
            self.link.stop()

    def stop(self) -> None:
        """Ask `run` to end; safe from a signal handler or another thread."""
        self._stopping.set()

    def _turn(self) -> None:
        deliveries: list[Delivery] = []
        statuses: list[DeviceStatus] = []
        refused: list[Refused] = []
        while len(deliveries) < _GROUP:
            delivery = self.link.take(0 if deliveries else 0.5)
            if delivery is None:
                break
            deliveries.append(delivery)
            item = read_status(delivery.topic, delivery.payload, delivery.retained, self._wall_ms())
            if isinstance(item, Refused):
                refused.append(item)
            else:
                statuses.append(item)
        while deliveries and not self._stopping.is_set():
            self.beat()
            try:
                self._keep(statuses, refused)
                break
            except StoreAwayError as error:
                log.warning("%s", error)
                self._stopping.wait(_RETRY_S)
            except StoreRefusedError as error:
                log.error("%d statuses are passed over: %s", len(statuses), error)
                break
        for delivery in deliveries:
            self.link.acknowledge(delivery)

    def _keep(self, statuses: list[DeviceStatus], refused: list[Refused]) -> None:
        def bury(_streams: Mapping[StreamKey, StreamState]) -> tuple[Settlement, None]:
            settlement = Settlement(dead_letters=[item.dead_letter for item in refused])
            settlement.counts.dead_letters = len(refused)
            return settlement, None

        if refused:
            self._store.commit([], bury)
        if statuses:
            self._store.record_status(statuses)
