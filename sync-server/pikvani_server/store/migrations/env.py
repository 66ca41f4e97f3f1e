"""Alembic's entry point: runs on the connection `store.migrate` hands over, never on an address of its own."""

from __future__ import annotations

from alembic import context

from pikvani_server.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
