"""The part of the store that remembers what the soil was like, so that it can be shown with the cases of that time."""

from __future__ import annotations

from collections.abc import Sequence

from pikvani_device.ports import SoilReading
from pikvani_device.store.database import Store
from pikvani_device.store.keys import LANES, SEQ_BITS

VALID_MS = 30 * 60_000
"""A case is shown with the last reading of this long before it."""


class SoilShelf:
    """A view of one store. Methods raise `StoreError` when the disk fails.

    Args:
        store: open.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, reading: SoilReading, keep_days: int) -> None:
        """Remember a reading of now.

        Args:
            reading: what the probe said.
            keep_days: older ones are forgotten.
        """
        store = self._store
        with store._transaction("keep a soil reading in"):
            moment = store._clock.now()
            values = (reading.moisture_percent, reading.temperature_c, reading.ec_us_cm)
            key = (store._boot, moment.mono_ms, moment.wall_ms)
            store._db.execute("INSERT OR REPLACE INTO soil VALUES (?, ?, ?, ?, ?, ?)", (*key, *values))
            store._db.execute("DELETE FROM soil WHERE wall_ms < ?", (moment.wall_ms - keep_days * 86_400_000,))

    def of_cases(self, case_ids: Sequence[str]) -> dict[str, SoilReading]:
        """The reading each case is shown with; cases without one are left out."""
        found: dict[str, SoilReading] = {}
        for case_id in case_ids:
            outbox, _, seq = case_id.partition("-")
            rows = self._store._read(
                """SELECT moisture_percent, temperature_c, ec_us_cm
                   FROM outboxes o JOIN records r ON r.id = (o.stream << ?) + ?
                   JOIN soil s ON s.boot = o.stream / ? AND s.mono_ms BETWEEN r.mono_ms - ? AND r.mono_ms
                   WHERE o.outbox = ? ORDER BY s.mono_ms DESC LIMIT 1""",
                (SEQ_BITS, int(seq), LANES, VALID_MS, bytes.fromhex(outbox)),
            )
            if rows:
                found[case_id] = SoilReading(*rows[0])
        return found
