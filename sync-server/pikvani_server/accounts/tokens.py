"""Tokens for programs: shown once, kept as a hash, with a role and an end."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pikvani_server.accounts.errors import AccountError
from pikvani_server.accounts.users import check_role, digest
from pikvani_server.store import Store, audit
from pikvani_server.store.port import Found
from pikvani_server.store.schema_accounts import api_tokens

PREFIX = "pikvani_"
MOST_DAYS = 3_650
_TOUCH = timedelta(minutes=5)


@dataclass(frozen=True)
class Program:
    """Who a token is."""

    name: str
    role: str


def add(store: Store, name: str, role: str, days: int, actor: str, now: datetime) -> str:
    """Make a token; it is told here and never again.

    Raises:
        AccountError: no name, no such role, or an end out of range.
    """
    plain = name.strip()[:80]
    if not plain.isprintable() or not plain:
        raise AccountError("a token needs a name that says what it is for")
    if not 1 <= days <= MOST_DAYS:
        raise AccountError(f"a token lives from 1 to {MOST_DAYS} days, not {days}")
    secret = PREFIX + secrets.token_urlsafe(32)
    row = {"secret": digest(secret), "name": plain, "role": check_role(role), "created_by": actor, "created_at": now}
    with store.writing("adding a token") as connection:
        connection.execute(sa.insert(api_tokens).values(**row, expires_at=now + timedelta(days=days)))
        audit.append(connection, actor, "token.add", plain, {"role": role, "days": days}, now)
    return secret


def find(store: Store, secret: str, now: datetime) -> Program | None:
    """Who a token is; None for one that is revoked, old or none."""
    table = api_tokens
    query = sa.select(table).where(table.c.secret == digest(secret), table.c.revoked_at.is_(None))
    found = store.read("looking for a token", query.where(table.c.expires_at > now))
    if not found:
        return None
    row = found[0]
    if row["used_at"] is None or now - row["used_at"] > _TOUCH:
        with store.writing("keeping a token's use") as connection:
            connection.execute(sa.update(table).where(table.c.id == row["id"]).values(used_at=now))
    return Program(row["name"], row["role"])


def listed(store: Store) -> list[Found]:
    """Tokens, the newest first, without their secrets."""
    columns = [column for column in api_tokens.c if column.name != "secret"]
    return store.read("listing tokens", sa.select(*columns).order_by(api_tokens.c.id.desc()))


def revoke(store: Store, number: int, actor: str, now: datetime) -> None:
    """End a token.

    Raises:
        AccountError: there is none of that number, or it ended already.
    """
    table = api_tokens
    change = sa.update(table).where(table.c.id == number, table.c.revoked_at.is_(None)).values(revoked_at=now)
    with store.writing("revoking a token") as connection:
        done = connection.execute(change.returning(table.c.name)).first()
        if done is None:
            raise AccountError(f"there is no open token {number}: look at the list again")
        audit.append(connection, actor, "token.revoke", done.name, {"number": number}, now)
