"""A store whose every read and write happens in one transaction that is open already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import sqlalchemy as sa

from pikvani_server.store.port import Found, Store


class _Joined:
    """`read`, `writing` and `insert` on a given connection; nothing else of a store makes sense inside it."""

    def __init__(self, store: Store, connection: sa.Connection) -> None:
        self.name = store.name
        self._store, self._connection = store, connection

    def read(self, doing: str, query: Any) -> list[Found]:
        return [dict(row) for row in self._connection.execute(query).mappings()]

    @contextmanager
    def writing(self, doing: str) -> Iterator[sa.Connection]:
        yield self._connection

    def insert(self, table: Any) -> Any:
        return self._store.insert(table)


@contextmanager
def together(store: Store, doing: str) -> Iterator[tuple[Store, sa.Connection]]:
    """One transaction over several steps: what is done through the store given here commits when the block ends.

    So an act and its entry in the audit log come to be together or not at all.
    """
    with store.writing(doing) as connection:
        yield cast(Store, _Joined(store, connection)), connection
