"""The store port: what ingest, fleet and the pages ask of a database. Adapters: `sqlite`, `postgres`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from pikvani_server.store.rows import Counts, DeviceStatus, Settlement, StreamKey, StreamState

T = TypeVar("T")
Found = dict[str, Any]
"""One row as a page or the API shows it: column name to value, times as aware datetimes."""


class Store(Protocol):
    """A database. Every method raises `StoreAwayError` when it cannot be reached or written now."""

    name: str
    """Which database, for messages: never holds a password."""

    def migrate(self) -> None:
        """Bring the tables to this version; safe to call from several processes at once."""
        ...

    def commit(
        self,
        keys: Sequence[StreamKey],
        decide: Callable[[Mapping[StreamKey, StreamState]], tuple[Settlement, T]],
    ) -> T:
        """One transaction: lock streams, let `decide` see their states, write what it returns, make it durable.

        Args:
            keys: ascending; every worker locks in this order, so two never wait for each other in a ring.
            decide: called once while the streams are locked; must not touch the store.

        Returns:
            The second value of `decide`, once everything is on disk.

        Raises:
            StoreRefusedError: the database will never take these rows; nothing of them was written.
        """
        ...

    def record_status(self, statuses: Iterable[DeviceStatus]) -> None:
        """Keep how devices said they are; a later one of the same device wins."""
        ...

    def read(self, doing: str, query: Any) -> list[Found]:
        """Rows of a SQLAlchemy query; `doing` names it in errors."""
        ...

    def writing(self, doing: str) -> AbstractContextManager[Any]:
        """One transaction on a SQLAlchemy connection: committed when the block ends, rolled back when it raises."""
        ...

    def insert(self, table: Any) -> Any:
        """The dialect's `INSERT`, which knows `on_conflict_do_update`."""
        ...

    def devices(self, limit: int) -> list[Found]:
        """Devices, latest heard first."""
        ...

    def cases(self, limit: int, device_id: str | None = None) -> list[Found]:
        """Cases, latest received first, of all devices or one."""
        ...

    def dead_letters(self, limit: int, device_id: str | None = None) -> list[Found]:
        """Dead letters, latest first."""
        ...

    def totals(self) -> Counts:
        """Totals since the database began; costs the same however much is in it."""
        ...

    def prune_dead_letters(self, keep_days: int) -> int:
        """Delete dead letters older than that; returns how many."""
        ...

    def scrub(self) -> bool:
        """After rows were erased: leave nothing of them in free space; False where somebody reads, ask again.

        On PostgreSQL tables are locked for as long as rewriting them takes.
        """
        ...

    def ping(self) -> None:
        """Ask the database for anything at all."""
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...
