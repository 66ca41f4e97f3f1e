"""The secret every worker shares: made once, kept in the store."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from pikvani_server.store import Store
from pikvani_server.store.schema_accounts import server_secrets

_NAME = "pages"


def shared(store: Store) -> bytes:
    """32 bytes; whoever comes first makes them."""
    query = sa.select(server_secrets.c.value).where(server_secrets.c.name == _NAME)
    found = store.read("reading the shared secret", query)
    if not found:
        with store.writing("making the shared secret") as connection:
            row = store.insert(server_secrets).values(name=_NAME, value=secrets.token_bytes(32))
            connection.execute(row.on_conflict_do_nothing())
        found = store.read("reading the shared secret", query)
    return bytes(found[0]["value"])
