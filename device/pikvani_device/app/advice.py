"""Builds the advice of a device: the package that answers, and what is told out of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pikvani_contract.advice.package import AdvicePackage
from pikvani_contract.advice.rows import AdviceFileError, Audience
from pikvani_contract.health import Health
from pikvani_device.diagnosis.advice import Advice, AdviceTable
from pikvani_device.diagnosis.advice.symptom_table import SymptomTable
from pikvani_device.errors import ModelError

if TYPE_CHECKING:
    from pikvani_device.app import Device

log = logging.getLogger(__name__)

ADVICE = "advice"


def shipped_advice() -> Path:
    """Folder of the advice package that came with the software: in the wheel, else in the checkout.

    Raises:
        ModelError: it is in neither.
    """
    here = Path(__file__).resolve().parents[1]
    places = (here / "packages" / "advice", here.parents[1] / "models" / "packages" / "advice")
    for place in places:
        if (place / "manifest.json").is_file():
            return place
    raise ModelError("no advice package came with this installation: name one as advice.dir, or install again")


def load_advice(directory: str) -> AdviceTable:
    """Read and verify the package in `directory`, or the shipped one for an empty string.

    Raises:
        ModelError: it is missing, changed or breaks a rule.
    """
    try:
        return AdviceTable.load(Path(directory) if directory else shipped_advice())
    except AdviceFileError as error:
        raise ModelError(f"advice package: {error}") from None


class AdviceRoom:
    """What this device tells of conditions. May be used from any thread.

    Args:
        active: folder of the package that answers.
        switched_at_ns: changes when another answers.
        region: where the device stands, as rows name it; empty for unknown.
        now_ms: UTC milliseconds it is believed to be.
        health: told where there is no advice to give.
    """

    def __init__(
        self,
        active: Callable[[], AdviceTable],
        switched_at_ns: Callable[[], int],
        region: str,
        now_ms: Callable[[], int],
        health: Health,
    ) -> None:
        self._active = active
        self._switched_at_ns = switched_at_ns
        self._region = region
        self._now_ms = now_ms
        self._health = health
        self._loaded: tuple[int, AdviceTable, SymptomTable] | None = None

    def advice(self, pair: str, locale: str, audience: Audience = "farmer") -> Advice | None:
        """What may be told of `pair` today; None where no advice package can be read, and health says why."""
        loaded = self._load()
        if loaded is None:
            return None
        return loaded[1].advice(pair, locale, self._today(), self._region or None, audience)

    def symptoms(self) -> SymptomTable | None:
        """What conditions show; None where no advice package can be read, and health says why."""
        loaded = self._load()
        return None if loaded is None else loaded[2]

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now_ms() / 1_000, UTC).date()

    def _load(self) -> tuple[int, AdviceTable, SymptomTable] | None:
        switched = self._switched_at_ns()
        if self._loaded is not None and self._loaded[0] == switched:
            return self._loaded
        try:
            table = self._active()
        except ModelError as error:
            if ADVICE not in self._health.missing():
                log.error("farmers hear only whom to ask: %s", error)
            self._health.without(ADVICE, str(error))
            return None
        self._health.again(ADVICE)
        # One assignment: another thread sees the old triple or the new one.
        self._loaded = (switched, table, SymptomTable(table.package.symptoms))
        return self._loaded


def build_advice_room(device: Device) -> AdviceRoom:
    """The advice of this device."""
    from pikvani_device.app.parts import answering, part_slots

    slots = part_slots(device.data_dir, ADVICE)

    def active() -> AdviceTable:
        held = answering(slots, lambda: load_advice("").package)
        return AdviceTable(cast(AdvicePackage, held))

    return AdviceRoom(
        active=active,
        switched_at_ns=lambda: slots.switched_at_ns,
        region="",
        now_ms=lambda: device.clock.now().wall_ms,
        health=device.health,
    )
