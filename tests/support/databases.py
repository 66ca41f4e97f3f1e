"""The centre's store on both of its databases, as fixtures: a `conftest.py` imports what its tests ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import postgres

from pikvani_server.store import Store, open_store


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Postgres]:
    """A cluster for the whole run; each test makes a database of its own in it."""
    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    cluster = postgres.Postgres(durable=False)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'centre.sqlite3'}"
    server: postgres.Postgres = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated store on each kind of database."""
    opened = open_store(database_url)
    opened.migrate()
    yield opened
    opened.close()
