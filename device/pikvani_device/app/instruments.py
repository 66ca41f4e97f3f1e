"""The things on serial cables at work: read now and then, each without the others, and what they said last.

A thing that is pulled out is gone without (`health` says so) and asked again at its next turn. What the process that
speaks to the centre needs, the coarse place and the mobile network, is left in the store, as that is another process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from pikvani_device.app.serial_building import THINGS, build_gnss, build_modem, build_printer, build_soil
from pikvani_device.app.sms import send_waiting_alarms
from pikvani_device.errors import DeviceError, SerialError
from pikvani_device.ports import Fix, Gnss, Modem, ModemState, SlipPrinter, SoilProbe, SoilReading
from pikvani_device.store.soil import SoilShelf

if TYPE_CHECKING:
    from numpy import bool_
    from numpy.typing import NDArray

    from pikvani_device.app import Device

log = logging.getLogger(__name__)

EVERY_S = {"gnss": 600.0, "modem": 600.0, "soil": 600.0}
"""How often each is read. A fix is worth its power only now and then: the device does not move."""
AGAIN_S = 30.0
"""How soon a thing that did not answer is asked again."""
FIX_WAIT_S = 4.0
TOLD_FACT = "instruments.told"
_STALE_S = 3_600.0
_TURN_S = 2.0
_YEARS_MS = 3 * 365 * 86_400_000
_EARLIEST_MS = 1_735_689_600_000  # 2025: an older time is a receiver whose week counter ran over


class Told(msgspec.Struct, frozen=True):
    """What the centre may be told of the things on this device.

    Attributes:
        place: rounded to 0.1 degree, empty where the owner did not agree or nobody knows.
        operator: mobile network, empty for none.
        signal_dbm: its strength, 0 where nobody knows.
        data_left_mb: left of the SIM's pack, -1 where nobody knows.
    """

    place: str = ""
    operator: str = ""
    signal_dbm: int = 0
    data_left_mb: int = -1


def coarse(fix: Fix) -> str:
    """A place rounded to 0.1 degree, about a taluka: `18.5,73.9`."""
    return f"{round(fix.latitude, 1) + 0.0:.1f},{round(fix.longitude, 1) + 0.0:.1f}"


def read_told(fact: str | None) -> Told:
    """What was left in the store; nothing where it cannot be read."""
    try:
        return msgspec.json.decode(fact, type=Told) if fact else Told()
    except msgspec.DecodeError:
        return Told()


class Instruments:
    """The things of one device. `step` is one thread's; the rest may be called from any.

    Args:
        device: whose configuration, store, clock and health they are.
        clock: monotonic seconds.
    """

    def __init__(self, device: Device, clock: Callable[[], float] = time.monotonic) -> None:
        self._device, self._clock = device, clock
        self._lock = threading.Lock()
        self._printing = threading.Lock()
        self._built: dict[str, Any] = {}
        self._due_s: dict[str, float] = {}
        self._last: dict[str, tuple[float, Any]] = {}
        self.configured = tuple(name for name in THINGS if getattr(device.config, name).adapter != "none")
        """Names of the things the configuration has."""

    @property
    def gnss(self) -> Gnss:
        """The satellite receiver."""
        found: Gnss = self._thing("gnss", build_gnss)
        return found

    @property
    def modem(self) -> Modem:
        """The cellular modem."""
        found: Modem = self._thing("modem", build_modem)
        return found

    @property
    def soil(self) -> SoilProbe:
        """The soil probe."""
        found: SoilProbe = self._thing("soil", build_soil)
        return found

    @property
    def printer(self) -> SlipPrinter:
        """The receipt printer."""
        found: SlipPrinter = self._thing("printer", build_printer)
        return found

    def _thing(self, name: str, build: Callable[..., Any]) -> Any:
        with self._lock:
            if name not in self._built:
                self._built[name] = build(self._device.config)
            return self._built[name]

    def latest(self, name: str) -> Any:
        """What a thing said last, within the hour; None for nothing."""
        with self._lock:
            at_s, said = self._last.get(name, (0.0, None))
        return said if said is not None and self._clock() - at_s <= _STALE_S else None

    def place(self) -> str:
        """Where this device is, rounded to 0.1 degree; empty where nobody knows. For who agreed to tell it only."""
        fix = self.latest("gnss")
        return coarse(fix) if isinstance(fix, Fix) else ""

    def told(self) -> Told:
        """What the centre may be told just now."""
        modem = self.latest("modem")
        place = self.place() if self._device.config.gnss.tell_place else ""
        if not isinstance(modem, ModemState):
            return Told(place)
        left = -1 if modem.data_left_mb is None else min(100_000_000, round(modem.data_left_mb))
        return Told(place, modem.operator[:64], modem.signal_dbm or 0, left)

    def as_json(self) -> dict[str, Any]:
        """What each configured thing said last, None for one that said nothing lately.

        A place is coarse, and only there where the owner agreed to tell it.
        """
        said: dict[str, Any] = {}
        for name in self.configured:
            latest = self.latest(name)
            if isinstance(latest, Fix):
                said[name] = {"place": coarse(latest) if self._device.config.gnss.tell_place else None}
            elif name == "printer":
                said[name] = {"width_dots": self._device.config.printer.width_dots}
            else:
                said[name] = None if latest is None else asdict(latest)
        return said

    @property
    def printing(self) -> bool:
        """Whether a slip is being printed just now."""
        return self._printing.locked()

    def print(self, image: NDArray[bool_]) -> None:
        """Print a slip; one at a time.

        Raises:
            SerialError: it was not printed.
        """
        with self._printing:
            try:
                self.printer.print(image)
            except SerialError as error:
                self._device.health.without("printer", str(error))
                raise
        self._device.health.again("printer")

    def step(self) -> None:
        """Read what is due. One thing that fails takes nothing from the others."""
        for name in self.configured:
            if name not in EVERY_S or self._clock() < self._due_s.get(name, 0.0):
                continue
            try:
                self._take(name, self.read(name))
            except DeviceError as error:
                if name not in self._device.health.missing():
                    log.warning("%s: %s", name, error)
                self._device.health.without(name, str(error))
                self._due_s[name] = self._clock() + AGAIN_S
            else:
                self._device.health.again(name)
                self._due_s[name] = self._clock() + EVERY_S[name]

    def read(self, name: str) -> Fix | ModemState | SoilReading | None:
        """Ask one thing now; it is not kept.

        Raises:
            SerialError: it is not configured or does not answer.
        """
        if name == "gnss":
            return self.gnss.fix(FIX_WAIT_S)
        return self.modem.state() if name == "modem" else self.soil.read()

    def _take(self, name: str, said: Fix | ModemState | SoilReading | None) -> None:
        with self._lock:
            self._last[name] = (self._clock(), said)
        device = self._device
        if isinstance(said, SoilReading):
            SoilShelf(device.store).put(said, max(1, device.config.store.keep_synced_days))
            return
        if isinstance(said, Fix) and said.utc_ms is not None:
            self._learn_time(said.utc_ms)
        if isinstance(said, ModemState):
            send_waiting_alarms(device, self.modem)
        told = self.told()
        if told != read_told(device.store.fact(TOLD_FACT)):
            device.store.set_fact(TOLD_FACT, msgspec.json.encode(told).decode())

    def _learn_time(self, utc_ms: int) -> None:
        """Believe a receiver's time where it can be: not before what is known, not years after it."""
        known_ms = self._device.known_time_ms() or _EARLIEST_MS
        if known_ms <= utc_ms <= known_ms + _YEARS_MS:
            self._device.clock.learn(utc_ms)

    def close(self) -> None:
        """Let all lines go. May be called twice."""
        with self._lock:
            built, self._built = self._built, {}
        for thing in built.values():
            thing.close()


def keep_reading(instruments: Instruments, stop: threading.Event) -> None:
    """Read things until told to stop."""
    while instruments.configured and not stop.wait(_TURN_S):
        try:
            instruments.step()
        except Exception:
            log.exception("the things on serial cables stopped for this turn; the appliance goes on")
