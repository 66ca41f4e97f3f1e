"""Runs the Alembic migrations of this package on an open connection, inside its transaction."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def alembic_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration, without a file: where the migrations are, and what to run them on."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: sa.Connection) -> None:
    """Bring the database to the newest version. The caller commits."""
    command.upgrade(alembic_config(connection), "head")
