"""What the centre remembers: streams, cases, devices, dead letters. SQLite or PostgreSQL behind one `Store`.

`open_store` is the way in. Nothing here knows MQTT or Flask.
"""

from __future__ import annotations

from pikvani_server.errors import ConfigError
from pikvani_server.store import (  # noqa: F401 - their tables belong to the same metadata
    schema_accounts,
    schema_audit,
    schema_counts,
    schema_enrolment,
    schema_learning,
    schema_privacy,
    schema_rollout,
)
from pikvani_server.store.port import Store


def open_store(url: str) -> Store:
    """Open the database at `url` without touching it; call `migrate` before first use.

    Args:
        url: `sqlite:///path/to/file` or `postgresql://user@host/database`.

    Raises:
        ConfigError: neither kind of database.
    """
    scheme = url.split(":", 1)[0]
    if scheme == "sqlite":
        from pikvani_server.store.sqlite import SqliteStore

        return SqliteStore(url)
    if scheme in ("postgresql", "postgresql+psycopg"):
        from pikvani_server.store.postgres import PostgresStore

        return PostgresStore(url)
    raise ConfigError(f"database {scheme!r} is not supported: give sqlite:///FILE or postgresql://USER@HOST/DATABASE")


__all__ = ["Store", "open_store"]
