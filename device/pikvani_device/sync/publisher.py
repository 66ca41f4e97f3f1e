"""The one thread that talks to the centre: outbox to batches, receipts to deletions, status when it changes.

`step` does one turn and never blocks on the network; `run` calls it until told to stop. A lost link, a dead
server or a lost message only means that records go again later.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from pikvani_contract import topics
from pikvani_contract.clock import Clock
from pikvani_contract.errors import WireError
from pikvani_contract.messages import MAX_RECORDS, SCHEMA, Lane, LaneDepth, Receipt, Record, Status
from pikvani_contract.wire import MAX_PAYLOAD_BYTES, pack, unpack
from pikvani_device.errors import StoreError
from pikvani_device.ports import Broker
from pikvani_device.store import LATEST_KNOWN_TIME_FACT, Store
from pikvani_device.store.keys import WaitingOutbox
from pikvani_device.sync.batches import batch_of, fitting
from pikvani_device.sync.budget import Budget, Usage
from pikvani_device.sync.flight import Flight

log = logging.getLogger(__name__)

_USAGE_FACT = "sync.usage"
_USAGE_STEP_BYTES = 100_000
_STOP_LATENCY_S = 0.5
_BATCH_BYTES = MAX_PAYLOAD_BYTES // 2
_BULK_BATCH_BYTES = 8_192
_BULK_IN_FLIGHT = 2
"""Pieces of thumbnails and notes go one by one, two on the road: what is on it cannot be overtaken by a result, and
goes again as a whole after a cut. Over 2G a piece takes a second, and two cover the round trip."""


@dataclass(frozen=True)
class PublisherSettings:
    """How the link is used. Times in the unit the name says."""

    batch_records: int = 50
    batch_age_s: float = 5.0
    receipt_timeout_s: float = 30.0
    in_flight_batches: int = 8
    status_interval_s: float = 900.0
    monthly_budget_bytes: int = 0
    reserve_percent: int = 25
    max_outbox_bytes: int = 0


@dataclass(frozen=True)
class Running:
    """What runs on this device, for its status; the last four are as `Status` has them."""

    app: str
    model: str
    runtime: str
    place: str = ""
    operator: str = ""
    signal_dbm: int = 0
    data_left_mb: int = -1


def offline_status() -> bytes:
    """The Will: what the broker says for a device that vanished."""
    return pack(Status(SCHEMA, online=False))


class Publisher:
    """Drains a store to the centre through a broker.

    Args:
        store: what to drain.
        broker: a started or unstarted `Broker`; `start` starts it.
        clock: for the times in batches and for waiting.
        device_id: whose topics to use.
        running: called for the status.
        settings: how the link is used.
        learn_time: called with the centre's UTC milliseconds at every receipt.
        beat: called at every turn of `run`.
        listeners: by topic, who else hears messages; called from the connection's own thread.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        clock: Clock,
        device_id: str,
        running: Callable[[], Running],
        settings: PublisherSettings | None = None,
        learn_time: Callable[[int], None] = lambda wall_ms: None,
        beat: Callable[[], None] = lambda: None,
        listeners: Mapping[str, Callable[[bytes], object]] | None = None,
    ) -> None:
        self._listeners = listeners or {}
        self._store = store
        self._broker = broker
        self._clock = clock
        self._running = running
        self._settings = settings or PublisherSettings()
        self._learn_time = learn_time
        self._beat = beat
        self._batch_topic = topics.device(device_id, topics.UP_BATCH)
        self._status_topic = topics.device(device_id, topics.UP_STATUS)
        self._receipt_topic = topics.device(device_id, topics.DOWN_RECEIPT)
        self._inbox: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        s = self._settings
        self._flight = Flight(s.in_flight_batches, int(s.receipt_timeout_s * 1000))
        stored = store.fact(_USAGE_FACT)
        usage = msgspec.json.decode(stored, type=Usage) if stored else None
        self._budget = Budget(s.monthly_budget_bytes, s.reserve_percent, usage)
        self._counted_bytes = 0
        self._kept_bytes = self._budget.usage.used_bytes
        self._was_connected = False
        self._last_status_ms: int | None = None
        self._said: list[LaneDepth] = []

    def start(self) -> None:
        """Begin to connect. Call once."""
        self._broker.start((self._receipt_topic, *self._listeners), self._arrived)

    def run(self, stop: threading.Event) -> None:
        """Start, then work until `stop` is set; then say goodbye."""
        self.start()
        wait_s = 0.0
        while not stop.is_set():
            self._wait(stop, wait_s)
            self._beat()
            try:
                wait_s = self.step()
            except StoreError as error:
                # The disk may come back; farmers are served meanwhile by the other threads.
                log.error("sync waits: %s", error)
                wait_s = 5.0
        self._say_status(self._clock.now().mono_ms, online=False)
        self._broker.stop()

    def _wait(self, stop: threading.Event, wait_s: float) -> None:
        """Until something changed, `wait_s` is over, or we shall stop: whichever comes first."""
        end_s = time.monotonic() + wait_s
        while not stop.is_set() and (left_s := end_s - time.monotonic()) > 0:
            if self._store.changed.wait(min(left_s, _STOP_LATENCY_S)):
                break
        self._store.changed.clear()

    def step(self) -> float:
        """One turn: receipts in, batches out, status when due.

        Returns:
            Seconds that may pass before the next turn, unless `Store.changed` is set earlier.
        """
        now_ms = self._clock.now().mono_ms
        self._take_receipts(now_ms)
        self._count_bytes()
        if not self._broker.connected:
            if self._was_connected:
                self._flight.forget()
            self._was_connected = False
            return 0.5
        if not self._was_connected:
            self._was_connected = True
            self._last_status_ms = None
        if self._flight.expire(now_ms):
            log.warning("no receipt in time: sending again")
        if self._settings.max_outbox_bytes:
            self._store.shed(self._settings.max_outbox_bytes)
        due_s = self._send_batches(now_ms)
        self._status_if_due(now_ms)
        return due_s

    @property
    def busy(self) -> bool:
        """Whether records are on their way and not receipted yet."""
        return self._flight.in_the_air > 0

    def allows_update(self, size: int) -> bool:
        """Whether the month's budget still holds `size` bytes for updates."""
        allowance = self._budget.allowance(Lane.UPDATE)
        return allowance is None or allowance >= size

    # -- receipts -----------------------------------------------------------------------------------------

    def _arrived(self, topic: str, payload: bytes) -> None:
        if topic in self._listeners:
            self._listeners[topic](payload)
            return
        self._inbox.put((topic, payload))
        self._store.changed.set()

    def _take_receipts(self, now_ms: int) -> None:
        newest: dict[bytes, Receipt] = {}
        while True:
            try:
                topic, payload = self._inbox.get_nowait()
            except queue.Empty:
                break
            if topic != self._receipt_topic:
                log.warning("message on %s ignored: nothing here reads it", topic)
                continue
            try:
                receipt = unpack(payload, Receipt)
            except WireError as error:
                log.warning("receipt ignored: %s", error)
                continue
            self._learn_time(receipt.wall_ms)
            newest[receipt.outbox] = receipt  # cumulative: a later one says all an earlier one said
        if newest:
            usage = msgspec.json.encode(self._budget.usage).decode()
            latest_ms = max(receipt.wall_ms for receipt in newest.values())
            self._store.apply_receipts(newest.values(), {_USAGE_FACT: usage, LATEST_KNOWN_TIME_FACT: str(latest_ms)})
        for receipt in newest.values():
            self._flight.receipted(receipt, now_ms)

    # -- batches ------------------------------------------------------------------------------------------

    def _send_batches(self, now_ms: int) -> float:
        # Another process may record too, and cannot wake us: look as often as a record may wait for company.
        wait_s = 1.0 if self._flight.in_the_air else max(0.5, self._settings.batch_age_s)
        for waiting in self._store.waiting():
            while self._may_go(waiting.lane) and (room := self._room(waiting.lane)) > 0:
                after = self._flight.next_after(waiting.outbox)
                records = self._store.records_after(waiting, after, self._batch_limit())
                records = fitting(records, room)
                if not records:
                    break
                age_s = (now_ms - records[0].mono_ms) / 1000 if waiting.boots_ago == 0 else float("inf")
                if len(records) < self._settings.batch_records and age_s < self._settings.batch_age_s:
                    wait_s = min(wait_s, self._settings.batch_age_s - age_s)
                    break
                if not self._send(waiting, records, now_ms):
                    return 0.5
            if self._flight.full:
                return 1.0
        return max(0.01, wait_s)

    def _may_go(self, lane: Lane) -> bool:
        return not self._flight.full and (lane is not Lane.BULK or self._flight.in_the_air < _BULK_IN_FLIGHT)

    def _room(self, lane: Lane) -> int:
        most = _BULK_BATCH_BYTES if lane is Lane.BULK else _BATCH_BYTES
        allowance = self._budget.allowance(lane)
        return most if allowance is None else min(most, allowance)

    def _batch_limit(self) -> int:
        # A long queue goes in long batches: fewer round trips and a better compression on a slow link.
        return MAX_RECORDS if self._flight.in_the_air else min(MAX_RECORDS, self._settings.batch_records)

    def _send(self, waiting: WaitingOutbox, records: list[Record], now_ms: int) -> bool:
        if not self._broker.publish(self._batch_topic, pack(batch_of(waiting, records, self._clock))):
            return False
        self._flight.sent(waiting.outbox, records[0].seq, records[-1].seq, now_ms)
        self._count_bytes()
        return True

    # -- status and budget --------------------------------------------------------------------------------

    def _status_if_due(self, now_ms: int) -> None:
        # Counting what waits reads all of it: only when something is to be said.
        drained = any(d.records for d in self._said) and not self._store.waiting()
        age_ms = None if self._last_status_ms is None else now_ms - self._last_status_ms
        if age_ms is None or drained or age_ms >= self._settings.status_interval_s * 1000:
            self._say_status(now_ms, online=True)

    def _say_status(self, now_ms: int, online: bool) -> None:
        depths = self._store.depths()
        moment, running = self._clock.now(), self._running()
        status = Status(
            SCHEMA,
            online,
            moment.boot_id,
            moment.mono_ms,
            moment.offset_ms,
            int(moment.trust),
            running.app,
            running.model,
            running.runtime,
            depths,
            self._budget.usage.used_bytes,
            self._budget.limit_bytes,
            running.place,
            running.operator,
            running.signal_dbm,
            running.data_left_mb,
        )
        if self._broker.connected and self._broker.publish(self._status_topic, pack(status), retain=True):
            self._last_status_ms = now_ms
            self._said = depths

    def _count_bytes(self) -> None:
        total = self._broker.bytes_on_wire
        if total > self._counted_bytes:
            self._budget.spend(total - self._counted_bytes, self._clock.now())
            self._counted_bytes = total
        if self._budget.usage.used_bytes - self._kept_bytes > _USAGE_STEP_BYTES:
            # Without a receipt for long, as while an update comes, what was used is kept all the same.
            self._kept_bytes = self._budget.usage.used_bytes
            self._store.set_fact(_USAGE_FACT, msgspec.json.encode(self._budget.usage).decode())
