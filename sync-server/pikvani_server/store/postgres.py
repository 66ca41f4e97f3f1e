"""The store on PostgreSQL: streams locked row by row, cases copied straight into the month's partition.

This is the hot path of the centre: a group of batches is four statements and one COPY, whatever its size.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from pikvani_server.errors import StoreAwayError, StoreRefusedError
from pikvani_server.store import erasing, migrate, partitions, sequence_codec
from pikvani_server.store.case_copy import COPY_COLUMNS, encode_cases
from pikvani_server.store.rows import Row, Settlement, StreamKey, StreamState
from pikvani_server.store.sql import SqlStore

T = TypeVar("T")

_SESSION = "-c timezone=UTC -c statement_timeout=60000 -c lock_timeout=30000 -c synchronous_commit=on"
_OPEN = """
INSERT INTO streams (device_id, outbox, lane, opened_at, updated_at)
SELECT k.device_id, k.outbox, 0, now(), now()
FROM unnest(%s::text[], %s::bytea[]) AS k(device_id, outbox) ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
# The sort stands below the locking, so rows are locked in this order by every worker.
_LOCK = """
SELECT s.device_id, s.outbox, s.lane, s.committed, s.highest, s.shed, s.offset_ms
FROM streams s JOIN unnest(%s::text[], %s::bytea[]) AS k(device_id, outbox) USING (device_id, outbox)
ORDER BY s.device_id, s.outbox FOR UPDATE OF s
"""
_UPDATE = """
UPDATE streams s SET lane = v.lane, committed = v.committed, highest = v.highest, shed = v.shed,
  offset_ms = v.offset_ms, updated_at = v.updated_at
FROM unnest(%s::text[], %s::bytea[], %s::smallint[], %s::bytea[], %s::bigint[], %s::bigint[], %s::bigint[],
  %s::timestamptz[]) AS v(device_id, outbox, lane, committed, highest, shed, offset_ms, updated_at)
WHERE s.device_id = v.device_id AND s.outbox = v.outbox
"""
_SEEN = """
INSERT INTO devices (id, first_seen_at, last_seen_at)
SELECT id, at, at FROM unnest(%s::text[], %s::timestamptz[]) AS v(id, at) ORDER BY id
ON CONFLICT (id) DO UPDATE SET last_seen_at = greatest(devices.last_seen_at, excluded.last_seen_at)
"""


_SCRUBBED = ("blocks", "files", "consents", "review_items", "review_labels", "review_leases", "dead_letters")
_REWRITTEN_BYTES = 2 * 2**30


class PostgresStore(SqlStore):
    """PostgreSQL 15 or later.

    Args:
        url: `postgresql://user@host/database`.
    """

    def __init__(self, url: str) -> None:
        engine = sa.create_engine(
            sa.make_url(url).set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": 5, "options": _SESSION, "application_name": "pikvani-server"},
            pool_size=4,
            max_overflow=4,
            pool_recycle=1800,
        )
        super().__init__(engine, postgresql.insert)
        self._scrubber = engine.execution_options(isolation_level="AUTOCOMMIT")
        # Grows by one entry a month.
        self._tables: dict[partitions.Month, str] = {}

    def migrate(self) -> None:
        """Bring the tables to this version; a second process waits for the first."""
        with self._translated("migrating"), self._engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (partitions.LOCK_KEY,))
            migrate.upgrade(connection)
        with self._driver("making partitions") as (_, driver):
            partitions.ensure(driver, partitions.month_of(datetime.now(UTC)))

    def commit(
        self,
        keys: Sequence[StreamKey],
        decide: Callable[[Mapping[StreamKey, StreamState]], tuple[Settlement, T]],
    ) -> T:
        """See `Store.commit`."""
        with self._driver("committing results") as (connection, driver), driver.cursor() as cursor:
            settlement, answer = decide(_lock_states(cursor, keys))
            erasing.turn_away(connection, settlement)
            by_table = self._by_table(settlement.cases)
            _write_streams(cursor, settlement)
            for table, rows in by_table.items():
                _copy_cases(cursor, table, rows)
            self._write_rare(connection, settlement)
            _write_seen(cursor, settlement)
            self._write_totals(connection, settlement.counts)
            connection.commit()
        return answer

    def scrub(self) -> bool:
        """See `Store.scrub`: tables that can hold something of a person are written anew, large ones only cleaned."""
        with self._translated("scrubbing"), self._scrubber.connect() as connection:
            connection.exec_driver_sql("SET statement_timeout = 0")
            try:
                for table in _SCRUBBED:
                    size = connection.exec_driver_sql("SELECT pg_total_relation_size(%s)", (table,)).scalar_one()
                    full = "FULL " if size <= _REWRITTEN_BYTES else ""
                    connection.exec_driver_sql(f"VACUUM {full}{table}")
            finally:
                connection.invalidate()  # its settings are not those of the pool
        return True

    def _by_table(self, rows: list[Row]) -> dict[str, list[Row]]:
        """Rows by the table they are copied into; makes partitions, on a connection of its own, when a month begins."""
        by_month: dict[partitions.Month, list[Row]] = defaultdict(list)
        for row in rows:
            by_month[row[0].year, row[0].month].append(row)
        for month in by_month:
            if month not in self._tables:
                with self._driver("making partitions") as (_, driver):
                    self._tables[month] = partitions.ensure(driver, month)
        return {self._tables[month]: found for month, found in by_month.items()}

    @contextmanager
    def _driver(self, doing: str) -> Iterator[tuple[sa.Connection, psycopg.Connection[Any]]]:
        """A connection both as SQLAlchemy's and as the driver's; rolled back unless committed, dropped if broken."""
        with self._translated(doing), self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            try:
                yield connection, driver
            except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
                self._drop_if_broken(connection, driver)
                raise self._away(doing, error) from error
            except psycopg.errors.UndefinedTable as error:
                self._tables.clear()  # a partition was detached under us: look again
                raise self._away(doing, error) from error
            except psycopg.Error as error:
                driver.rollback()
                raise StoreRefusedError(f"{self.name} refused while {doing}: {error}") from error
            except (sa.exc.DBAPIError, StoreAwayError, StoreRefusedError):
                self._drop_if_broken(connection, driver)
                raise

    @staticmethod
    def _drop_if_broken(connection: sa.Connection, driver: psycopg.Connection[Any]) -> None:
        if driver.closed or driver.broken:
            connection.invalidate()


def _lock_states(cursor: psycopg.Cursor[Any], keys: Sequence[StreamKey]) -> dict[StreamKey, StreamState]:
    if not keys:
        return {}
    names, outboxes = [key[0] for key in keys], [key[1] for key in keys]
    cursor.execute(_OPEN, (names, outboxes))
    cursor.execute(_LOCK, (names, outboxes))
    return {
        (device_id, bytes(outbox)): StreamState(lane, sequence_codec.from_bytes(committed), shed, offset_ms)
        for device_id, outbox, lane, committed, highest, shed, offset_ms in cursor
        # A row just opened has no lane yet: let the batch say it.
        if highest
    }


def _write_streams(cursor: psycopg.Cursor[Any], settlement: Settlement) -> None:
    if not settlement.streams:
        return
    columns: list[list[Any]] = [[] for _ in range(8)]
    for (device_id, outbox), state in settlement.streams.items():
        row = (
            device_id,
            outbox,
            state.lane,
            sequence_codec.to_bytes(state.committed),
            state.committed.highest,
            state.shed,
            state.offset_ms,
            settlement.seen[device_id],
        )
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    cursor.execute(_UPDATE, columns)


def _copy_cases(cursor: psycopg.Cursor[Any], table: str, rows: list[Row]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, COPY_COLUMNS))
    )
    try:
        with cursor.copy(statement) as copy:
            for piece in encode_cases(rows):
                copy.write(piece)
    except (struct.error, UnicodeEncodeError) as error:
        raise StoreRefusedError(f"a case does not fit its columns: {error}") from error


def _write_seen(cursor: psycopg.Cursor[Any], settlement: Settlement) -> None:
    if settlement.seen:
        cursor.execute(_SEEN, (list(settlement.seen), list(settlement.seen.values())))
