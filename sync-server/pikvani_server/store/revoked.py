"""Which devices are revoked, as ingest asks for every batch: read from the database now and then, never per batch."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from pikvani_server.errors import StoreAwayError
from pikvani_server.store.port import Store
from pikvani_server.store.schema_enrolment import identities

log = logging.getLogger(__name__)

REASON = "the device is revoked"


class RevokedDevices:
    """The ids of revoked devices, at most `fresh_s` old.

    Args:
        store: migrated.
        fresh_s: how long what was read is believed.
        clock: monotonic seconds.
    """

    def __init__(self, store: Store, fresh_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._fresh_s = fresh_s
        self._clock = clock
        self._read_s: float | None = None
        self._ids: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def __contains__(self, device_id: object) -> bool:
        with self._lock:
            now = self._clock()
            if self._read_s is None or now - self._read_s >= self._fresh_s:
                self._read_s = now
                try:
                    query = sa.select(identities.c.device_id).where(identities.c.state == "revoked")
                    self._ids = frozenset(row["device_id"] for row in self._store.read("reading revocations", query))
                except StoreAwayError as error:
                    # Nothing can be committed either while it is away; what was known stays known.
                    log.warning("%s", error)
                    self._read_s = None
            return device_id in self._ids
