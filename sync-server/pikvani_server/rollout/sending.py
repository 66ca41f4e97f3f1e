"""Sends orders to devices, and again while nothing was heard: a device passes over numbers it knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from pikvani_contract import topics
from pikvani_contract.messages import SCHEMA, UpdateOrder
from pikvani_contract.wire import pack
from pikvani_server.store import Store
from pikvani_server.store.schema_rollout import rollout_devices, rollouts

RESEND = timedelta(hours=24)
AT_ONCE = 500


def send_orders(store: Store, publish: Callable[[str, bytes], None], now: datetime) -> int:
    """Send what is unsent, and what was sent long ago and not heard of; returns how many.

    Args:
        store: migrated.
        publish: hands a payload for a topic to the broker.
        now: UTC.
    """
    table = rollout_devices
    # A device that timed out is asked again and again: when it comes back, it learns what became of the roll-out.
    waiting = sa.or_(
        table.c.state == "recalled",
        sa.and_(table.c.state.in_(("ordered", "timed_out")), rollouts.c.state.in_(("running", "paused", "done"))),
    )
    due = sa.or_(table.c.sent_at.is_(None), table.c.sent_at < now - RESEND)
    query = (
        sa.select(table, rollouts.c.package, rollouts.c.version, rollouts.c.sha256, rollouts.c.reason)
        .join(rollouts, rollouts.c.id == table.c.rollout_id)
        .where(waiting, due)
        .order_by(table.c.ordered_at, table.c.device_id)
        .limit(AT_ONCE)
    )
    found = store.read("looking for orders to send", query)
    for row in found:
        back = row["state"] == "recalled"
        order = UpdateOrder(
            SCHEMA,
            row["back_number"] if back else row["take_number"],
            "back" if back else "take",
            row["package"],
            row["version"],
            bytes.fromhex(row["sha256"]),
            row["reason"][:200] if back else "",
        )
        publish(topics.device(row["device_id"], topics.DOWN_COMMAND), pack(order))
    if found:
        sent = (
            sa.update(table)
            .where(
                table.c.rollout_id == sa.bindparam("b_rollout"),
                table.c.device_id == sa.bindparam("b_device"),
                table.c.state == sa.bindparam("b_state"),
            )
            .values(sent_at=now)
        )
        keys = [
            {"b_rollout": row["rollout_id"], "b_device": row["device_id"], "b_state": row["state"]} for row in found
        ]
        with store.writing("noting sent orders") as connection:
            connection.execute(sent, keys)
    return len(found)
