"""Takes tombstones to their end: into the ledger, out of exports, out of free space; then they are obeyed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pikvani_server.errors import ServerError
from pikvani_server.privacy import ledger
from pikvani_server.store import Store, erasing
from pikvani_server.store.schema import files
from pikvani_server.store.schema_privacy import erasures

log = logging.getLogger(__name__)

SETTLING = timedelta(minutes=2)
"""A transaction that began before the tombstone was committed may still bring a row in; none lasts so long."""
_AT_ONCE = 1_000


def obey(store: Store, ledger_file: Path, exports: Path, now: datetime) -> int:
    """Do what is left to do for tombstones that are not obeyed yet.

    Args:
        store: migrated.
        ledger_file: notes them.
        exports: folder below which exports of labels lie.
        now: UTC.

    Returns:
        How many are obeyed now.

    Raises:
        ServerError: a file cannot be written, or the database is away; call again.
    """
    query = sa.select(erasures).order_by(erasures.c.received_at).limit(_AT_ONCE)
    unnoted = store.read("looking for erasures to note", query.where(erasures.c.noted_at.is_(None)))
    ledger.note(ledger_file, unnoted)
    _mark(store, unnoted, noted_at=now)
    waiting = query.where(erasures.c.obeyed_at.is_(None), erasures.c.received_at <= now - SETTLING)
    due = store.read("looking for erasures to obey", waiting)
    if not due:
        return 0
    with store.writing("erasing") as connection:
        for row in due:
            erasing.delete(connection, _key(row), bool(row["whole"]))
    pictures = {name for row in store.read("reading tombstones", waiting) for name in row["pictures"].split()}
    for folder in sorted(exports.glob("*/labels")):
        purge(folder, pictures)
    if not store.scrub():
        log.info("%d erasures wait for a reader of the database to end", len(due))
        return 0
    _mark(store, due, obeyed_at=now)
    log.info("%d erasures are obeyed", len(due))
    return len(due)


def purge(folder: Path, pictures: Collection[str]) -> int:
    """Take pictures and their labels out of an export; its provenance says how many.

    Args:
        folder: as `review.exporting.export` made it.
        pictures: SHA-256 in hex.

    Returns:
        Lines taken out.

    Raises:
        ServerError: the folder cannot be read or written.
    """
    try:
        for name in pictures:
            (folder / "photos" / f"{name}.jpg").unlink(missing_ok=True)
        labels, provenance = folder / "labels.jsonl", folder / "provenance.json"
        if not labels.is_file():
            return 0
        lines = labels.read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["sha256"] not in pictures]
        if len(kept) == len(lines):
            return 0
        body = "".join(kept)
        _write_whole(labels, body)
        if provenance.is_file():
            told = json.loads(provenance.read_text("utf-8"))
            told |= {"cases": len(kept), "labels_sha256": hashlib.sha256(body.encode()).hexdigest()}
            told["erased"] = told.get("erased", 0) + len(lines) - len(kept)
            _write_whole(provenance, json.dumps(told, indent=1) + "\n")
    except (OSError, ValueError, KeyError) as error:
        raise ServerError(f"{folder}: an export cannot be purged: {error}; see to it by hand") from None
    return len(lines) - len(kept)


def ask(store: Store, device_id: str, outbox: bytes, seq: int, whole: bool, connection: Any, now: datetime) -> None:
    """A person at the centre asks for an erasure: it is done here at once, and the device is ordered to.

    Args:
        store: whose dialect to write in.
        device_id: the device.
        outbox: of the case.
        seq: of the case.
        whole: the case too.
        connection: a transaction, in which the audit log is written as well.
        now: UTC.
    """
    values = {"device_id": device_id, "outbox": outbox, "seq": seq, "whole": whole}
    erasing.lay(connection, store.insert, values | {"asked_at": "centre", "received_at": now})


def drop_old_files(store: Store, thumbnail_days: int, voice_days: int, now: datetime) -> int:
    """Delete thumbnails and voice notes past their time; returns how many. What people said of them stays."""
    removed = 0
    with store.writing("deleting old thumbnails and voice notes") as connection:
        for what, days in (("thumbnail", thumbnail_days), ("voice", voice_days)):
            old = sa.and_(files.c.what == what, files.c.opened_at < now - timedelta(days=days))
            removed += connection.execute(sa.delete(files).where(old)).rowcount
    return removed


def _mark(store: Store, rows: list[dict[str, Any]], **change: datetime) -> None:
    if not rows:
        return
    with store.writing("marking erasures") as connection:
        for row in rows:
            # One that was widened meanwhile begins anew.
            same = sa.and_(erasing.of(erasures, _key(row)), erasures.c.whole == row["whole"])
            connection.execute(sa.update(erasures).where(same).values(change))


def _key(row: dict[str, Any]) -> erasing.Key:
    return row["device_id"], bytes(row["outbox"]), row["seq"]


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
