"""The technician's PIN: kept as an scrypt hash, guessed at most a few times, remembered over a restart.

Misses are counted apart for the kiosk and for the network, so that nobody on the Wi-Fi can lock the technician out of
the screen. A lock is counted on the monotonic clock, since the wall clock may lie; after a reboot it begins anew.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import msgspec
from werkzeug.security import check_password_hash, generate_password_hash

from pikvani_contract.clock import Moment
from pikvani_device.errors import DeviceError
from pikvani_device.store import Store

MIN_DIGITS, MAX_DIGITS = 6, 12
FREE_TRIES = 5
FIRST_LOCK_S, LONGEST_LOCK_S = 60, 3_600
_HASH = "scrypt:16384:8:1"  # 16 MB while it is tried: what a small board can spare
_FACT = "service.pin"


class Tries(msgspec.Struct, frozen=True):
    """Misses in a row, and until when nobody may try."""

    misses: int = 0
    boot: str = ""
    until_mono_ms: int = 0


class Pin:
    """The PIN of one device.

    Args:
        store: keeps its hash and the misses.
        now: what time it is.
    """

    def __init__(self, store: Store, now: Callable[[], Moment]) -> None:
        self._store = store
        self._now = now
        self._lock = threading.Lock()

    @property
    def is_set(self) -> bool:
        """Whether there is one."""
        return self._store.fact(_FACT) is not None

    def set(self, pin: str) -> None:
        """Take a new PIN and forgive all misses.

        Raises:
            DeviceError: it is not 6 to 12 digits, or too easily guessed.
        """
        if not re.fullmatch(rf"[0-9]{{{MIN_DIGITS},{MAX_DIGITS}}}", pin):
            raise DeviceError(f"a PIN has {MIN_DIGITS} to {MAX_DIGITS} digits and nothing else: choose another one")
        if len(set(pin)) < 3 or pin in "0123456789012345678909876543210987654321":
            raise DeviceError("that PIN is too easily guessed: choose one without a row or a repeated digit")
        with self._lock:
            self._store.set_fact(_FACT, generate_password_hash(pin, _HASH))
            for where in ("kiosk", "lan"):
                self._keep(where, Tries())

    def locked_s(self, where: str) -> int:
        """Seconds nobody may try from `kiosk` or `lan`; 0 for now."""
        moment, tries = self._now(), self._tries(where)
        if tries.misses < FREE_TRIES:
            return 0
        if tries.boot != moment.boot_id:
            tries = self._locked(tries.misses, moment)
            self._keep(where, tries)
        return max(0, -(-(tries.until_mono_ms - moment.mono_ms) // 1_000))

    def matches(self, pin: str, where: str) -> bool:
        """Try a PIN. While it is locked nothing matches; the miss is on the disk before the answer is known."""
        with self._lock:
            if self.locked_s(where):
                return False
            kept = self._store.fact(_FACT)
            tries = self._tries(where)
            misses = tries.misses + 1
            moment = self._now()
            self._keep(where, self._locked(misses, moment) if misses >= FREE_TRIES else Tries(misses))
            if kept is None or not check_password_hash(kept, pin[:MAX_DIGITS]) or len(pin) > MAX_DIGITS:
                return False
            self._keep(where, Tries())
            return True

    def _locked(self, misses: int, moment: Moment) -> Tries:
        lock_s = min(LONGEST_LOCK_S, FIRST_LOCK_S * 2 ** min(16, misses - FREE_TRIES))
        return Tries(misses, moment.boot_id, moment.mono_ms + lock_s * 1_000)

    def _tries(self, where: str) -> Tries:
        return msgspec.json.decode(self._store.fact(f"{_FACT}.{where}") or "{}", type=Tries)

    def _keep(self, where: str, tries: Tries) -> None:
        self._store.set_fact(f"{_FACT}.{where}", msgspec.json.encode(tries).decode())
