"""One pass over what came since the last: sums of the days touched, verdicts of the windows touched, alarms.

What it costs goes with the sketches that came, not with all history. It may be run again at any time, in any order,
after any kill: the cursor moves last, and everything written is worked out anew from the sketches.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from pikvani_contract.sketch import Sketch
from pikvani_server.drift import rows, windows
from pikvani_server.drift.accuracy import Checked
from pikvani_server.drift.drill_down import by_crop
from pikvani_server.drift.judging import Peers, WindowVerdict, judge_window, peers_of
from pikvani_server.drift.rollups import of_days
from pikvani_server.drift.verdict import VerdictSettings
from pikvani_server.store import Store

log = logging.getLogger(__name__)

_DEVICES_AT_ONCE = 50
"""Bounds memory: so many devices' sketches are held at once."""
_NAMED_CROPS = 5
UNLIKE_DISTRICTS = frozenset({"crops"})
"""Districts grow unlike crops, so the mix brought there moves with their own calendars; a condition's share is told
within its crop (`crops.py`), and that may be compared."""


@dataclass
class Pass:
    """What one pass did."""

    days: int = 0
    verdicts: int = 0
    open_alarms: int = 0
    unreadable: int = 0


@dataclass(frozen=True)
class PassSettings:
    """How a pass judges; `devices` off leaves single devices out."""

    verdict: VerdictSettings = field(default_factory=VerdictSettings)
    devices: bool = True


def run_pass(
    store: Store,
    today: date,
    now: datetime,
    checked: Mapping[str, Checked] | None = None,
    settings: PassSettings | None = None,
) -> Pass:
    """Judge everything that new sketches touch.

    Args:
        store: migrated.
        today: local date; windows that end on it or later are not over.
        now: UTC.
        checked: what labels say, by model.
        settings: how to judge.

    Raises:
        StoreAwayError: the database is away; run it again.
    """
    use = settings or PassSettings()
    dirty, cursor = rows.dirty_days(store, today)
    done = Pass(days=len({(d.model, d.day) for d in dirty}))
    for model, day in sorted({(d.model, d.day) for d in dirty}):
        done.unreadable += rows.sum_day(store, model, day)
    for model in sorted({d.model for d in dirty}):
        judging = _Judging(store, model, today, now, use, (checked or {}).get(model))
        judging.judge([d for d in dirty if d.model == model])
        done.verdicts += judging.written
        done.open_alarms += judging.open_alarms
    if cursor:
        rows.keep_cursor(store, cursor)
    return done


class _Judging:
    """Verdicts of one model in one pass."""

    def __init__(
        self, store: Store, model: str, today: date, now: datetime, settings: PassSettings, checked: Checked | None
    ) -> None:
        self._store, self._model, self._today, self._now = store, model, today, now
        self._settings, self._checked = settings, checked
        self.written = 0
        self.open_alarms = 0

    def judge(self, dirty: list[rows.Dirty]) -> None:
        before = rows.judged_ends(self._store, self._model)
        days = sorted({d.day for d in dirty})
        fleet = rows.sums(self._store, "fleet", "", self._model)
        self._keep("fleet", {"": self._fleet_verdicts(fleet, self._ends(days, before))}, {"": fleet})
        for district in sorted({d.district for d in dirty}):
            ends = self._ends(sorted({d.day for d in dirty if d.district == district}), before)
            by_day = rows.sums(self._store, "district", district, self._model)
            others = {end: peers_of(fleet, end, UNLIKE_DISTRICTS) for end in ends}
            self._keep("district", {district: self._verdicts(by_day, ends, others)}, {district: by_day})
            if self._settings.devices and ends:
                self._judge_devices(district, {end: peers_of(by_day, end) for end in ends}, ends)

    def _ends(self, days: Iterable[date], before: list[date]) -> list[date]:
        """Windows that the days lie in, and judged ones whose reference they belong to."""
        ends = {end for day in days for end in windows.windows_of(day, self._today)}
        ends |= {end for end in before if end not in ends and any(windows.uses(end, day) for day in days)}
        return sorted(ends)

    def _fleet_verdicts(self, by_day: Mapping[date, Sketch], ends: list[date]) -> list[WindowVerdict]:
        """A model whose past is too short to be compared with is compared with the other models."""
        first = min(by_day, default=date.max)
        judged = []
        for end in ends:
            days = windows.window_days(end)
            young = first > windows.recent_days(end)[-1]
            others = rows.other_models(self._store, self._model, days) if young else None
            use = self._settings.verdict
            judged.append(judge_window(by_day, end, use, None, self._checked, others))
        return [window for window in judged if window.cases]

    def _verdicts(
        self, by_day: Mapping[date, Sketch], ends: list[date], peers: Mapping[date, Peers] | None = None
    ) -> list[WindowVerdict]:
        use = self._settings.verdict
        judged = (judge_window(by_day, end, use, (peers or {}).get(end), self._checked) for end in ends)
        return [window for window in judged if window.cases]

    def _judge_devices(self, district: str, peers: Mapping[date, Peers], ends: list[date]) -> None:
        touched = windows.window_days(ends[0])[:1] + ends[-1:]
        names = rows.devices_of(self._store, self._model, district, touched)
        least = self._settings.verdict.least_cases
        for start in range(0, len(names), _DEVICES_AT_ONCE):
            chunk = rows.device_sketches(self._store, self._model, names[start : start + _DEVICES_AT_ONCE])
            told = {name: self._verdicts(by_day, ends, peers) for name, by_day in chunk.items()}
            # A village with a handful of cases says nothing, and a row that says so for each would say it louder.
            self._keep("device", {n: [w for w in found if w.cases >= least] for n, found in told.items()}, {})

    def _keep(
        self, scope: str, told: Mapping[str, list[WindowVerdict]], sums: Mapping[str, Mapping[date, Sketch]]
    ) -> None:
        found = [self._row(scope, name, window, sums.get(name)) for name, judged in told.items() for window in judged]
        rows.write_verdicts(self._store, found)
        self.written += len(found)
        keys = [(scope, name, self._model, "sketch") for name, judged in told.items() if judged]
        self.open_alarms += rows.refresh_alarms(self._store, keys, self._now)

    def _row(
        self, scope: str, name: str, window: WindowVerdict, by_day: Mapping[date, Sketch] | None
    ) -> dict[str, Any]:
        features = [
            asdict(f) | {n: round(getattr(f, n), 6) for n in ("psi", "ks", "excess", "p_value")}
            for f in window.verdict.features
        ]
        details: dict[str, Any] = {"features": features, "accuracy": asdict(window.accuracy)}
        if by_day is not None:
            days = windows.window_days(window.end)
            past = windows.season_days(window.end, list(by_day)) if window.basis == "season" else None
            reference = of_days(by_day, past or windows.recent_days(window.end))
            crops = by_crop(reference, of_days(by_day, days))[:_NAMED_CROPS]
            details["crops"] = [asdict(crop) for crop in crops]
        return {
            "scope": scope,
            "name": name,
            "model": self._model,
            "window_end": window.end.isoformat(),
            "source": "sketch",
            "kind": window.verdict.kind,
            "basis": window.basis,
            "cases": window.cases,
            "reference_cases": window.reference_cases,
            "details": json.dumps(details),
            "judged_at": self._now,
        }
