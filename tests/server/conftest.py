"""Real services for the server's tests: a broker, a PostgreSQL, a certificate authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import mosquitto
from tests.support.databases import database_url, postgres_server, store  # noqa: F401  # fixtures of both databases

from pikvani_server.store import Store, open_store


@pytest.fixture
def mosquitto_broker(tmp_path: Path) -> Iterator[mosquitto.Mosquitto]:
    if mosquitto.MISSING:
        pytest.skip(mosquitto.MISSING)
    broker = mosquitto.Mosquitto.bare(tmp_path / "broker")
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'centre.sqlite3'}")
    opened.migrate()
    yield opened
    opened.close()
