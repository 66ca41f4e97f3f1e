"""What SQLite and PostgreSQL do alike, in SQLAlchemy Core: status, rare records, and what pages read.

The way of a case, which is hot, stands in `sqlite` and `postgres`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pikvani_contract.clock import ClockTrust
from pikvani_server.errors import StoreAwayError, StoreRefusedError
from pikvani_server.store import erasing, files, schema
from pikvani_server.store.port import Found
from pikvani_server.store.rows import (
    ALARM_COLUMNS,
    BLOCK_COLUMNS,
    CONSENT_COLUMNS,
    DEAD_LETTER_COLUMNS,
    SKETCH_COLUMNS,
    UPDATE_COLUMNS,
    Counts,
    DeviceStatus,
    Row,
    Settlement,
)
from pikvani_server.store.schema_privacy import consents
from pikvani_server.store.schema_rollout import update_reports

_REFUSED = (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.StatementError)


class SqlStore:
    """Shared half of both stores.

    Args:
        engine: of the database.
        insert: the dialect's `insert`, which knows `ON CONFLICT`.
    """

    def __init__(self, engine: sa.Engine, insert: Any) -> None:
        self._engine = engine
        self._insert = insert
        self.name = engine.url.render_as_string(hide_password=True)
        self._shard = random.randrange(schema.COUNTER_SHARDS)  # noqa: S311 - spreads load, keeps no secret

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours: away, where waiting helps, or refused, where it does not."""
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError) as error:
            raise self._away(doing, error) from error
        except _REFUSED as error:
            if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
                raise self._away(doing, error) from error
            raise StoreRefusedError(f"{self.name} refused while {doing}: {error}") from error
        except sa.exc.SQLAlchemyError as error:
            raise self._away(doing, error) from error

    def _away(self, doing: str, error: Exception) -> StoreAwayError:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        return StoreAwayError(
            f"{self.name} cannot be used now while {doing}: {cause[0] if cause else type(error).__name__}; "
            "check that the database runs and has disk space, this is tried again"
        )

    # --- rare records of a settlement, inside the caller's transaction -----------------------------------

    def _write_rare(self, connection: sa.Connection, settlement: Settlement) -> None:
        """What is rare, always in this order and sorted, so that no ring forms."""
        if settlement.alarms:
            rows = _dicts(ALARM_COLUMNS, settlement.alarms)
            connection.execute(self._insert(schema.alarms).on_conflict_do_nothing(), rows)
        if settlement.updates:
            rows = _dicts(UPDATE_COLUMNS, settlement.updates)
            connection.execute(self._insert(update_reports).on_conflict_do_nothing(), rows)
        if settlement.sketches:
            self._write_sketches(connection, settlement.sketches)
        corrupt = files.write_blocks(connection, self._insert, _dicts(BLOCK_COLUMNS, settlement.blocks))
        if settlement.consents:
            self._write_consents(connection, settlement.consents)
        if settlement.erasures:
            erasing.bury(connection, self._insert, settlement.erasures)
        letters = settlement.dead_letters + corrupt
        if letters:
            settlement.counts.dead_letters += len(corrupt)
            self._write_dead_letters(connection, letters)

    def _write_consents(self, connection: sa.Connection, rows: list[Row]) -> None:
        insert = self._insert(consents)
        # A consent only grows, until a tombstone ends it: the order in which its parts come does not matter.
        grown = insert.on_conflict_do_update(
            index_elements=["device_id", "outbox", "seq"],
            set_={"purposes": consents.c.purposes.bitwise_or(insert.excluded.purposes)},
        )
        connection.execute(
            grown, sorted(_dicts(CONSENT_COLUMNS, rows), key=lambda r: (r["device_id"], r["outbox"], r["seq"]))
        )

    def _write_sketches(self, connection: sa.Connection, rows: list[Row]) -> None:
        insert = self._insert(schema.sketches)
        newest = insert.on_conflict_do_update(
            index_elements=["device_id", "model", "day"],
            set_={name: insert.excluded[name] for name in ("revision", "received_at", "data")},
            # Of equal revisions with unlike bytes the bytes decide, not the order.
            where=sa.or_(
                insert.excluded.revision > schema.sketches.c.revision,
                sa.and_(
                    insert.excluded.revision == schema.sketches.c.revision,
                    insert.excluded.data > schema.sketches.c.data,
                ),
            ),
        )
        kept: dict[tuple[str, str, str], dict[str, Any]] = {}
        for row in _dicts(SKETCH_COLUMNS, rows):
            key = (row["device_id"], row["model"], row["day"])
            before = kept.get(key)
            if before is None or (row["revision"], row["data"]) > (before["revision"], before["data"]):
                kept[key] = row
        connection.execute(newest, [kept[key] for key in sorted(kept)])

    def _write_dead_letters(self, connection: sa.Connection, rows: list[Row]) -> None:
        insert = self._insert(schema.dead_letters)
        # A device that sends the same rubbish for ever fills one row, not the disk.
        again = insert.on_conflict_do_update(
            index_elements=["digest"],
            set_={
                "times": schema.dead_letters.c.times + 1,
                "received_at": insert.excluded.received_at,
                "reason": insert.excluded.reason,
            },
        )
        connection.execute(again, sorted(_dicts(DEAD_LETTER_COLUMNS, rows), key=lambda r: r["digest"]))

    def _write_seen(self, connection: sa.Connection, seen: dict[str, datetime]) -> None:
        if not seen:
            return
        insert = self._insert(schema.devices)
        later = sa.case(
            (insert.excluded.last_seen_at > schema.devices.c.last_seen_at, insert.excluded.last_seen_at),
            else_=schema.devices.c.last_seen_at,
        )
        connection.execute(
            insert.on_conflict_do_update(index_elements=["id"], set_={"last_seen_at": later}),
            [{"id": key, "first_seen_at": at, "last_seen_at": at} for key, at in sorted(seen.items())],
        )

    def _write_totals(self, connection: sa.Connection, counts: Counts) -> None:
        values = {name: getattr(counts, name) for name in Counts.__slots__}
        values["shed"] = min(values["shed"], 2**53)  # a lying device must not overflow the sum of sixteen shards
        insert = self._insert(schema.totals)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["shard"],
                set_={name: schema.totals.c[name] + insert.excluded[name] for name in values},
            ),
            {"shard": self._shard, **values},
        )

    # --- status -------------------------------------------------------------------------------------------

    def record_status(self, statuses: Iterable[DeviceStatus]) -> None:
        """Keep how devices said they are; a later one of the same device wins."""
        latest: dict[str, DeviceStatus] = {}
        for status in statuses:
            before = latest.get(status.device_id)
            # A Will right behind a status changes whether the device is there, not what it last said.
            if before and not status.details:
                status = DeviceStatus(
                    status.device_id, status.received_at or before.received_at, status.online, before.details
                )
            latest[status.device_id] = status
        now = datetime.now(UTC)
        with self._translated("keeping device status"), self._engine.begin() as connection:
            for device_id in sorted(latest):
                self._upsert_status(connection, latest[device_id], now)

    def _upsert_status(self, connection: sa.Connection, status: DeviceStatus, now: datetime) -> None:
        values = {"online": status.online, **status.details}
        if status.received_at and status.online:
            values["last_seen_at"] = status.received_at
        insert = self._insert(schema.devices).values(
            id=status.device_id, first_seen_at=now, **{"last_seen_at": now, **values}
        )
        connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=values))

    # --- what pages read ----------------------------------------------------------------------------------

    def _read(self, doing: str, query: Any) -> list[Found]:
        with self._translated(doing), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def read(self, doing: str, query: Any) -> list[Found]:
        """Rows of a SQLAlchemy query; `doing` names it in errors."""
        return self._read(doing, query)

    @contextmanager
    def writing(self, doing: str) -> Iterator[sa.Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._translated(doing), self._engine.begin() as connection:
            yield connection

    def insert(self, table: sa.Table) -> Any:
        """The dialect's `INSERT`, which knows `on_conflict_do_update`."""
        return self._insert(table)

    def devices(self, limit: int) -> list[Found]:
        """Devices, latest heard first."""
        query = sa.select(schema.devices).order_by(schema.devices.c.last_seen_at.desc()).limit(limit)
        found = self._read("listing devices", query)
        for row in found:
            row["clock_trust"] = ClockTrust(row["clock_trust"]).name.lower()
        return found

    def cases(self, limit: int, device_id: str | None = None) -> list[Found]:
        """Cases, latest received first, of all devices or one."""
        table = schema.cases
        query = sa.select(table).order_by(table.c.received_at.desc(), table.c.seq.desc()).limit(limit)
        return self._read("listing cases", query.where(table.c.device_id == device_id) if device_id else query)

    def dead_letters(self, limit: int, device_id: str | None = None) -> list[Found]:
        """Dead letters, latest first."""
        table = schema.dead_letters
        query = sa.select(table).order_by(table.c.received_at.desc(), table.c.id.desc()).limit(limit)
        query = query.where(table.c.device_id == device_id) if device_id else query
        return self._read("listing dead letters", query)

    def totals(self) -> Counts:
        """Totals since the database began; costs the same however much is in it."""
        names = Counts.__slots__
        query = sa.select(*[sa.func.coalesce(sa.func.sum(schema.totals.c[name]), 0).label(name) for name in names])
        return Counts(**{name: int(value) for name, value in self._read("counting", query)[0].items()})

    def prune_dead_letters(self, keep_days: int) -> int:
        """Delete dead letters older than that; returns how many."""
        table = schema.dead_letters
        before = datetime.now(UTC) - timedelta(days=keep_days)
        with self._translated("pruning dead letters"), self._engine.begin() as connection:
            return connection.execute(sa.delete(table).where(table.c.received_at < before)).rowcount

    def ping(self) -> None:
        """Ask the database for anything at all."""
        self._read("asking whether it is there", sa.select(sa.literal(1)))

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()


def _dicts(columns: Sequence[str], rows: list[Row]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]
