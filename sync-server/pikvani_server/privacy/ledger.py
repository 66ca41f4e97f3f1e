"""Tombstones in a file beside the database, so that a restored backup learns again what it must not hold.

One JSON object a line, only ever added to. Keep it apart from the backups of the database, and keep all of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pikvani_server.errors import ServerError
from pikvani_server.store import Store, erasing
from pikvani_server.store.schema_privacy import erasures


def note(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Add tombstones, durable on return.

    Raises:
        ServerError: the file cannot be written.
    """
    lines = [_line(row) for row in rows]
    if not lines:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            # A line that a power cut tore ends here.
            file.write((b"\n" if file.tell() else b"") + "".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ServerError(f"{path}: erasures cannot be noted ({error.strerror}); free some space") from None


def replay(store: Store, path: Path) -> int:
    """Bury again what the ledger holds and the database does not; returns how many.

    Raises:
        ServerError: the file cannot be read.
    """
    query = sa.select(erasures.c.device_id, erasures.c.outbox, erasures.c.seq, erasures.c.whole)
    rows = store.read("reading tombstones", query)
    known = {(row["device_id"], bytes(row["outbox"]), row["seq"]): bool(row["whole"]) for row in rows}
    again = 0
    for found in _entries(path):
        key = (found["device_id"], found["outbox"], found["seq"])
        if known.get(key, False) or (key in known and not found["whole"]):
            continue
        with store.writing("obeying the ledger of erasures") as connection:
            erasing.lay(connection, store.insert, found)
        known[key] = found["whole"]
        again += 1
    return again


def _line(row: dict[str, Any]) -> str:
    told = {
        "device": row["device_id"],
        "outbox": bytes(row["outbox"]).hex(),
        "seq": row["seq"],
        "whole": bool(row["whole"]),
        "asked_at": row["asked_at"],
        "received_at": row["received_at"].isoformat(),
        "pictures": row["pictures"],
    }
    return json.dumps(told) + "\n"


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ServerError(f"{path}: the ledger of erasures cannot be read ({error.strerror})") from None
    for line in lines:
        try:
            told = json.loads(line)
            yield {
                "device_id": str(told["device"]),
                "outbox": bytes.fromhex(told["outbox"]),
                "seq": int(told["seq"]),
                "whole": bool(told["whole"]),
                "asked_at": str(told["asked_at"]),
                "received_at": datetime.fromisoformat(told["received_at"]).astimezone(UTC),
                "pictures": str(told["pictures"]),
            }
        except (ValueError, KeyError, TypeError):
            continue  # a torn line: its tombstone is in the lines after it, or in the database
