"""What crosses the border between ingest and store: plain tuples and a few small structs. No behaviour.

Rows are tuples in the column orders below, because a result must not cost more Python than it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pikvani_contract.sequences import SequenceSet

StreamKey = tuple[str, bytes]
"""Device id and outbox id."""
Row = tuple[Any, ...]

CASE_COLUMNS = (
    "received_at",
    "happened_at",
    "time_quality",
    "device_id",
    "outbox",
    "seq",
    "mono_ms",
    "offset_ms",
    "trust",
    "decision",
    "reason",
    "crop",
    "condition",
    "confidence_e4",
    "others",
    "model",
    "runtime",
    "photos",
    "latency_ms",
    "quality_e4",
    "channel",
    "locale",
    "consents",
)
ALARM_COLUMNS = (
    "received_at",
    "happened_at",
    "time_quality",
    "device_id",
    "outbox",
    "seq",
    "code",
    "detail",
    "value",
)
UPDATE_COLUMNS = (
    "received_at",
    "happened_at",
    "time_quality",
    "device_id",
    "outbox",
    "seq",
    "what",
    "package",
    "version",
    "previous",
    "order_number",
    "detail",
    "cases",
    "errors",
    "unanswered",
    "latency_ms",
)
SKETCH_COLUMNS = ("device_id", "model", "day", "revision", "received_at", "data")
BLOCK_COLUMNS = (
    "device_id",
    "outbox",
    "seq",
    "what",
    "sha256",
    "size_bytes",
    "offset_bytes",
    "data",
    "received_at",
)
CONSENT_COLUMNS = ("device_id", "outbox", "seq", "purposes", "given_by", "notice", "locale", "received_at")
ERASURE_COLUMNS = ("device_id", "outbox", "seq", "whole", "asked_at", "received_at")
DEAD_LETTER_COLUMNS = (
    "digest",
    "received_at",
    "device_id",
    "topic",
    "outbox",
    "seq",
    "kind",
    "reason",
    "payload",
    "size_bytes",
)
RECORDLESS = None
"""`outbox` and `seq` of a dead letter that is a whole payload."""


@dataclass(slots=True)
class StreamState:
    """What the centre knows of one outbox.

    Attributes:
        lane: of its first batch.
        committed: sequences that are durable here or were shed by the device.
        shed: records the device gave up.
        offset_ms: confirmed wall minus monotonic milliseconds of its boot, None while unknown.
    """

    lane: int
    committed: SequenceSet = field(default_factory=SequenceSet)
    shed: int = 0
    offset_ms: int | None = None


@dataclass(slots=True)
class Counts:
    """Totals over all that was ever committed."""

    batches: int = 0
    committed: int = 0
    cases: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    shed: int = 0


@dataclass(slots=True)
class Settlement:
    """All that one transaction has to write.

    Attributes:
        streams: new states of the streams that were locked.
        cases: rows in the order of `CASE_COLUMNS`, `happened_at` in UTC milliseconds; the others likewise, their times
            all of them times.
        seen: when each device was last heard.
        counts: what to add to the totals.
    """

    streams: dict[StreamKey, StreamState] = field(default_factory=dict)
    cases: list[Row] = field(default_factory=list)
    alarms: list[Row] = field(default_factory=list)
    sketches: list[Row] = field(default_factory=list)
    blocks: list[Row] = field(default_factory=list)
    updates: list[Row] = field(default_factory=list)
    consents: list[Row] = field(default_factory=list)
    erasures: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    seen: dict[str, datetime] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)


@dataclass(slots=True, frozen=True)
class DeviceStatus:
    """How a device said it is.

    Attributes:
        device_id: from the topic.
        received_at: when it came, None for a retained status that is only repeated to us.
        details: column values to set; empty for a Will, which knows nothing but that the device is gone.
        online: false when the broker said it for the device.
    """

    device_id: str
    received_at: datetime | None
    online: bool
    details: dict[str, Any]
