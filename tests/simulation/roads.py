"""Two roads of a simulated device to the centre, through the same contract and the same settling.

`FullDevice` is the appliance's own store, publisher and sketches on a clock of its own; `LightDevice` leaves out store
and publisher (no disk, no receipts awaited) and keeps what counts for volume: records, batches, wire, sketches.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec
import numpy as np
from tests.simulation.world import Seen, Village, World

from pikvani_contract import topics
from pikvani_contract.clock import ClockTrust, ManualClock
from pikvani_contract.consent import Consent
from pikvani_contract.messages import SCHEMA, Batch, BlockBody, Body, Lane, LaneDepth, Record, Status
from pikvani_contract.model.manifest import ReferenceSketch
from pikvani_contract.sketch import PROJECTIONS
from pikvani_contract.wire import MAX_PAYLOAD_BYTES, pack, pack_body
from pikvani_device.adapters.broker_memory import MemoryBroker, MemoryHub
from pikvani_device.drift.feeder import Feeder
from pikvani_device.drift.saying import INDIA, say_finished_days
from pikvani_device.drift.traits import traits_of
from pikvani_device.store import open_store
from pikvani_device.sync.batches import fitting
from pikvani_device.sync.publisher import Publisher, PublisherSettings, Running
from pikvani_server.fleet.status import read_status
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import Arrived, Refused, read_batch
from pikvani_server.store import Store
from pikvani_server.store.rows import DeviceStatus

REFERENCE = ReferenceSketch(1_000, (0.0,) * PROJECTIONS, (1.0,) * PROJECTIONS, (0.1,) * 10, {})
_APP = "0.1.0"
_MORNING_S = 8 * 3_600
_DAYLIGHT_S = 10 * 3_600


class Centre:
    """The receiving side: gathers what devices publish, settles it in groups, hands receipts back."""

    def __init__(self, store: Store, hub: MemoryHub, group_records: int = 4_000) -> None:
        self._store, self._hub, self._group_records = store, hub, group_records
        self._group: list[Arrived | Refused] = []
        self._records = 0
        self._statuses: list[DeviceStatus] = []
        self.now_ms = 0
        self.cases = 0
        self.receipted_s: list[float] = []
        hub.listen(None, self._arrived)

    def _arrived(self, topic: str, payload: bytes) -> None:
        if topic.endswith(topics.UP_STATUS):
            status = read_status(topic, payload, False, self.now_ms)
            assert isinstance(status, DeviceStatus), status
            self._statuses.append(status)
        elif topic.endswith(topics.UP_BATCH):
            item = read_batch(topic, payload, self.now_ms)
            assert isinstance(item, Arrived), item
            self._group.append(item)
            self._records += len(item.batch.records)
            if self._records >= self._group_records:
                self.settle()

    def settle(self) -> None:
        """Make everything durable that came, then send its receipts."""
        group, self._group, self._records = self._group, [], 0
        if group:
            committed = commit_group(self._store, group, self.now_ms)
            self.cases += committed.counts.cases
            for device_id, receipt in committed.answers:
                self._hub.send(topics.device(device_id, topics.DOWN_RECEIPT), pack(receipt))
        if self._statuses:
            statuses, self._statuses = self._statuses, []
            self._store.record_status(statuses)


def traits(seen: Seen) -> bytes:
    """As the appliance makes them, of a two-label posterior of the same entropy and a four-dimensional embedding."""
    bins = traits_of({}, np.array(seen.directions), REFERENCE)
    return bytes([bins[0], min(19, int(seen.entropy * 20)), *bins[2:]])


def morning_ms(day: date) -> int:
    """UTC milliseconds of a village's morning."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=INDIA)
    return (int(midnight.timestamp()) + _MORNING_S) * 1000


class Hub(Protocol):
    """Takes what a device sends: a hub in memory, or its own line to a broker."""

    def send(self, topic: str, payload: bytes) -> object:
        """Take it."""


Picture: TypeAlias = Callable[[str, bytes, int, Seen], bytes | None]


class LightDevice:
    """A device without disk and receipts.

    Args:
        village: where it stands.
        world: what is asked there.
        hub: takes what it sends.
        picture: makes the picture that leaves with a case whose farmer allowed it, from device, outbox, sequence and
            what was seen; None for no pictures.
    """

    def __init__(self, village: Village, world: World, hub: Hub, picture: Picture | None) -> None:
        self._village, self._world, self._hub, self.picture = village, world, hub, picture
        self._outbox = hashlib.blake2b(village.device_id.encode(), digest_size=7).digest()
        self._waiting: dict[Lane, list[Record]] = defaultdict(list)
        self._seq: dict[Lane, int] = defaultdict(int)
        self._sent: dict[Lane, int] = defaultdict(int)
        self._model = ""

    def live(self, day: date) -> int:
        """Answer the day's farmers and say the day's sketch at its end; gives how many there were."""
        feeder, start = Feeder(), morning_ms(day)
        cases = self._world.cases(self._village, day)
        self._model = self._world.model_of(self._village, day)
        for number, seen in enumerate(cases):
            at = start + (number + 1) * _DAYLIGHT_S * 1000 // (len(cases) + 1)
            self._queue(Lane.RESULT, "case", at, seen.body)
            feeder.add(seen.body, traits(seen), day.isoformat())
            self._queue_thumbnail(at, seen)
        for body in feeder.take_changed():
            self._queue(Lane.SKETCH, "sketch", start + 86_400_000, body)
        return len(cases)

    def _queue_thumbnail(self, at: int, seen: Seen) -> None:
        if self.picture and seen.body.consents & Consent.PHOTO:
            seq, outbox = self._seq[Lane.RESULT], self._outbox + bytes([int(Lane.RESULT)])
            picture = self.picture(self._village.device_id, outbox, seq, seen)
            if picture:
                digest = hashlib.sha256(picture).digest()
                block = BlockBody(outbox, seq, "thumbnail", digest, len(picture), 0, picture)
                self._queue(Lane.BULK, "block", at, block)

    def _queue(self, lane: Lane, kind: str, wall_ms: int, body: Body) -> None:
        self._seq[lane] += 1
        self._waiting[lane].append(Record(self._seq[lane], wall_ms, 0, 2, kind, msgspec.Raw(pack_body(body))))

    def link(self, now_ms: int) -> None:
        """Send everything that waits, in batches."""
        for lane in sorted(self._waiting):
            left = self._waiting[lane]
            while left:
                part = fitting(left[:200], MAX_PAYLOAD_BYTES // 2)  # pictures are large
                left = left[len(part) :]
                outbox = self._outbox + bytes([int(lane)])
                batch = Batch(SCHEMA, outbox, int(lane), self._sent[lane] + 1, 0, now_ms, 0, 2, part)
                self._hub.send(topics.device(self._village.device_id, topics.UP_BATCH), pack(batch))
                self._sent[lane] = part[-1].seq
        self._waiting.clear()

    def say_status(self, now_ms: int, online: bool) -> None:
        """Say how it is."""
        depths = [LaneDepth(int(lane), len(records), 90 * len(records)) for lane, records in self._waiting.items()]
        status = Status(
            SCHEMA, online, "boot-1", now_ms, 0, 2, _APP, self._model, self._village.kind, depths, 400_000, 50_000_000
        )
        self._hub.send(topics.device(self._village.device_id, topics.UP_STATUS), pack(status))

    def close(self) -> None:
        """Nothing to let go."""


class FullDevice:
    """The appliance's own store, publisher, feeder and clock; only camera and model are made up."""

    def __init__(self, village: Village, world: World, hub: MemoryHub, folder: Path, first: date) -> None:
        self._village, self._world = village, world
        self._clock = ManualClock(morning_ms(first), f"{village.device_id}-1", ClockTrust.SYNCED)
        self._path = folder / f"{village.device_id}.sqlite3"
        self._store = open_store(self._path, self._clock)
        self._broker = MemoryBroker(hub, ("", b""))
        self._model = world.model_of(village, first)
        running = lambda: Running(_APP, self._model, village.kind)  # noqa: E731
        settings = PublisherSettings(batch_records=200, batch_age_s=1, receipt_timeout_s=30, in_flight_batches=64)
        self._publisher = Publisher(self._store, self._broker, self._clock, village.device_id, running, settings)
        self._publisher.start()

    def live(self, day: date) -> None:
        """Answer the day's farmers; what is over is said."""
        self._clock.step_wall(morning_ms(day), ClockTrust.SYNCED)
        self._model = self._world.model_of(self._village, day)
        say_finished_days(self._store, self._clock)
        cases = self._world.cases(self._village, day)
        for seen in cases:
            self._clock.advance(_DAYLIGHT_S * 1000 // (len(cases) + 1))
            self._store.record_case(seen.body, (), traits(seen))

    def link(self, now_ms: int) -> None:
        """One turn of the publisher with the wire in: batches out, or receipts in."""
        self._broker.linked = True
        if now_ms > self._clock.now().wall_ms:
            self._clock.advance(now_ms - self._clock.now().wall_ms)
        self._publisher.step()

    def unlink(self) -> None:
        """Take the wire out."""
        self._broker.linked = False
        self._publisher.step()

    @property
    def waiting(self) -> int:
        """Records that wait."""
        return sum(depth.records for depth in self._store.depths())

    def close(self) -> None:
        """Let the file go."""
        self._store.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)


def thumbnail(device_id: str, _outbox: bytes, seq: int, seen: Seen) -> bytes | None:
    """A small drawn leaf for cases that review would take."""
    if seen.body.decision == "answer" and seq % 10:
        return None
    lot = int.from_bytes(hashlib.blake2b(f"{device_id}/{seq}".encode(), digest_size=4).digest())
    return drawn_leaf(lot, not seen.truth.endswith("healthy"), seen.body.quality[1] / 10_000)


def drawn_leaf(lot: int, sick: bool, light: float) -> bytes:
    """A drawn leaf as JPEG: spots where it is ill."""
    import cv2

    rng = np.random.default_rng(lot)
    picture = np.full((96, 96, 3), (40, 70, 60), np.uint8)
    cv2.ellipse(picture, (48, 48), (40, 22), float(rng.uniform(0, 180)), 0, 360, (50, 150, 70), -1)
    if sick:
        for _ in range(int(rng.integers(5, 14))):
            centre = (int(48 + rng.normal() * 14), int(48 + rng.normal() * 10))
            cv2.circle(picture, centre, int(rng.integers(2, 5)), (30, 80, 140), -1)
    picture = np.clip(picture * (0.5 + light), 0, 255).astype(np.uint8)
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return bytes(encoded)
