"""Settles a group in the store, however the store takes it: whole, or one by one when something in it is poison.

Joins the pure rules to a `Store`. Knows no MQTT; an importer of bundles calls it as well as the worker does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pikvani_contract import topics
from pikvani_contract.wire import pack
from pikvani_server.errors import StoreRefusedError
from pikvani_server.ingest.reading import Arrived, Refused, refuse
from pikvani_server.ingest.settling import Answer, keys_of, settle
from pikvani_server.store import Store
from pikvani_server.store.rows import Counts, Settlement, StreamKey, StreamState

log = logging.getLogger(__name__)


@dataclass(slots=True, frozen=True)
class Committed:
    """What became durable.

    Attributes:
        answers: receipts to send.
        counts: what was added to the totals.
    """

    answers: list[Answer]
    counts: Counts


def commit_group(store: Store, group: Sequence[Arrived | Refused], now_ms: int) -> Committed:
    """Make a group durable.

    Args:
        store: where.
        group: what arrived, in order.
        now_ms: the centre's UTC milliseconds.

    Raises:
        StoreAwayError: the database is away; nothing of a part not yet committed is durable, call again.
    """
    try:
        return _commit(store, group, now_ms)
    except StoreRefusedError as error:
        if len(group) == 1:
            return _bury(store, group[0], error, now_ms)
        log.warning("a group of %d was refused and is settled one by one: %s", len(group), error)
    # A half at a time finds the poison in few steps and keeps the rest in large groups.
    middle = len(group) // 2
    first = commit_group(store, group[:middle], now_ms)
    second = commit_group(store, group[middle:], now_ms)
    sums = {name: getattr(first.counts, name) + getattr(second.counts, name) for name in Counts.__slots__}
    return Committed(first.answers + second.answers, Counts(**sums))


def _commit(store: Store, group: Sequence[Arrived | Refused], now_ms: int) -> Committed:
    def decide(streams: Mapping[StreamKey, StreamState]) -> tuple[Settlement, Committed]:
        try:
            settlement, answers = settle(group, streams, now_ms)
        except Exception as error:
            # A mistake of ours in one batch must not stop the reader: it is found and buried like any poison.
            log.exception("settling failed")
            raise StoreRefusedError(f"settling failed: {type(error).__name__}: {error}") from error
        return settlement, Committed(answers, settlement.counts)

    return store.commit(keys_of(group), decide)


def _bury(store: Store, item: Arrived | Refused, error: Exception, now_ms: int) -> Committed:
    """Keep what the database will not take as a dead letter; the device gets no receipt and keeps its records."""
    if isinstance(item, Refused):
        log.error("rubbish that cannot even be kept is dropped: %s", error)
        return Committed([], Counts())
    log.error("a batch of %s goes to the dead letters: %s", item.device_id, error)
    topic = topics.device(item.device_id, topics.UP_BATCH)
    letter = refuse(item.device_id, topic, pack(item.batch), f"the store refused it: {error}", item.received_ms)
    return _commit(store, [letter], now_ms)
