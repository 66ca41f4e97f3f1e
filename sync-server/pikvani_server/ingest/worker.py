"""One ingest worker: takes batches from a shared subscription, commits them in groups, then answers.

The order is what loses nothing: commit, hand over the receipt, acknowledge. A kill between any two of them only
means that something comes again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pikvani_contract import topics
from pikvani_contract.messages import MAX_RECORDS
from pikvani_contract.wire import pack
from pikvani_server.errors import StoreAwayError, StoreRefusedError
from pikvani_server.ingest.committing import Committed, commit_group
from pikvani_server.ingest.metrics import IngestMetrics
from pikvani_server.ingest.rate_limit import RateLimit
from pikvani_server.ingest.reading import Arrived, Refused, read_batch, refuse
from pikvani_server.link import BrokerAddress, Delivery, Link
from pikvani_server.store import Store
from pikvani_server.store.revoked import REASON, RevokedDevices

log = logging.getLogger(__name__)

SHARE = "ingest"
"""Name of the shared subscription: the broker gives each message to one of its members."""
_IDLE_S = 0.5
_AWAY_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class IngestSettings:
    """How a worker takes in. Times in the unit the name says."""

    name: str = "main"
    group_records: int = 5_000
    group_wait_ms: int = 10
    window_messages: int = 200
    session_expiry_s: int = 3_600
    rate_bytes_s: int = 1_000_000
    burst_bytes: int = 20_000_000


class IngestWorker:
    """Runs in the thread that calls `run`.

    Args:
        store: migrated.
        address: the broker.
        settings: how to take in.
        number: which worker of its name, from 0; gives it a session of its own.
        metrics: what it counts.
        wall_ms: the centre's UTC clock, in milliseconds.
    """

    def __init__(
        self,
        store: Store,
        address: BrokerAddress,
        settings: IngestSettings,
        number: int,
        metrics: IngestMetrics,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._wall_ms = wall_ms
        self._revoked = RevokedDevices(store)
        self._limit = RateLimit(settings.rate_bytes_s, settings.burst_bytes)
        self._stopping = threading.Event()
        self.beat: Callable[[], object] = lambda: None
        """Called at every turn of `run`, while the database is away too."""
        self.link = Link(
            address,
            f"pikvani-ingest-{settings.name}-{number}",
            [topics.every_device(topics.UP_BATCH, share=SHARE)],
            settings.window_messages,
            settings.session_expiry_s,
        )

    def run(self) -> None:
        """Take in until `stop`; what is already taken is settled first.

        While the database works on one group, the next is gathered.
        """
        self.link.start()
        try:
            with ThreadPoolExecutor(1, "settle") as settling:
                settled: Future[None] | None = None
                while not self._stopping.is_set():
                    self.beat()
                    self._metrics.connected.set(self.link.ready.is_set())
                    self._metrics.waiting.set(self.link.waiting)
                    deliveries, group = self._gather()
                    if settled:
                        settled.result()
                    settled = settling.submit(self._settle, deliveries, group) if group else None
                if settled:
                    settled.result()
        finally:
            self.link.stop()

    def stop(self) -> None:
        """Ask `run` to end; safe from a signal handler or another thread."""
        self._stopping.set()

    def _gather(self) -> tuple[list[Delivery], list[Arrived | Refused]]:
        """The next group: all that is there, up to the limit, after a short wait for company."""
        deliveries: list[Delivery] = []
        group: list[Arrived | Refused] = []
        records = 0
        until = 0.0
        while records + MAX_RECORDS <= self._settings.group_records or not group:
            now = time.monotonic()
            timeout_s = _IDLE_S if not group else until - now
            delivery = self.link.take(max(0.0, timeout_s))
            if delivery is None:
                break
            if not group:
                until = time.monotonic() + self._settings.group_wait_ms / 1000
            item = self._read(delivery)
            if item is None:
                continue
            deliveries.append(delivery)
            group.append(item)
            records += len(item.batch.records) if isinstance(item, Arrived) else 1
        return deliveries, group

    def _read(self, delivery: Delivery) -> Arrived | Refused | None:
        item = read_batch(delivery.topic, delivery.payload, self._wall_ms())
        device_id = item.device_id if isinstance(item, Arrived) else delivery.topic
        if self._limit.allows(device_id, len(delivery.payload), time.monotonic()):
            if device_id in self._revoked:
                return refuse(device_id, delivery.topic, delivery.payload, REASON, self._wall_ms())
            return item
        # Held back unacknowledged it would fill the window and starve every other device. Without a receipt
        # the device keeps its records and sends them again, later.
        self._metrics.throttled.inc()
        self.link.acknowledge(delivery)
        return None

    def _settle(self, deliveries: list[Delivery], group: list[Arrived | Refused]) -> None:
        attempt = 0
        while True:
            self.beat()
            try:
                committed = commit_group(self._store, group, self._wall_ms())
                break
            except (StoreAwayError, StoreRefusedError) as error:
                self._metrics.store_errors.inc()
                delay_s = _AWAY_DELAYS_S[min(attempt, len(_AWAY_DELAYS_S) - 1)]
                attempt += 1
                log.warning("%s (attempt %d, again in %.1f s)", error, attempt, delay_s)
                if self._stopping.wait(delay_s):
                    return  # nothing was acknowledged: the broker gives it to the next worker
        for device_id, receipt in committed.answers:
            self.link.publish(topics.device(device_id, topics.DOWN_RECEIPT), pack(receipt))
        for delivery in deliveries:
            self.link.acknowledge(delivery)
        self._count(group, committed)

    def _count(self, group: list[Arrived | Refused], committed: Committed) -> None:
        metrics, counts = self._metrics, committed.counts
        metrics.committed.inc(counts.committed)
        metrics.duplicates.inc(counts.duplicates)
        metrics.dead_letters.inc(counts.dead_letters)
        metrics.shed.inc(counts.shed)
        metrics.batches.inc(counts.batches)
        metrics.receipts.inc(len(committed.answers))
        metrics.group_records.observe(counts.committed + counts.duplicates)
        first_ms = min((item.received_ms for item in group if isinstance(item, Arrived)), default=None)
        if first_ms is not None:
            metrics.lag_s.observe(max(0, self._wall_ms() - first_ms) / 1000)
