"""Devices, cases and reports put straight into a store, as ingest leaves them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from pikvani_contract.messages import SCHEMA, Batch, Lane, Record, UpdateReport
from pikvani_contract.samples import case_body
from pikvani_contract.wire import pack_body
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import Arrived
from pikvani_server.store import Store
from pikvani_server.store.rows import DeviceStatus
from pikvani_server.store.schema_learning import places

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def name(number: int) -> str:
    return f"village-{number:04d}"


class MadeFleet:
    """A fleet at the centre; time is what the test says."""

    def __init__(self, store: Store, count: int, model: str = "leaf@1.0.0") -> None:
        self.store, self.now = store, NOW
        self.rng = random.Random(3)
        self._seq: dict[tuple[str, int], int] = {}
        store.record_status(DeviceStatus(name(k), NOW, True, {"model": model, "app": "0.1.0"}) for k in range(count))
        kinds, districts = ("pi4", "jetson"), ("Akola", "Nagpur", "Pune")
        rows = [
            {"device_id": name(k), "district": districts[k % 3], "kind": kinds[k % 2], "taluka": "", "updated_at": NOW}
            for k in range(count)
        ]
        with store.writing("placing") as connection:
            connection.execute(store.insert(places), rows)

    def later(self, hours: float) -> datetime:
        self.now += timedelta(hours=hours)
        return self.now

    def report(self, device_id: str, what: str, version: str, order: int, **more: object) -> None:
        body = UpdateReport(what, "leaf", version, "1.0.0", order, **more)
        self._send(device_id, Lane.UPDATE, "update", [pack_body(body)])

    def cases(self, device_id: str, model: str, count: int, unanswered: float = 0.1, latency_ms: int = 500) -> None:
        bodies = []
        for _ in range(count):
            decision = "refuse" if self.rng.random() < unanswered else "answer"
            time = max(1, round(latency_ms * self.rng.lognormvariate(0, 0.2)))
            body = msgspec.structs.replace(
                case_body(self.rng), model=model, decision=decision, reason="", latency_ms=time
            )
            bodies.append(pack_body(body))
        self._send(device_id, Lane.RESULT, "case", bodies)

    def _send(self, device_id: str, lane: Lane, kind: str, bodies: Iterable[bytes]) -> None:
        now_ms = int(self.now.timestamp() * 1000)
        records = []
        for body in bodies:
            seq = self._seq[device_id, lane] = self._seq.get((device_id, lane), 0) + 1
            records.append(Record(seq, now_ms, 0, 2, kind, msgspec.Raw(body)))
        if records:
            outbox = device_id.encode()[-7:].rjust(7, b"-") + bytes([lane])
            batch = Batch(SCHEMA, outbox, int(lane), 1, 0, now_ms, 0, 2, records)
            commit_group(self.store, [Arrived(device_id, now_ms, batch)], now_ms)
