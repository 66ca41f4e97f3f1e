"""From a name and a password to a session. What is refused never says why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pikvani_server.accounts import limits, passwords, sessions, users
from pikvani_server.accounts.limits import ADDRESS, NAME, PAIR
from pikvani_server.accounts.sessions import Stage
from pikvani_server.store import Store, audit
from pikvani_server.store.port import Found
from pikvani_server.store.schema_accounts import users as users_table


@dataclass(frozen=True)
class Outcome:
    """A session's cookie and stage, or how long to wait (zero: name or password is wrong)."""

    cookie: str = ""
    stage: Stage = "code"
    wait: timedelta = timedelta(0)


def sign_in(
    store: Store, name: str, password: str, address: str, agent: str, now: datetime, code_roles: Collection[str]
) -> Outcome:
    """Try a name and a password.

    Args:
        store: of the accounts.
        name: as typed.
        password: as typed.
        address: of the visitor.
        agent: the browser, for the list of sessions.
        now: UTC.
        code_roles: roles that must have a second factor.
    """
    plain = name.strip().casefold()[:80]
    pair, by_name, by_address = f"pair:{plain}|{address}", f"name:{plain}", f"address:{address}"
    wait = limits.take(store, {pair: PAIR, by_name: NAME, by_address: ADDRESS}, now)
    user = users.find(store, plain)
    if wait:
        _note_lock(store, user, address, now)
        return Outcome(wait=wait)
    right = passwords.matches(user["password_hash"] if user else "", password)
    if user is None or not right or user["disabled"]:
        return Outcome()
    limits.clear(store, [pair])
    limits.give_back(store, [by_name, by_address])
    if passwords.outdated(user["password_hash"]):
        with store.writing("renewing a password's hash") as connection:
            renewed = sa.update(users_table).where(users_table.c.id == user["id"])
            connection.execute(renewed.values(password_hash=passwords.hashed(password)))
    stage = stage_of(user, code_roles)
    return Outcome(sessions.start(store, user, stage, address, agent, now), stage)


def stage_of(user: Found, code_roles: Collection[str]) -> Stage:
    """What stands between a right password and the pages."""
    if user["totp_confirmed"]:
        return "code"
    return "enrol" if user["role"] in code_roles else "full"


def _note_lock(store: Store, user: Found | None, address: str, now: datetime) -> None:
    """One entry a lock, not one a try: a guesser must not fill the log."""
    if user is None:
        return
    first = limits.take(store, {f"noted:{user['name']}|{address}": limits.Limit(1, PAIR.within)}, now)
    if not first:
        audit.record(store, "system", "sign_in.locked", user["name"], {"address": address[:64]}, now)
