"""A centre's database of any earlier version comes along: every row is still there, and the tables are today's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from tests.support.postgres import Postgres

from pikvani_server.store import open_store
from pikvani_server.store.migrate import alembic_config
from pikvani_server.store.schema import UtcTime

REVISIONS = [each.revision for each in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]
EARLIER = REVISIONS[:-1]
THEN = datetime(2026, 7, 1, 6, 30, tzinfo=UTC)
KEPT = ("devices", "cases", "alarms", "sketches", "dead_letters", "streams")
"""Tables of the first version that hold what villages said; none may lose a row."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'centre.sqlite3'}"
    else:
        cluster: Postgres = request.getfixturevalue("postgres_server")
        yield cluster.new_database()


def a_value(column: dict[str, Any], sqlite: bool, row: int) -> Any:
    """Something of the column's type; what is a time is `THEN`, in the form its database keeps."""
    kind, name = column["type"], column["name"]
    if name.endswith("_at"):
        return UtcTime().process_bind_param(THEN + timedelta(hours=row), sqlite_dialect if sqlite else postgres_dialect)
    if isinstance(kind, sa.Boolean):
        return True
    if isinstance(kind, sa.Integer | sa.Numeric):
        return 2 if "trust" in name else row + 1
    if isinstance(kind, sa.LargeBinary):
        return b"\x90" if name == "committed" else f"bytes-{row}".encode()
    return {"others": "[]", "quality_e4": "[]", "lanes": "[]", "day": "2026-07-01"}.get(name, f"{name}-{row}")


sqlite_dialect = sa.create_engine("sqlite://").dialect
postgres_dialect = sa.create_engine("postgresql+psycopg://").dialect


def an_old_database(url: str, revision: str) -> dict[str, list[dict[str, Any]]]:
    """A database as an earlier version left it, three rows in each table; what it held."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), revision)
    inspector = sa.inspect(engine)
    held = {}
    with engine.begin() as connection:
        for name in KEPT:
            columns = inspector.get_columns(name)
            table = sa.table(name, *(sa.column(c["name"]) for c in columns))
            rows = [{c["name"]: a_value(c, engine.dialect.name == "sqlite", row) for c in columns} for row in range(3)]
            connection.execute(table.insert(), rows)
            held[name] = rows
    engine.dispose()
    return held


def shape(url: str) -> dict[str, dict[str, tuple[str, bool]]]:
    """Every table with its columns: type, and whether it may be empty."""
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found = {
        table: {c["name"]: (str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)}
        for table in inspector.get_table_names()
    }
    engine.dispose()
    return found


def content(url: str, table: str, columns: list[str]) -> list[dict[str, Any]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(*map(sa.column, columns)).select_from(sa.table(table))).mappings().all()
    engine.dispose()
    return sorted((dict(row) for row in rows), key=repr)


@pytest.mark.parametrize("revision", EARLIER)
def test_given_a_database_of_an_earlier_version_then_every_row_is_still_there_and_the_centre_works(
    url: str, revision: str
) -> None:
    held = an_old_database(url, revision)

    store = open_store(url)
    store.migrate()

    for table, rows in held.items():
        assert content(url, table, list(rows[0])) == sorted(rows, key=repr), table
    assert {device["id"] for device in store.devices(9)} == {"id-0", "id-1", "id-2"}
    cases = store.cases(9)
    assert {case["device_id"] for case in cases} == {"device_id-0", "device_id-1", "device_id-2"}
    assert max(case["received_at"] for case in cases) == THEN + timedelta(hours=2)
    store.migrate()  # a second start finds nothing to do
    store.close()


@pytest.mark.parametrize("revision", EARLIER)
def test_given_an_earlier_version_or_none_then_the_tables_are_the_same_afterwards(
    url: str, revision: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fresh = f"sqlite:///{tmp_path / 'fresh.sqlite3'}"
    if not url.startswith("sqlite"):
        fresh = request.getfixturevalue("postgres_server").new_database()
    an_old_database(url, revision)
    for each in (url, fresh):
        store = open_store(each)
        store.migrate()
        store.close()
    assert shape(url) == shape(fresh)
    assert len(shape(url)) > len(KEPT)


def test_the_migrations_are_one_road_without_a_fork() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1
    assert len(EARLIER) >= 7
