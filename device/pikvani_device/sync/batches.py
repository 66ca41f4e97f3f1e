"""Records of an outbox as a batch, however it travels: how many fit, and what is said beside them."""

from __future__ import annotations

from pikvani_contract.clock import Clock
from pikvani_contract.messages import SCHEMA, Batch, Record
from pikvani_device.store.keys import WaitingOutbox

_RECORD_BYTES = 32  # sequence, times and kind of one record, before compression


def fitting(records: list[Record], room_bytes: int) -> list[Record]:
    """The longest prefix whose bodies fit into `room_bytes`, at least one record if there is any."""
    total = 0
    for index, record in enumerate(records):
        total += len(bytes(record.body)) + _RECORD_BYTES
        if total > room_bytes and index:
            return records[:index]
    return records


def batch_of(waiting: WaitingOutbox, records: list[Record], clock: Clock) -> Batch:
    """The batch that carries these records now."""
    moment = clock.now()
    return Batch(
        SCHEMA,
        waiting.outbox,
        int(waiting.lane),
        waiting.oldest,
        waiting.boots_ago,
        moment.mono_ms,
        moment.offset_ms,
        int(moment.trust),
        records,
    )
