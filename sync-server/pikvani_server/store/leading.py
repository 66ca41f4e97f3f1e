"""Who leads: an advisory lock of PostgreSQL that dies with its connection, or a lock on a file beside SQLite's."""

from __future__ import annotations

import fcntl
import os
import zlib
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from pikvani_server.store.port import Store
from pikvani_server.store.sql import SqlStore

_CLASS = 0x706B  # "pk": keeps our locks apart from the one that guards migrations


class Leadership:
    """One contender for one role. `held` is asked again and again; `resign` lets go.

    Args:
        store: whose database decides.
        role: what is led.
    """

    def __init__(self, store: Store, role: str) -> None:
        if not isinstance(store, SqlStore):
            raise TypeError("leadership needs a database of ours")
        self._engine = store._engine
        self._role = role
        self._connection: sa.Connection | None = None
        self._file: int | None = None

    def held(self) -> bool:
        """Whether this process leads now. Tries to, if nobody does; False too while the database is away."""
        if self._engine.dialect.name == "sqlite":
            return self._held_file()
        try:
            if self._connection is not None:
                self._connection.exec_driver_sql("SELECT 1")
                self._connection.commit()
                return True
            connection = self._engine.connect()
            number = zlib.crc32(self._role.encode()) & 0x7FFFFFFF
            query = sa.select(sa.func.pg_try_advisory_lock(_CLASS, number))
            if connection.execute(query).scalar():
                connection.commit()
                self._connection = connection
                return True
            connection.close()
        except sa.exc.SQLAlchemyError:
            # The session is gone and with it the lock: another may lead already.
            self.resign()
        return False

    def resign(self) -> None:
        """Let another lead."""
        if self._connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                # A pooled connection would keep the lock; said first, because the server notices a closed one late.
                self._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
                self._connection.commit()
            with suppress(sa.exc.SQLAlchemyError):
                self._connection.invalidate()
                self._connection.close()
            self._connection = None
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _held_file(self) -> bool:
        if self._file is not None:
            return True
        path = Path(f"{self._engine.url.database}.{self._role}.lock")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True
