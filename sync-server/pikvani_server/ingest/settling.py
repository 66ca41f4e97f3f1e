"""Decides what a group of batches changes: which records are new, which rows they become, what to answer. No I/O.

The sequence set of a stream is what makes ingest idempotent: a record is new exactly if its number is not in it.
The caller holds the streams locked, hands in their states and writes everything this returns in one transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pikvani_contract.consent import ConsentBody, ErasureBody
from pikvani_contract.errors import WireError
from pikvani_contract.messages import (
    MAX_GAPS,
    SCHEMA,
    AlarmBody,
    Batch,
    BlockBody,
    CaseBody,
    Receipt,
    Record,
    SketchBody,
    UpdateReport,
)
from pikvani_contract.sequences import SequenceSet
from pikvani_contract.wire import unpack_body
from pikvani_server.ingest.reading import MAX_KEPT_BYTES, MAX_REASON_CHARS, Arrived, Refused, clean
from pikvani_server.ingest.time_repair import TimeRepair, to_utc
from pikvani_server.store.rows import Settlement, StreamKey, StreamState

MAX_INTERVALS = 1_024
"""Intervals kept per stream. A device that leaves more holes must fill the early ones first."""
_MAX_INT64 = 2**63 - 1

Answer = tuple[str, Receipt]
"""A device id and what to tell it."""


def keys_of(group: Iterable[Arrived | Refused]) -> list[StreamKey]:
    """The streams a group touches, in the order in which every worker locks them."""
    return sorted({(item.device_id, item.batch.outbox) for item in group if isinstance(item, Arrived)})


def settle(
    group: Sequence[Arrived | Refused], streams: Mapping[StreamKey, StreamState], now_ms: int
) -> tuple[Settlement, list[Answer]]:
    """Work out one transaction.

    Args:
        group: what arrived, in order of arrival.
        streams: states of the streams in `keys_of(group)`; a missing one is new. They are changed in place.
        now_ms: the centre's UTC milliseconds, for the receipts.

    Returns:
        What to write, and the receipts to send once that is durable: one a stream.
    """
    settlement = Settlement()
    for item in group:
        if isinstance(item, Refused):
            settlement.dead_letters.append(item.dead_letter)
            settlement.counts.dead_letters += 1
            continue
        key = (item.device_id, item.batch.outbox)
        state = settlement.streams.get(key) or streams.get(key) or StreamState(item.batch.lane)
        settlement.streams[key] = state
        _settle_batch(item, state, settlement)
    answers = [
        (device_id, Receipt(SCHEMA, outbox, *state.committed.outline(MAX_GAPS), now_ms))
        for (device_id, outbox), state in settlement.streams.items()
    ]
    return settlement, answers


def _settle_batch(item: Arrived, state: StreamState, settlement: Settlement) -> None:
    batch = item.batch
    received_at = to_utc(item.received_ms)
    fresh, deferred = _split(batch, state.committed)
    repair = TimeRepair(batch, item.received_ms, state.offset_ms)
    state.offset_ms = repair.offset_ms
    cases_before = len(settlement.cases)
    too_new = batch.schema > SCHEMA
    for record in fresh:
        try:
            if too_new:
                raise WireError(f"schema {batch.schema} is newer than this centre's {SCHEMA}: update the centre")
            _place(item.device_id, batch.outbox, record, repair, received_at, settlement)
        except WireError as error:
            _bury(item.device_id, batch.outbox, record, str(error), received_at, settlement)
    counts = settlement.counts
    counts.shed += _close_shed(batch, state)
    counts.batches += 1
    counts.committed += len(fresh)
    counts.cases += len(settlement.cases) - cases_before
    counts.duplicates += len(batch.records) - len(fresh) - deferred
    settlement.seen[item.device_id] = received_at


def _split(batch: Batch, committed: SequenceSet) -> tuple[list[Record], int]:
    """Records not committed yet, which `committed` then holds, and how many were put off for too many holes."""
    records = batch.records
    if not records:
        return [], 0
    first, last = records[0].seq, records[-1].seq
    contiguous = last - first + 1 == len(records) and all(r.seq == first + i for i, r in enumerate(records))
    # An honest outbox is contiguous and ahead of all that is known: no need to look at each number.
    if contiguous and first > committed.highest and len(committed.intervals()) < MAX_INTERVALS:
        committed.add_interval(first, last)
        return records, 0
    fresh: list[Record] = []
    deferred = 0
    room = MAX_INTERVALS - len(committed.intervals())
    for record in records:
        seq = record.seq
        if seq in committed:
            continue
        touches = seq + 1 in committed or (seq > 1 and seq - 1 in committed)
        if not touches:
            if room <= 0:
                deferred += 1
                continue
            room -= 1
        committed.add(seq)
        fresh.append(record)
    return fresh, deferred


def _close_shed(batch: Batch, state: StreamState) -> int:
    """What lies below the oldest number the device still holds and never came was shed: close those gaps."""
    last = batch.oldest - 1
    if last < 1:
        return 0
    before = len(state.committed)
    state.committed.add_interval(1, last)
    shed = len(state.committed) - before
    state.shed = min(_MAX_INT64, state.shed + shed)
    return shed


def _place(
    device_id: str,
    outbox: bytes,
    record: Record,
    repair: TimeRepair,
    received_at: datetime,
    settlement: Settlement,
) -> None:
    body = unpack_body(record)
    if isinstance(body, CaseBody):
        _place_case(device_id, outbox, record, body, repair, received_at, settlement)
    elif isinstance(body, AlarmBody):
        _no_nul(body.code, body.detail)
        happened_ms, quality = repair.happened(record.mono_ms, record.offset_ms, record.trust)
        settlement.alarms.append(
            (
                received_at,
                to_utc(happened_ms),
                quality,
                device_id,
                outbox,
                record.seq,
                body.code,
                body.detail,
                body.value,
            )
        )
    elif isinstance(body, SketchBody):
        _no_nul(body.model, body.day)
        settlement.sketches.append((device_id, body.model, body.day, body.revision, received_at, body.data))
    elif isinstance(body, UpdateReport):
        _no_nul(body.what, body.package, body.version, body.previous, body.detail)
        happened_ms, quality = repair.happened(record.mono_ms, record.offset_ms, record.trust)
        when = (received_at, to_utc(happened_ms), quality)
        said = (body.what, body.package, body.version, body.previous, body.order, body.detail)
        seen = (body.cases, body.errors, body.unanswered, body.latency_ms)
        settlement.updates.append((*when, device_id, outbox, record.seq, *said, *seen))
    elif isinstance(body, ConsentBody):
        _no_nul(body.notice, body.locale)
        allowed = (body.purposes, body.given_by, body.notice, body.locale)
        settlement.consents.append((device_id, body.outbox, body.seq, *allowed, received_at))
    elif isinstance(body, ErasureBody):
        _no_nul(body.asked_at)
        settlement.erasures.append((device_id, body.outbox, body.seq, body.whole, body.asked_at, received_at))
    else:
        _place_block(device_id, body, received_at, settlement)


def _place_case(
    device_id: str,
    outbox: bytes,
    record: Record,
    body: CaseBody,
    repair: TimeRepair,
    received_at: datetime,
    settlement: Settlement,
) -> None:
    others = " ".join([f"{name}:{share}" for name, share in body.others])
    _no_nul(
        body.decision,
        body.reason,
        body.crop,
        body.condition,
        others,
        body.model,
        body.runtime,
        body.channel,
        body.locale,
    )
    happened_ms, quality = repair.happened(record.mono_ms, record.offset_ms, record.trust)
    settlement.cases.append(
        (
            received_at,
            happened_ms,
            quality,
            device_id,
            outbox,
            record.seq,
            record.mono_ms,
            record.offset_ms,
            record.trust,
            body.decision,
            body.reason,
            body.crop,
            body.condition,
            body.confidence,
            others,
            body.model,
            body.runtime,
            body.photos,
            body.latency_ms,
            " ".join(map(str, body.quality)),
            body.channel,
            body.locale,
            body.consents,
        )
    )


def _place_block(device_id: str, body: BlockBody, received_at: datetime, settlement: Settlement) -> None:
    _no_nul(body.what)
    if not body.data or body.offset + len(body.data) > body.size:
        raise WireError(
            f"block of {len(body.data)} bytes at {body.offset} does not fit a file of {body.size}: send it again whole"
        )
    settlement.blocks.append(
        (
            device_id,
            body.outbox,
            body.seq,
            body.what,
            body.sha256,
            body.size,
            body.offset,
            body.data,
            received_at,
        )
    )


def _no_nul(*texts: str) -> None:
    if "\0" in "".join(texts):
        raise WireError("a text holds a NUL character, which PostgreSQL cannot keep")


def _bury(
    device_id: str, outbox: bytes, record: Record, reason: str, received_at: datetime, settlement: Settlement
) -> None:
    """Keep a record nobody can read. It is durable there, so it counts as committed and blocks nothing."""
    payload = bytes(record.body)
    digest = hashlib.sha256(f"{device_id}/{outbox.hex()}/{record.seq}".encode()).digest()[:16]
    settlement.dead_letters.append(
        (
            digest,
            received_at,
            device_id,
            "",
            outbox,
            record.seq,
            clean(record.kind, 64),
            clean(reason, MAX_REASON_CHARS),
            payload[:MAX_KEPT_BYTES],
            len(payload),
        )
    )
    settlement.counts.dead_letters += 1
