"""Accounts in the store. Every change of one is an entry in the audit log of the same transaction."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pikvani_server.accounts import passwords
from pikvani_server.accounts.errors import AccountError
from pikvani_server.accounts.roles import ROLES
from pikvani_server.store import Store, audit
from pikvani_server.store.port import Found
from pikvani_server.store.schema_accounts import invitations, sessions, users

INVITATION = timedelta(days=3)
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,79}")


def check_name(name: str) -> str:
    """The name in lower case.

    Raises:
        AccountError: it holds what a name may not.
    """
    plain = name.strip().casefold()
    if not _NAME.fullmatch(plain):
        raise AccountError(f"user name {name[:80]!r} will not do: letters, digits and . _ @ + - only, 80 at most")
    return plain


def check_role(role: str) -> str:
    """The role itself.

    Raises:
        AccountError: there is none of that name.
    """
    if role not in ROLES:
        raise AccountError(f"there is no role {role[:40]!r}: choose {', '.join(ROLES)}")
    return role


def add(store: Store, name: str, role: str, actor: str, now: datetime) -> Found:
    """Make an account that nobody can sign in to yet: give it a password or an invitation.

    Raises:
        AccountError: name or role will not do, or the name is taken.
    """
    name, role = check_name(name), check_role(role)
    row = {"name": name, "role": role, "created_at": now}
    with store.writing("adding a user") as connection:
        if connection.execute(sa.select(users.c.id).where(users.c.name == name)).first():
            raise AccountError(f"there is a user {name!r} already: choose another name, or reset that one")
        made = connection.execute(sa.insert(users).values(row).returning(*users.c)).mappings().one()
        audit.append(connection, actor, "user.add", name, {"role": role}, now)
        return dict(made)


def find(store: Store, name: str) -> Found | None:
    """An account by name, in any case of letters."""
    found = store.read("looking for a user", sa.select(users).where(users.c.name == name.strip().casefold()[:80]))
    return found[0] if found else None


def named(store: Store, name: str) -> Found:
    """As `find`.

    Raises:
        AccountError: there is none.
    """
    found = find(store, name)
    if found is None:
        raise AccountError(f"there is no user {name[:80]!r}: `pikvani-server users list` shows them")
    return found


def listed(store: Store) -> list[Found]:
    """Accounts by name, each with `open_sessions`, without their secrets."""
    count = sa.select(sa.func.count()).where(sessions.c.user_id == users.c.id).scalar_subquery()
    query = sa.select(users, count.label("open_sessions")).order_by(users.c.name)
    found = store.read("listing users", query)
    for row in found:
        row["has_password"] = bool(row.pop("password_hash"))
        row.pop("totp_secret"), row.pop("totp_step")
    return found


def any_usable(store: Store) -> bool:
    """Whether anybody could sign in."""
    usable = sa.and_(sa.not_(users.c.disabled), sa.or_(users.c.password_hash != "", users.c.oidc_subject.is_not(None)))
    return bool(store.read("looking for users", sa.select(users.c.id).where(usable).limit(1)))


def set_password(store: Store, user: Found, password: str, actor: str, now: datetime) -> None:
    """Give a password; every session and invitation of the account ends.

    Raises:
        AccountError: it is too easily guessed.
    """
    passwords.check_new(password, user["name"])
    _change(store, user, {"password_hash": passwords.hashed(password)}, actor, "user.password", now, ends=True)


def set_role(store: Store, user: Found, role: str, actor: str, now: datetime) -> None:
    """Give another role; every session ends.

    Raises:
        AccountError: no such role, or nobody would be admin any more.
    """
    _change(store, user, {"role": check_role(role)}, actor, "user.role", now, {"role": role}, ends=True)


def set_disabled(store: Store, user: Found, disabled: bool, actor: str, now: datetime) -> None:
    """Shut an account or open it again; shutting ends its sessions.

    Raises:
        AccountError: nobody would be admin any more.
    """
    action = "user.disable" if disabled else "user.enable"
    _change(store, user, {"disabled": disabled}, actor, action, now, ends=disabled)


def forget_codes(store: Store, user: Found, actor: str, now: datetime) -> None:
    """Take away a lost second factor; every session ends."""
    change = {"totp_secret": "", "totp_confirmed": False, "totp_step": 0}
    _change(store, user, change, actor, "user.forget_codes", now, ends=True)


def invite(store: Store, user: Found, actor: str, now: datetime) -> str:
    """The secret of a one-time link to set a password; earlier links and sessions of the account end.

    The password it has goes too: who resets an account may fear for it.
    """
    secret = secrets.token_urlsafe(24)
    with store.writing("inviting a user") as connection:
        _end(connection, user)
        connection.execute(sa.update(users).where(users.c.id == user["id"]).values(password_hash=""))
        row = {"id": digest(secret), "user_id": user["id"], "expires_at": now + INVITATION}
        connection.execute(sa.insert(invitations).values(row))
        audit.append(connection, actor, "user.invite", user["name"], None, now)
    return secret


def invited(store: Store, secret: str, now: datetime) -> Found | None:
    """Whose link it is; None for one that is used, old or none."""
    query = sa.select(users).join(invitations, invitations.c.user_id == users.c.id)
    query = query.where(invitations.c.id == digest(secret), invitations.c.expires_at > now, sa.not_(users.c.disabled))
    found = store.read("looking for an invitation", query)
    return found[0] if found else None


def digest(secret: str) -> bytes:
    """What is kept of a secret that is random already."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _change(
    store: Store,
    user: Found,
    change: dict[str, Any],
    actor: str,
    action: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
    ends: bool = False,
) -> None:
    with store.writing("changing a user") as connection:
        if user["role"] == "admin" and (change.get("role", "admin") != "admin" or change.get("disabled")):
            _keep_an_admin(connection, user)
        connection.execute(sa.update(users).where(users.c.id == user["id"]).values(**change))
        if ends:
            _end(connection, user)
        audit.append(connection, actor, action, user["name"], detail, now)


def _keep_an_admin(connection: sa.Connection, user: Found) -> None:
    # Locked in one order, so that two admins cannot shut each other out at once.
    query = sa.select(users.c.id).where(users.c.role == "admin", sa.not_(users.c.disabled)).order_by(users.c.id)
    others = [row.id for row in connection.execute(query.with_for_update()) if row.id != user["id"]]
    if not others:
        raise AccountError(f"{user['name']} is the last admin: make another one first")


def _end(connection: sa.Connection, user: Found) -> None:
    for table in (sessions, invitations):
        connection.execute(sa.delete(table).where(table.c.user_id == user["id"]))
