"""The queue of cases to name: filled from thumbnails that arrived, handed out one at a time, closed by agreement."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pikvani_server.errors import ServerError
from pikvani_server.review.agreement import LOOKS, UNUSABLE, Label, outcome
from pikvani_server.review.selection import select
from pikvani_server.store import Store
from pikvani_server.store.schema import blocks, cases, files
from pikvani_server.store.schema_learning import progress, review_items, review_labels, review_leases
from pikvani_server.store.schema_privacy import consents

LEASE = timedelta(minutes=10)
"""How long an item is kept for the person who looks at it."""
_CURSOR = "review.thumbnails"
_OVERLAP = timedelta(minutes=15)
_CONDITION = re.compile(r"[a-z0-9_]{1,32}/[a-z0-9_]{1,48}")
_KEY = ("device_id", "outbox", "seq")


class ReviewError(ServerError):
    """A label that cannot be taken: says why."""


@dataclass(frozen=True)
class CaseKey:
    """Names a case: device, outbox, sequence."""

    device_id: str
    outbox: bytes
    seq: int

    def of(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """The rows of this case in a table."""
        return sa.and_(*(table.c[name] == getattr(self, name) for name in _KEY))


def fill(store: Store, now: datetime, limit: int = 20_000) -> int:
    """Queue the cases whose thumbnail became whole since the last call and that `selection` takes.

    Returns:
        Items added.

    Raises:
        StoreAwayError: call again.
    """
    since = store.read("looking how far review is", sa.select(progress.c.value).where(progress.c.name == _CURSOR))
    query = (
        sa.select(cases, files.c.sha256, files.c.completed_at, consents.c.purposes)
        .select_from(
            files.join(cases, sa.and_(*(files.c[name] == cases.c[name] for name in _KEY))).outerjoin(
                consents, sa.and_(*(files.c[name] == consents.c[name] for name in _KEY))
            )
        )
        .where(files.c.what == "thumbnail", files.c.completed_at.is_not(None))
        .order_by(files.c.completed_at)
        .limit(limit)
    )
    if since:
        query = query.where(files.c.completed_at > datetime.fromisoformat(since[0]["value"]) - _OVERLAP)
    found = store.read("looking for cases to review", query)
    taken = [item for row in found if (item := _item(row, now))]
    if not found:
        return 0
    cursor = {"name": _CURSOR, "value": found[-1]["completed_at"].isoformat()}
    move = store.insert(progress).values(cursor)
    added = 0
    with store.writing("queueing cases for review") as connection:
        for item in taken:
            done = connection.execute(store.insert(review_items).values(item).on_conflict_do_nothing())
            added += max(0, done.rowcount)
        connection.execute(move.on_conflict_do_update(index_elements=["name"], set_={"value": move.excluded.value}))
    return added


def _item(row: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    # A case may say itself what was allowed; a consent given after its answer comes apart.
    row = row | {"consents": row["consents"] | (row["purposes"] or 0)}
    chosen = select(
        row["device_id"], bytes(row["outbox"]), row["seq"], row["decision"], row["confidence_e4"], row["consents"]
    )
    if chosen is None:
        return None
    same = (*_KEY, "received_at", "happened_at", "crop", "condition", "confidence_e4", "decision", "model", "locale")
    item = {name: row[name] for name in (*same, "consents")}
    sha256 = bytes(row["sha256"]).hex()
    return item | {
        "why": chosen.why,
        "share": chosen.share,
        "priority": chosen.priority,
        "sha256": sha256,
        "added_at": now,
    }


def next_item(store: Store, labeller: str, now: datetime) -> dict[str, Any] | None:
    """The item this person shall look at next, kept for them for `LEASE`; None when nothing waits.

    It says nothing of other people's labels. The model's own guess is in it: show it only after the label is given.
    """
    mine = sa.exists().where(_same(review_labels), review_labels.c.labeller == labeller)
    others = (
        sa.select(sa.func.count())
        .select_from(review_leases)
        .where(_same(review_leases), review_leases.c.labeller != labeller, review_leases.c.until > now)
        .scalar_subquery()
    )
    query = (
        sa.select(review_items)
        .where(review_items.c.state == "open", ~mine, review_items.c.labels + others < LOOKS)
        .order_by(review_items.c.priority.desc(), review_items.c.received_at, review_items.c.device_id)
        .limit(1)
    )
    with store.writing("handing out a case to review") as connection:
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        lease = store.insert(review_leases).values(
            **{name: row[name] for name in _KEY}, labeller=labeller, until=now + LEASE
        )
        connection.execute(
            lease.on_conflict_do_update(index_elements=[*_KEY, "labeller"], set_={"until": lease.excluded.until})
        )
        return dict(row)


def give_label(
    store: Store,
    key: CaseKey,
    labeller: str,
    condition: str,
    now: datetime,
    sure: bool = True,
    note: str = "",
    referee: bool = False,
) -> str:
    """Keep a person's word and give back the item's state: `open`, `agreed`, `disagreed` or `settled`.

    Raises:
        ReviewError: no such item, an id that is none, already labelled by this person or closed, or a referee where
            nothing is disputed or who gave one of the disputed labels.
    """
    if condition != UNUSABLE and not _CONDITION.fullmatch(condition):
        raise ReviewError(f"label {condition[:60]!r} is no condition: take crop/condition or {UNUSABLE}")
    role = "referee" if referee else "first"
    with store.writing("keeping a label") as connection:
        # Locked, so that two people who answer at once are counted as two.
        item = connection.execute(sa.select(review_items).where(key.of(review_items)).with_for_update()).mappings()
        row = item.first()
        if row is None:
            raise ReviewError("this case is not in the review queue: load the queue again")
        given = connection.execute(sa.select(review_labels).where(key.of(review_labels))).mappings().all()
        if any(label["labeller"] == labeller for label in given):
            raise ReviewError("you have labelled this case already: what was said is kept")
        if not referee and row["state"] != "open":
            raise ReviewError(f"this case is {row['state']}: it needs no more first labels")
        if referee and row["state"] != "disagreed":
            raise ReviewError("a referee settles a disagreement, and here is none")
        words = [Label(label["labeller"], label["role"], label["condition"]) for label in given]
        reached = outcome([*words, Label(labeller, role, condition)])
        values = {"labeller": labeller, "role": role, "condition": condition, "sure": sure, "note": note[:400]}
        connection.execute(
            sa.insert(review_labels).values(
                device_id=key.device_id, outbox=key.outbox, seq=key.seq, labelled_at=now, **values
            )
        )
        change = {"state": reached.state, "outcome": reached.condition, "labels": len(given) + 1}
        connection.execute(sa.update(review_items).where(key.of(review_items)).values(**change))
        connection.execute(sa.delete(review_leases).where(key.of(review_leases), review_leases.c.labeller == labeller))
    return str(reached.state)


def disputed(store: Store, limit: int = 50) -> list[dict[str, Any]]:
    """Items two people disagree on, the oldest first, each with its `labels_given`."""
    query = sa.select(review_items).where(review_items.c.state == "disagreed").order_by(review_items.c.received_at)
    found = store.read("listing disputed cases", query.limit(limit))
    for item in found:
        key = CaseKey(item["device_id"], bytes(item["outbox"]), item["seq"])
        item["labels_given"] = labels_of(store, key)
    return found


def named(store: Store, limit: int = 500) -> list[str]:
    """Conditions people named so far, some of which no model knows."""
    column = review_labels.c.condition
    query = sa.select(column).where(column != UNUSABLE).distinct().order_by(column).limit(limit)
    return [row["condition"] for row in store.read("listing named conditions", query)]


def crop_of(store: Store, key: CaseKey) -> str:
    """The crop the farmer picked, empty for none."""
    found = store.read("reading a case's crop", sa.select(review_items.c.crop).where(key.of(review_items)))
    return str(found[0]["crop"]) if found else ""


def labels_of(store: Store, key: CaseKey) -> list[dict[str, Any]]:
    """Every label of a case, in the order given."""
    query = sa.select(review_labels).where(key.of(review_labels)).order_by(review_labels.c.labelled_at)
    return store.read("reading labels", query)


def counts(store: Store) -> dict[str, int]:
    """Items by state."""
    query = sa.select(review_items.c.state, sa.func.count().label("count")).group_by(review_items.c.state)
    found = {row["state"]: row["count"] for row in store.read("counting the review queue", query)}
    return {"open": 0, "agreed": 0, "disagreed": 0, "settled": 0} | found


def thumbnail(store: Store, key: CaseKey) -> bytes | None:
    """The picture of a queued case; None where it is gone or was never consented to."""
    return _sent_file(store, key, "thumbnail")


def voice_note(store: Store, key: CaseKey) -> bytes | None:
    """What the farmer of a queued case said; None where nothing was, it is gone, or was never consented to."""
    return _sent_file(store, key, "voice")


def _sent_file(store: Store, key: CaseKey, what: str) -> bytes | None:
    query = (
        sa.select(blocks.c.offset_bytes, blocks.c.data)
        .select_from(
            blocks.join(
                files,
                sa.and_(*(blocks.c[name] == files.c[name] for name in (*_KEY, "what", "sha256"))),
            ).join(review_items, sa.and_(*(files.c[name] == review_items.c[name] for name in _KEY)))
        )
        .where(key.of(files), files.c.what == what, files.c.completed_at.is_not(None))
        .order_by(blocks.c.offset_bytes)
    )
    whole = bytearray()
    for row in store.read("reading what was sent", query):
        data = bytes(row["data"])
        whole[row["offset_bytes"] : row["offset_bytes"] + len(data)] = data
    return bytes(whole) or None


def _same(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == review_items.c[name] for name in _KEY))
