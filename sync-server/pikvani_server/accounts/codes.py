"""Second factor: codes by time (TOTP, RFC 6238), each good once."""

from __future__ import annotations

from datetime import datetime

import pyotp
import sqlalchemy as sa

from pikvani_server.accounts import limits
from pikvani_server.accounts.limits import CODE
from pikvani_server.store import Store, audit
from pikvani_server.store.port import Found
from pikvani_server.store.schema_accounts import users

ISSUER = "Pikvani"
_STEP_S = 30
_WINDOW = 1


def begin(store: Store, user: Found) -> str:
    """The secret of an account that has no confirmed one yet, made at the first call.

    A confirmed secret is never told again: empty.
    """
    if user["totp_confirmed"]:
        return ""
    with store.writing("beginning a second factor") as connection:
        known = connection.execute(sa.select(users.c.totp_secret).where(users.c.id == user["id"]).with_for_update())
        secret = known.scalar_one()
        if not secret:
            secret = pyotp.random_base32()
            connection.execute(sa.update(users).where(users.c.id == user["id"]).values(totp_secret=secret))
        return str(secret)


def address(user: Found, secret: str) -> str:
    """What the QR code says to an authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=user["name"], issuer_name=ISSUER)


def accept(store: Store, user: Found, code: str, now: datetime) -> bool:
    """Take a code: right, not used before, and not guessed too often. The first one confirms the secret."""
    key = f"code:{user['id']}"
    if limits.take(store, {key: CODE}, now):
        return False
    with store.writing("taking a code") as connection:
        row = connection.execute(sa.select(users).where(users.c.id == user["id"]).with_for_update()).mappings().one()
        step = _step_of(row["totp_secret"], code, now)
        if step is None or step <= row["totp_step"]:
            return False
        connection.execute(sa.update(users).where(users.c.id == user["id"]).values(totp_step=step, totp_confirmed=True))
        if not row["totp_confirmed"]:
            audit.append(connection, user["name"], "user.codes", user["name"], None, now)
    limits.clear(store, [key])
    return True


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code it is, the latest first."""
    digits = "".join(code.split())
    if not secret or len(digits) != 6 or not digits.isascii() or not digits.isdecimal():
        return None
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // _STEP_S
    for step in range(current + _WINDOW, current - _WINDOW - 1, -1):
        if pyotp.utils.strings_equal(totp.generate_otp(step), digits):
            return step
    return None
