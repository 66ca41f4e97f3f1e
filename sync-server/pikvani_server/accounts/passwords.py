"""Passwords: argon2id, a least length, and the same work for a name that does not exist."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pikvani_server.accounts.errors import AccountError

LEAST_CHARS = 12
_MOST_CHARS = 256
_HASHER = PasswordHasher()


def check_new(password: str, name: str) -> None:
    """Refuse what is guessed first.

    Raises:
        AccountError: too short, too long, of few different characters, or made of the user's name.
    """
    if len(password) < LEAST_CHARS:
        raise AccountError(f"a password needs {LEAST_CHARS} characters or more: take four unlike words")
    if len(password) > _MOST_CHARS:
        raise AccountError(f"a password has {_MOST_CHARS} characters at most")
    if len(set(password.casefold())) < 5:
        raise AccountError("this password repeats too few characters: take four unlike words")
    if name.casefold() in password.casefold():
        raise AccountError("a password must not hold the user's name")


def hashed(password: str) -> str:
    """Argon2id with a salt of its own."""
    return _HASHER.hash(password)


def matches(known: str, password: str) -> bool:
    """Whether a password is the one that was hashed. An empty hash matches none, and takes as long to say so."""
    try:
        return _HASHER.verify(known or _nobody(), password[: _MOST_CHARS + 1]) and bool(known)
    except (VerificationError, InvalidHashError):
        return False


def outdated(known: str) -> bool:
    """Whether a hash was made with weaker settings than today's."""
    return _HASHER.check_needs_rehash(known)


@cache
def _nobody() -> str:
    return _HASHER.hash("no account has this password")
