"""From a status payload to what the `devices` table keeps. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pikvani_contract import topics
from pikvani_contract.errors import ContractError
from pikvani_contract.messages import Lane, Status
from pikvani_contract.wire import unpack
from pikvani_server.ingest.reading import Refused, clean, refuse
from pikvani_server.ingest.time_repair import to_utc
from pikvani_server.store.rows import DeviceStatus

_MAX_INT64 = 2**63 - 1


def read_status(topic: str, payload: bytes, retained: bool, received_ms: int) -> DeviceStatus | Refused:
    """Unpack what came on a status topic. Never raises for anything a peer can send.

    Args:
        topic: the device's status topic.
        payload: bytes of a stranger.
        retained: whether the broker only repeats it; then it says nothing about when the device was heard.
        received_ms: the centre's UTC milliseconds.
    """
    device_id = ""
    try:
        device_id = topics.device_of(topic)
        status = unpack(payload, Status)
    except ContractError as error:
        return refuse(device_id, topic, payload, str(error), received_ms)
    received_at = None if retained else to_utc(received_ms)
    # A Will was written when the device connected: all it knows is that the device is gone.
    details = _details(status, received_ms if not retained else None) if status.online or status.boot_id else {}
    return DeviceStatus(device_id, received_at, status.online, details)


def _details(status: Status, received_ms: int | None) -> dict[str, Any]:
    lanes = [
        {
            "lane": Lane(depth.lane).name.lower() if depth.lane in Lane._value2member_map_ else str(depth.lane),
            "records": depth.records,
            "bytes": depth.bytes,
            "shed_records": depth.shed_records,
            "shed_bytes": depth.shed_bytes,
        }
        for depth in status.lanes
    ]
    details: dict[str, Any] = {
        "boot_id": clean(status.boot_id, 64),
        "app": clean(status.app, 64),
        "model": clean(status.model, 64),
        "runtime": clean(status.runtime, 64),
        "clock_trust": status.trust,
        "queue_records": _sum(depth.records for depth in status.lanes),
        "queue_bytes": _sum(depth.bytes for depth in status.lanes),
        "shed_records": _sum(depth.shed_records for depth in status.lanes),
        "shed_bytes": _sum(depth.shed_bytes for depth in status.lanes),
        "lanes": json.dumps(lanes),
        "budget_used_bytes": status.budget_used_bytes,
        "budget_bytes": status.budget_bytes,
    }
    if received_ms is not None:
        error_ms = status.mono_ms + status.offset_ms - received_ms
        details["clock_error_ms"] = max(-_MAX_INT64, min(_MAX_INT64, error_ms))
    return details


def _sum(values: Iterable[int]) -> int:
    # Sixteen lanes that lie can overflow a column.
    return min(_MAX_INT64, sum(values))
