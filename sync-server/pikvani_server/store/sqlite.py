"""The store on SQLite: one file, one writer at a time, everything on disk before a commit returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pikvani_server.store import erasing, migrate, schema, sequence_codec
from pikvani_server.store.rows import CASE_COLUMNS, Row, Settlement, StreamKey, StreamState
from pikvani_server.store.sql import SqlStore

T = TypeVar("T")
_BUSY_TIMEOUT_S = 30
_ERASING = ("secure_delete=ON",)  # what is deleted is overwritten: a thumbnail must not stay in a free page
_REWRITTEN_BYTES = 2 * 2**30
_PLACES = ", ".join("?" * len(CASE_COLUMNS))
# Nothing but our own column names is put into the text.
_INSERT_CASES = f"INSERT INTO cases ({', '.join(CASE_COLUMNS)}) VALUES ({_PLACES})"  # noqa: S608


class SqliteStore(SqlStore):
    """A SQLite file in WAL mode with `synchronous=FULL`.

    Args:
        url: `sqlite:///path`; its directory is made.
    """

    def __init__(self, url: str) -> None:
        database = sa.make_url(url).database
        if database:
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S, "isolation_level": None})
        sa.event.listen(engine, "connect", _prepare)
        sa.event.listen(engine, "begin", _begin)
        super().__init__(engine, sqlite.insert)
        self._reader = engine.execution_options(sqlite_begin="BEGIN")
        self._scrubber = engine.execution_options(sqlite_begin="")  # VACUUM stands outside of transactions

    def migrate(self) -> None:
        """Bring the tables to this version; a second process waits for the first."""
        with self._translated("migrating"), self._engine.begin() as connection:
            migrate.upgrade(connection)

    def commit(
        self,
        keys: Sequence[StreamKey],
        decide: Callable[[Mapping[StreamKey, StreamState]], tuple[Settlement, T]],
    ) -> T:
        """See `Store.commit`. The whole file is locked from the first read on."""
        with self._translated("committing results"), self._engine.begin() as connection:
            settlement, answer = decide(_states(connection, keys))
            erasing.turn_away(connection, settlement)
            _write_streams(connection, settlement)
            if settlement.cases:
                connection.exec_driver_sql(_INSERT_CASES, [_plain(row) for row in settlement.cases])
            self._write_rare(connection, settlement)
            self._write_seen(connection, settlement.seen)
            self._write_totals(connection, settlement.counts)
        return answer

    def scrub(self) -> bool:
        """See `Store.scrub`: the file is written anew, where it is not very large, and the log emptied."""
        with self._translated("scrubbing"), self._scrubber.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            if pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one() <= _REWRITTEN_BYTES:
                connection.exec_driver_sql("VACUUM")
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        return not busy

    def _read(self, doing: str, query: Any) -> list[dict[str, Any]]:
        # A page must not take the write lock that ingest needs.
        with self._translated(doing), self._reader.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864", *_ERASING):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # Taking the write lock at the start is what makes "look, then write" one step.
    if begin := connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"):
        connection.exec_driver_sql(begin)


def _states(connection: sa.Connection, keys: Sequence[StreamKey]) -> dict[StreamKey, StreamState]:
    states = {}
    for key in keys:
        row = connection.exec_driver_sql(
            "SELECT lane, committed, shed, offset_ms FROM streams WHERE device_id = ? AND outbox = ?", key
        ).one_or_none()
        if row is not None:
            lane, committed, shed, offset_ms = row
            states[key] = StreamState(lane, sequence_codec.from_bytes(committed), shed, offset_ms)
    return states


def _write_streams(connection: sa.Connection, settlement: Settlement) -> None:
    if not settlement.streams:
        return
    insert = sqlite.insert(schema.streams)
    changed = ("committed", "highest", "shed", "offset_ms", "updated_at")
    rows = [
        {
            "device_id": device_id,
            "outbox": outbox,
            "lane": state.lane,
            "committed": sequence_codec.to_bytes(state.committed),
            "highest": state.committed.highest,
            "shed": state.shed,
            "offset_ms": state.offset_ms,
            "opened_at": settlement.seen[device_id],
            "updated_at": settlement.seen[device_id],
        }
        for (device_id, outbox), state in settlement.streams.items()
    ]
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["device_id", "outbox"], set_={name: insert.excluded[name] for name in changed}
        ),
        rows,
    )


def _plain(row: Row) -> Row:
    """A row with its times as SQLite keeps them; other values pass as they are."""
    return tuple(round(value.timestamp() * 1000) if isinstance(value, datetime) else value for value in row)
