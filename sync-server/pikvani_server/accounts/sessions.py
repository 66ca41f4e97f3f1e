"""Sessions: a random cookie whose hash the store knows, with an end, ended one by one or all at once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from pikvani_server.accounts.users import digest
from pikvani_server.store import Store, audit
from pikvani_server.store.port import Found
from pikvani_server.store.schema_accounts import sessions, users

IDLE = timedelta(hours=8)
"""Without a page for so long, a session is over."""
WHOLE = timedelta(days=7)
"""So is the longest one."""
_WAITING = timedelta(minutes=10)
"""To give a code after the password."""
_TOUCH = timedelta(minutes=1)

Stage = Literal["code", "enrol", "full"]


@dataclass(frozen=True)
class Visitor:
    """Somebody who gave a password. Only stage `full` is signed in."""

    user: Found
    stage: Stage
    session_id: bytes

    @property
    def name(self) -> str:
        """Of the account."""
        return str(self.user["name"])

    @property
    def role(self) -> str:
        """Of the account."""
        return str(self.user["role"])


def start(store: Store, user: Found, stage: Stage, address: str, agent: str, now: datetime) -> str:
    """Begin a session; returns the cookie. An old cookie is never taken over."""
    cookie = secrets.token_urlsafe(32)
    row = {"id": digest(cookie), "user_id": user["id"], "stage": stage, "created_at": now, "seen_at": now}
    with store.writing("starting a session") as connection:
        connection.execute(sa.insert(sessions).values(**row, address=address[:64], agent=agent[:200]))
        connection.execute(sa.delete(sessions).where(sessions.c.user_id == user["id"], _over(now)))
        if stage == "full":
            connection.execute(sa.update(users).where(users.c.id == user["id"]).values(signed_in_at=now))
            audit.append(connection, user["name"], "sign_in", user["name"], {"address": address[:64]}, now)
    return cookie


def find(store: Store, cookie: str, now: datetime) -> Visitor | None:
    """Whose session it is; None for one that ended, or whose account is shut."""
    query = sa.select(users, sessions.c.id.label("session_id"), sessions.c.stage, sessions.c.seen_at).join(
        sessions, sessions.c.user_id == users.c.id
    )
    query = query.where(sessions.c.id == digest(cookie), sa.not_(_over(now)), sa.not_(users.c.disabled))
    found = store.read("looking for a session", query)
    if not found:
        return None
    row = found[0]
    visitor = Visitor(row, row["stage"], bytes(row["session_id"]))
    if now - row["seen_at"] > _TOUCH:
        with store.writing("keeping a session") as connection:
            connection.execute(sa.update(sessions).where(sessions.c.id == visitor.session_id).values(seen_at=now))
    return visitor


def end(store: Store, visitor: Visitor, now: datetime) -> None:
    """Sign out here."""
    with store.writing("ending a session") as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.id == visitor.session_id))
        audit.append(connection, visitor.name, "sign_out", visitor.name, None, now)


def drop(store: Store, visitor: Visitor) -> None:
    """End a session that another one took the place of."""
    with store.writing("ending a session") as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.id == visitor.session_id))


def end_all(store: Store, user: Found, actor: str, now: datetime) -> int:
    """Sign an account out everywhere; returns how many sessions ended."""
    with store.writing("ending all sessions") as connection:
        ended = connection.execute(sa.delete(sessions).where(sessions.c.user_id == user["id"])).rowcount
        audit.append(connection, actor, "sign_out.everywhere", user["name"], {"sessions": ended}, now)
        return int(ended)


def of_user(store: Store, user: Found, now: datetime) -> list[Found]:
    """Open sessions of an account, the latest first; `id` tells which, and opens nothing."""
    query = sa.select(sessions).where(sessions.c.user_id == user["id"], sa.not_(_over(now)))
    return store.read("listing sessions", query.order_by(sessions.c.seen_at.desc()))


def prune(store: Store, now: datetime) -> int:
    """Delete sessions that are over; returns how many."""
    with store.writing("pruning sessions") as connection:
        return int(connection.execute(sa.delete(sessions).where(_over(now))).rowcount)


def _over(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(
        sessions.c.seen_at < now - IDLE,
        sessions.c.created_at < now - WHOLE,
        sa.and_(sessions.c.stage != "full", sessions.c.created_at < now - _WAITING),
    )
