"""One SQLite connection, one lock: reads and durable transactions with errors a person can act on."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pikvani_device.errors import StoreError


class Durable:
    """A database that may be used from any thread.

    Args:
        path: of the file, for messages.
        connection: opened with WAL and FULL synchronisation.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            self._db.close()

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"cannot read case store {self.path}: {error}") from error

    @contextmanager
    def _transaction(self, doing: str) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):  # closed, or rolled back by SQLite itself
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise StoreError(
                        f"cannot {doing} case store {self.path}: {error}; free disk space or replace the card"
                    ) from error
                raise
