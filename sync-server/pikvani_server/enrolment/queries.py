"""What people see of enrolment: devices, cards still out, refusals with their reason, suspected copies. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pikvani_contract.enrolment import REASONS
from pikvani_server.store import Store
from pikvani_server.store.port import Found
from pikvani_server.store.schema_enrolment import claims, enrolment_events, identities

_SHOWN = [
    "device_id",
    "district",
    "village",
    "batch",
    "state",
    "expires_at",
    "enrolled_at",
    "confirmed_at",
    "counter",
    "suspected_at",
    "suspicion",
    "revoked_at",
    "revoked_reason",
    "replaces",
]


def devices(store: Store, limit: int = 500, state: str = "", district: str = "") -> list[Found]:
    """Enrolled and revoked devices by name; of one state or district where given."""
    query = sa.select(*[identities.c[name] for name in _SHOWN]).order_by(identities.c.device_id).limit(limit)
    query = query.where(identities.c.state == state) if state else query
    query = query.where(identities.c.district == district) if district else query
    return store.read("listing identities", query)


def pending(store: Store, now: datetime, limit: int = 500) -> list[Found]:
    """Cards that were made and have not enrolled; `expired` says which never will."""
    names = ("device_id", "district", "village", "batch", "expires_at", "added_at")
    query = sa.select(*[claims.c[name] for name in names]).where(claims.c.state == "open")
    found = store.read("listing claims", query.order_by(claims.c.device_id).limit(limit))
    return [row | {"expired": row["expires_at"] < now} for row in found]


def events(store: Store, kind: str = "", device_id: str = "", limit: int = 200) -> list[Found]:
    """Events, latest first; `meaning` says a refusal's reason in a sentence."""
    shown = [c for c in enrolment_events.c if c.name != "digest"]
    query = sa.select(*shown).order_by(enrolment_events.c.last_at.desc(), enrolment_events.c.id.desc()).limit(limit)
    query = query.where(enrolment_events.c.kind == kind) if kind else query
    query = query.where(enrolment_events.c.device_id == device_id) if device_id else query
    return [row | {"meaning": REASONS.get(row["reason"], "")} for row in store.read("listing events", query)]


def refused(store: Store, limit: int = 200) -> list[Found]:
    """Refusals with reason and meaning, latest first."""
    return events(store, "refused", limit=limit)


def suspected(store: Store) -> list[Found]:
    """Devices whose card may have been copied, until a person clears them."""
    query = sa.select(*[identities.c[name] for name in _SHOWN]).where(identities.c.suspected_at.is_not(None))
    return store.read("listing suspicions", query.order_by(identities.c.suspected_at.desc()))


def counts(store: Store, now: datetime) -> dict[str, Any]:
    """How many of each, for a page's head and for `/metrics`."""
    number = sa.func.count().label("number")
    states = store.read("counting", sa.select(identities.c.state, number).group_by(identities.c.state))
    expired = sa.and_(identities.c.state == "enrolled", identities.c.expires_at < now)
    ended = store.read("counting", sa.select(number).select_from(identities).where(expired))
    waiting = store.read("counting", sa.select(number).select_from(claims).where(claims.c.state == "open"))
    unsure = store.read(
        "counting", sa.select(number).select_from(identities).where(identities.c.suspected_at.is_not(None))
    )
    times = sa.func.coalesce(sa.func.sum(enrolment_events.c.times), 0).label("number")
    refusals = store.read("counting", sa.select(times).where(enrolment_events.c.kind == "refused"))
    by_state = {row["state"]: int(row["number"]) for row in states}
    return {
        "enrolled": by_state.get("enrolled", 0),
        "revoked": by_state.get("revoked", 0),
        "ended": int(ended[0]["number"]),
        "pending": int(waiting[0]["number"]),
        "suspected": int(unsure[0]["number"]),
        "refusals": int(refusals[0]["number"]),
    }
