"""What a person at the centre should know about this device without asking: said once, and again after it was well.

A part that has been gone for a while, a disk that fills up, and data that was given up.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from pikvani_contract.messages import AlarmBody

if TYPE_CHECKING:
    from pikvani_device.app import Device

RAISED_FACT = "alarms.raised"
GONE_S = 900.0
"""A part may be gone this long before anybody is told: cables are pulled while a kiosk is cleaned."""
DISK_LOW_MB = 300


class Alarms:
    """Watches one device. One thread at a time.

    Args:
        device: which.
        clock: monotonic seconds.
        free_mb: megabytes free where cases lie.
    """

    def __init__(
        self,
        device: Device,
        clock: Callable[[], float] = time.monotonic,
        free_mb: Callable[[], int] | None = None,
    ) -> None:
        self._device, self._clock = device, clock
        self._free_mb = free_mb or (lambda: shutil.disk_usage(device.data_dir).free // 2**20)
        self._gone_s: dict[str, float] = {}

    def watch(self) -> list[str]:
        """Queue what is new; returns the codes queued.

        Raises:
            StoreError: the disk failed.
        """
        store = self._device.store
        wrong = self._wrong()
        raised = _read(store.fact(RAISED_FACT))
        new = [alarm for code, alarm in wrong.items() if raised.get(code) != alarm.value]
        for alarm in new:
            store.enqueue("alarm", alarm)
        said = {code: alarm.value for code, alarm in wrong.items()}
        if said != raised:
            store.set_fact(RAISED_FACT, msgspec.json.encode(said).decode())
        return [alarm.code for alarm in new]

    def _wrong(self) -> dict[str, AlarmBody]:
        now_s, missing = self._clock(), self._device.health.missing()
        self._gone_s = {part: self._gone_s.get(part, now_s) for part in missing}
        found = {
            f"{part}_gone": AlarmBody(f"{part}_gone", missing[part][:400])
            for part, since_s in self._gone_s.items()
            if now_s - since_s >= GONE_S
        }
        if (free := self._free_mb()) < DISK_LOW_MB:
            # The number is left out of what is compared: it changes with every case.
            found["disk_low"] = AlarmBody("disk_low", f"{free} MB free where cases are kept")
        if shed := sum(depth.shed_records for depth in self._device.store.depths()):
            found["shed"] = AlarmBody("shed", "records given up since the outbox was full", shed)
        return found


def _read(fact: str | None) -> dict[str, int]:
    try:
        return msgspec.json.decode(fact, type=dict[str, int]) if fact else {}
    except msgspec.DecodeError:
        return {}
