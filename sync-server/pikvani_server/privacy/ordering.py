"""Tells devices to erase what was asked at the centre, or what an old copy of a card brought back; daily till done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from pikvani_contract import topics
from pikvani_contract.consent import ErasureOrder
from pikvani_contract.messages import SCHEMA
from pikvani_contract.wire import pack
from pikvani_server.store import Store, erasing
from pikvani_server.store.schema_privacy import erasures

RESEND = timedelta(hours=24)
AT_ONCE = 500


def send_erasures(store: Store, publish: Callable[[str, bytes], None], now: datetime) -> int:
    """Send the orders that are due; returns how many.

    Args:
        store: migrated.
        publish: hands a payload for a topic to the broker.
        now: UTC.
    """
    due = sa.or_(erasures.c.ordered_at.is_(None), erasures.c.ordered_at < now - RESEND)
    query = sa.select(erasures).where(erasures.c.confirmed_at.is_(None), due).order_by(erasures.c.received_at)
    found = store.read("looking for erasures to order", query.limit(AT_ONCE))
    if not found:
        return 0
    for row in found:
        order = ErasureOrder(SCHEMA, bytes(row["outbox"]), row["seq"], bool(row["whole"]))
        publish(topics.device(row["device_id"], topics.DOWN_COMMAND), pack(order))
    with store.writing("noting ordered erasures") as connection:
        for row in found:
            key = (row["device_id"], bytes(row["outbox"]), row["seq"])
            connection.execute(sa.update(erasures).where(erasing.of(erasures, key)).values(ordered_at=now))
    return len(found)
