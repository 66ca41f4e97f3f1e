"""The audit log: entries are added in the transaction of what they tell of, and sealed to the entry before them.

A seal is SHA-256 over the entry and the seal before it, so a changed, removed or inserted entry breaks every seal after
it. Cutting off the end is the one thing a chain cannot show by itself: `head` gives the number and seal to note down
elsewhere, and `verify` holds the log against it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pikvani_server.store.port import Found, Store
from pikvani_server.store.schema_audit import audit_log

FIRST = bytes(32)
"""The seal before the first entry."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCK = (0x706B, 0x617564)
_CHUNK = 2_000
_MAX_TEXT = 200
_MAX_DETAIL = 4_000


@dataclass(frozen=True)
class Head:
    """The last entry's number and seal; 0 and zeros while the log is empty. Written `NUMBER:HEX`."""

    number: int
    seal: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.seal.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read `NUMBER:HEX`.

        Raises:
            ValueError: it is not that.
        """
        number, _, seal = text.strip().partition(":")
        found = cls(int(number), bytes.fromhex(seal))
        if found.number < 0 or len(found.seal) != len(FIRST):
            raise ValueError("not a number and a seal of 32 bytes")
        return found


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes:
        entries: how many hold, counted from the first.
        head: of the entries that hold.
        fault: what is wrong with the next one; empty where nothing is.
    """

    entries: int
    head: Head
    fault: str

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.fault


def append(
    connection: sa.Connection,
    actor: str,
    action: str,
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> int:
    """Add an entry inside the caller's transaction (`store.writing`): either both come to be, or neither.

    Args:
        connection: in a transaction that writes. Others that append wait until it ends, so append last.
        actor: user name, `cli:NAME`, `token:NAME` or `system`.
        action: a word like `rollout.pause`.
        subject: what it was done to, an id.
        detail: what else a reader needs; JSON, small, no personal data.
        now: UTC; the clock's time if left out.

    Returns:
        The entry's number.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*_LOCK)))
    last = connection.execute(
        sa.select(audit_log.c.number, audit_log.c.seal).order_by(audit_log.c.number.desc()).limit(1)
    ).first()
    number, previous = (last.number + 1, bytes(last.seal)) if last else (1, FIRST)
    at = _EPOCH + timedelta(milliseconds=(now or datetime.now(UTC)).astimezone(UTC).timestamp() * 1000 // 1)
    told = json.dumps(dict(detail or {}), sort_keys=True, ensure_ascii=False, default=str)
    if len(told) > _MAX_DETAIL:
        told = json.dumps({"cut": told[: _MAX_DETAIL - 100]}, ensure_ascii=False)
    actor, action, subject = (_plain(word) for word in (actor, action, subject))
    sealed = seal_of(number, at, actor, action, subject, told, previous)
    row = {"actor": actor, "action": action, "subject": subject, "detail": told, "previous": previous, "seal": sealed}
    connection.execute(sa.insert(audit_log).values(number=number, at=at, **row))
    return int(number)


def record(
    store: Store,
    actor: str,
    action: str,
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> int:
    """Add an entry in a transaction of its own: for what happened outside the database. See `append`."""
    with store.writing("writing the audit log") as connection:
        return append(connection, actor, action, subject, detail, now)


def seal_of(number: int, at: datetime, actor: str, action: str, subject: str, detail: str, previous: bytes) -> bytes:
    """SHA-256 of the entry as a JSON array, times in milliseconds since 1970, and of the seal before it."""
    at_ms = (at - _EPOCH) // timedelta(milliseconds=1)
    entry = [number, at_ms, actor, action, subject, detail, previous.hex()]
    return hashlib.sha256(json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode()).digest()


def verify(store: Store, noted: Head | None = None) -> Verification:
    """Read the whole log and check numbers and seals.

    Args:
        store: whose log.
        noted: a head noted earlier: the log must still hold it.
    """
    number, previous = 0, FIRST
    met = noted is None or (noted.number == 0 and noted.seal == FIRST)
    while chunk := store.read("verifying the audit log", _after(number)):
        for row in chunk:
            fault = _fault_of(row, number, previous)
            if not fault and noted and row["number"] == noted.number:
                met = bytes(row["seal"]) == noted.seal
                fault = "" if met else f"entry {number + 1} is not the one that was noted: the log was written anew"
            if fault:
                return Verification(number, Head(number, previous), fault)
            number, previous = row["number"], bytes(row["seal"])
    if not met and noted:
        fault = f"the log ends at entry {number}, and entry {noted.number} was noted: its end was cut off"
        return Verification(number, Head(number, previous), fault)
    return Verification(number, Head(number, previous), "")


def head(store: Store) -> Head:
    """The last entry, to be noted down elsewhere."""
    query = sa.select(audit_log.c.number, audit_log.c.seal).order_by(audit_log.c.number.desc()).limit(1)
    found = store.read("reading the audit log's end", query)
    return Head(found[0]["number"], bytes(found[0]["seal"])) if found else Head(0, FIRST)


def entries(
    store: Store, limit: int = 100, before: int | None = None, actor: str = "", action: str = "", subject: str = ""
) -> list[Found]:
    """Entries, the newest first, `detail` opened; `action` matches by its beginning, the others whole."""
    query = sa.select(audit_log).order_by(audit_log.c.number.desc()).limit(limit)
    query = query.where(audit_log.c.number < before) if before is not None else query
    query = query.where(audit_log.c.actor == actor) if actor else query
    query = query.where(audit_log.c.subject == subject) if subject else query
    query = query.where(audit_log.c.action.startswith(action, autoescape=True)) if action else query
    return [row | {"detail": json.loads(row["detail"])} for row in store.read("reading the audit log", query)]


def _after(number: int) -> sa.Select[Any]:
    return sa.select(audit_log).where(audit_log.c.number > number).order_by(audit_log.c.number).limit(_CHUNK)


def _fault_of(row: Found, number: int, previous: bytes) -> str:
    if row["number"] != number + 1:
        return f"entry {number + 1} is missing: the next one is {row['number']}"
    if bytes(row["previous"]) != previous:
        return f"entry {number + 1} does not follow the entry before it: one was changed or taken out"
    words = (row["actor"], row["action"], row["subject"], row["detail"])
    if seal_of(row["number"], row["at"], *words, previous) != bytes(row["seal"]):
        return f"entry {number + 1} was changed after it was written"
    return ""


def _plain(text: str) -> str:
    """Without what a database or a terminal would choke on."""
    return "".join(char if char.isprintable() else "?" for char in text)[:_MAX_TEXT]
