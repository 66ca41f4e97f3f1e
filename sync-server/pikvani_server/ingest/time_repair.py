"""When did it happen? Turns what a device believed about time into the centre's best estimate. No I/O.

A Pi has no battery-backed clock, so wall time may say 1970 or 2099. An outbox belongs to exactly one boot, so
monotonic times within it always compare; one believable wall clock in it dates all of its records.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from pikvani_contract.clock import ClockTrust
from pikvani_contract.messages import Batch

EARLIEST_MS: Final = 1_735_689_600_000
"""2025-01-01T00:00:00Z: nothing of ours existed before."""
FUTURE_MS: Final = 86_400_000
"""How far beyond the centre's own clock a time may lie: a day."""

SYNCED: Final = "synced"
"""The device's clock was confirmed when it happened."""
REPAIRED: Final = "repaired"
"""Reckoned from monotonic time and a clock that can be believed: the centre's, or the device's later on."""
FLOOR: Final = "floor"
"""The device's clock, known only not to be too early by its own floor."""
BOUNDED: Final = "bounded"
"""Only an upper bound; order and distances within the boot are right."""
QUALITIES: Final = (SYNCED, REPAIRED, FLOOR, BOUNDED)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_sane(wall_ms: int, received_ms: int) -> bool:
    """Whether `wall_ms` can be true of something received at `received_ms` (both UTC milliseconds)."""
    return EARLIEST_MS <= wall_ms <= received_ms + FUTURE_MS


def confirmed_offset(batch: Batch, received_ms: int) -> int | None:
    """Wall minus monotonic milliseconds of the boot this batch's outbox belongs to, if anything confirms it.

    A batch sent within the same boot knows it from its own clock; otherwise any record in it that was written
    with a confirmed clock does.
    """
    if batch.boot == 0 and batch.trust == ClockTrust.SYNCED and is_sane(batch.mono_ms + batch.offset_ms, received_ms):
        return batch.offset_ms
    for record in batch.records:
        if record.trust == ClockTrust.SYNCED and is_sane(record.mono_ms + record.offset_ms, received_ms):
            return record.offset_ms
    return None


class TimeRepair:
    """Dates the records of one batch.

    Args:
        batch: the batch; its records need not be in order.
        received_ms: the centre's UTC milliseconds when it came.
        known_offset_ms: a confirmed offset of the same outbox from an earlier batch, if there was one.

    Attributes:
        offset_ms: the confirmed offset this batch was dated with, None if nothing confirms one.
    """

    __slots__ = ("_received_ms", "_reference_ms", "_same_boot", "offset_ms")

    def __init__(self, batch: Batch, received_ms: int, known_offset_ms: int | None = None) -> None:
        offset_ms = confirmed_offset(batch, received_ms)
        self.offset_ms = known_offset_ms if offset_ms is None else offset_ms
        self._received_ms = received_ms
        self._same_boot = batch.boot == 0
        latest_ms = max((record.mono_ms for record in batch.records), default=0)
        # Within the boot the sender's own monotonic clock says how old a record is; from an older boot only
        # that the youngest record is not younger than its arrival.
        self._reference_ms = max(batch.mono_ms, latest_ms) if self._same_boot else latest_ms

    def happened(self, mono_ms: int, offset_ms: int, trust: int) -> tuple[int, str]:
        """Date one record from its own clock readings.

        Returns:
            UTC milliseconds, never before 2025 nor more than a day after reception, and a quality.
        """
        believed_ms = mono_ms + offset_ms
        sane = is_sane(believed_ms, self._received_ms)
        if trust == ClockTrust.SYNCED and sane:
            return believed_ms, SYNCED
        if self.offset_ms is not None and is_sane(mono_ms + self.offset_ms, self._received_ms):
            return mono_ms + self.offset_ms, REPAIRED
        aged_ms = max(EARLIEST_MS, self._received_ms - (self._reference_ms - mono_ms))
        floor = trust >= ClockTrust.FLOOR and sane
        if self._same_boot:
            # The floor is a promise that it was not earlier.
            return (max(aged_ms, believed_ms), REPAIRED) if floor else (aged_ms, REPAIRED)
        return (believed_ms, FLOOR) if floor else (aged_ms, BOUNDED)


def to_utc(wall_ms: int) -> datetime:
    """UTC milliseconds as an aware datetime (exact, unlike `fromtimestamp` on a float)."""
    return _EPOCH + timedelta(milliseconds=wall_ms)
