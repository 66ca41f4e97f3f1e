"""From bytes on a topic to a batch that can be settled, or to a dead letter that says why not. No I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pikvani_contract import topics
from pikvani_contract.errors import ContractError, WireError
from pikvani_contract.messages import Batch
from pikvani_contract.wire import unpack
from pikvani_server.ingest.time_repair import to_utc
from pikvani_server.store.rows import RECORDLESS, Row

MAX_KEPT_BYTES = 64 * 1024
"""How much of a payload that cannot be read is kept."""
MAX_REASON_CHARS = 400


@dataclass(slots=True, frozen=True)
class Arrived:
    """A batch that unpacked.

    Attributes:
        device_id: from the topic, never from the payload.
        received_ms: the centre's UTC milliseconds when it came.
        batch: the batch.
    """

    device_id: str
    received_ms: int
    batch: Batch


@dataclass(slots=True, frozen=True)
class Refused:
    """A payload that is not a batch of ours.

    Attributes:
        dead_letter: a row in the order of `DEAD_LETTER_COLUMNS`.
    """

    dead_letter: Row


def read_batch(topic: str, payload: bytes, received_ms: int) -> Arrived | Refused:
    """Unpack what came on a batch topic. Never raises for anything a peer can send."""
    device_id = ""
    try:
        device_id = topics.device_of(topic)
        return Arrived(device_id, received_ms, unpack(payload, Batch))
    except (WireError, ContractError) as error:
        return refuse(device_id, topic, payload, str(error), received_ms)


def refuse(device_id: str, topic: str, payload: bytes, reason: str, received_ms: int) -> Refused:
    """A dead letter for a whole payload. The same payload on the same topic always gives the same digest."""
    digest = hashlib.sha256(topic.encode("utf-8", "replace") + b"\0" + payload).digest()[:16]
    return Refused(
        (
            digest,
            to_utc(received_ms),
            device_id,
            clean(topic, 200),
            RECORDLESS,
            RECORDLESS,
            "",
            clean(reason, MAX_REASON_CHARS),
            payload[:MAX_KEPT_BYTES],
            len(payload),
        )
    )


def clean(text: str, max_chars: int) -> str:
    """`text` as every database can keep it: no NUL, no lone surrogate, bounded."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:max_chars]
