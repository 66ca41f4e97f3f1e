"""A year of made villages judged as the centre judges them, and river's detectors beside it.

Windows end on the centre's own days, faults begin on any day of the week, and an alarm is what a person gets: one
stretch of verdicts that drifted. `years`: false alarms a device-year with the season's reference and, beside it, with
all earlier days; days until a fault is seen. `delays` sets river's detectors, at the most eager settings that alarm on
undisturbed villages no oftener than the centre does, beside it: days from a fault to its alarm. On which weekdays
windows end was chosen on other villages (numbers below 2,000).
Run: python -m tests.bench.drift years delays
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from tests.server.drift.made_days import Fault, made_day

from pikvani_contract.sketch import FEATURES, Sketch, merge
from pikvani_server.drift import windows
from pikvani_server.drift.episodes import DRIFTED, Judged, episodes
from pikvani_server.drift.seasons import reference_days
from pikvani_server.drift.verdict import judge

try:
    from river import drift as river_drift
except ImportError:
    river_drift = None

Vector = NDArray[np.float64]
DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(3 * 365 + 1)]
_THIRD_YEAR = date(2026, 1, 1)
_ENDS = [day for day in DAYS if day >= _THIRD_YEAR + timedelta(days=6) and day.weekday() in windows.ENDS]
_FAULT_FROM = _THIRD_YEAR + timedelta(days=7 * 24)
_NEVER_DAYS = 182
"""A fault not seen within half a year counts so many days."""
_SETTINGS: dict[str, tuple[dict[str, float], ...]] = {
    "ADWIN": tuple({"delta": 10.0**-k} for k in (1, 2, 3, 4, 6, 8, 10, 15, 20, 30)),
    "PageHinkley": tuple({"threshold": x, "delta": 0.005, "min_instances": 30} for x in (0.3, 0.5, 1, 2, 4, 8, 16, 32)),
    "KSWIN": tuple({"alpha": 10.0**-k, "seed": 1} for k in (2.3, 4, 6, 9, 13)),
}
_FAULTS: dict[str, dict[str, float]] = {
    "dirty lens": {"darker": 0.2},
    "slightly dirty lens": {"darker": 0.12},
    "stuck model": {"stuck_share": 0.5},
    "partly stuck model": {"stuck_share": 0.3},
}


@dataclass(frozen=True)
class Village:
    """Three years of one village."""

    sketches: dict[date, Sketch]
    fault_from: date | None

    def drifted(self, seasonal: bool = True) -> list[date]:
        """Window ends of the third year on which the centre's verdict says drift."""
        before = [day for day in DAYS if day < _THIRD_YEAR]
        found = []
        for end in _ENDS:
            past = windows.season_days(end, DAYS) if seasonal else before
            current = merge(self.sketches[day] for day in windows.window_days(end))
            if judge(merge(self.sketches[day] for day in past), current).kind in DRIFTED:
                found.append(end)
        return found

    def days_to(self, ends: list[date]) -> int:
        """Days from the fault to the first of `ends` that is not before it."""
        assert self.fault_from
        return min([_NEVER_DAYS, *((end - self.fault_from).days for end in ends if end >= self.fault_from)])

    def series(self) -> dict[str, list[Vector]]:
        """Daily mean brightness and share of one class, over all three years: raw, and less earlier years."""
        raw = np.array([_daily(self.sketches[day]) for day in DAYS])
        raw = np.where(np.isnan(raw), np.nanmean(raw, axis=0), raw)
        rest = raw.copy()
        for i, day in enumerate(DAYS):
            near = [d for year in (1, 2, 3) for d in DAYS[max(0, i - 366 * year - 25) : max(0, i - 365 * year + 25)]]
            past = [(d - DAYS[0]).days for d in reference_days(day, near)]
            rest[i] = raw[i] - raw[past].mean(axis=0) if past else 0.0
        return {"raw": [raw[:, 0], raw[:, 1]], "less earlier years": [rest[:, 0], rest[:, 1]]}


def village(seed: int, kind: str = "") -> Village:
    """An undisturbed village, or one whose fault of `kind` begins on a weekday that goes with its number."""
    since = _FAULT_FROM + timedelta(days=seed % 7) if kind else None
    fault = Fault(since, **_FAULTS[kind]) if since else None
    rng = np.random.default_rng([78, seed])
    lags = {year: float(rng.normal(0, 7)) for year in (2024, 2025, 2026)}
    return Village({day: made_day(rng, day, lags[day.year], 12, fault) for day in DAYS}, since)


def alarms(ends: list[date]) -> int:
    """What a person gets of the windows that drifted."""
    return len(episodes(Judged(end, "data", "season") for end in ends))


def _daily(sketch: Sketch) -> tuple[float, float]:
    counts = np.array(sketch.histograms["brightness"], dtype=float)
    if not counts.sum():
        return float("nan"), float("nan")
    bins = FEATURES["brightness"]
    middles = bins.low + (bins.high - bins.low) * (np.arange(bins.count) + 0.5) / bins.count
    return float(counts @ middles / counts.sum()), sketch.classes.get("cotton/rust", 0) / max(1, sketch.cases)


def years(count: int = 40) -> None:
    """Print false alarms a device-year, and days from a fault to its alarm."""
    undisturbed = [village(7_000 + seed) for seed in range(count)]
    for seasonal in (True, False):
        ends = [one.drifted(seasonal) for one in undisturbed]
        counts = [alarms(each) for each in ends]
        row: dict[str, object] = {"reference": "season" if seasonal else "all days", "villages": count}
        row |= {"false_alarms_per_device_year": round(float(np.mean(counts)), 3), "worst_village": max(counts)}
        row["false_verdicts_per_device_year"] = round(float(np.mean([len(each) for each in ends])), 3)
        print(json.dumps(row), flush=True)
    for kind in _FAULTS:
        waits = [one.days_to(one.drifted()) for one in (village(8_000 + seed, kind) for seed in range(21))]
        print(json.dumps({"fault": kind, "days_median": float(np.median(waits)), "days_worst": max(waits)}), flush=True)


def _river_days(name: str, settings: dict[str, float], pair: list[Vector]) -> list[date]:
    found = []
    for values in pair:
        detector = getattr(river_drift, name)(**settings)
        for index, value in enumerate(values):
            detector.update(float(value))
            if detector.drift_detected:
                found.append(DAYS[index])
    return sorted(found)


def _no_noisier(name: str, settings: dict[str, float], pairs: list[list[Vector]], most: int) -> bool:
    """Whether a setting raises at most so many false alarms in the third year; it stops at the first one too many."""
    false = 0
    for pair in pairs:
        false += alarms([day for day in _river_days(name, settings, pair) if day >= _THIRD_YEAR])
        if false > most:
            return False
    return True


def delays(count: int = 30) -> None:
    """Print days to the alarm at equal false alarms."""
    undisturbed = [village(5_000 + seed) for seed in range(count)]
    ours = sum(alarms(one.drifted()) for one in undisturbed)
    print(json.dumps({"villages": count, "our_false_alarms_per_device_year": round(ours / count, 3)}), flush=True)
    faulty = {kind: [village(6_000 + seed, kind) for seed in range(14)] for kind in _FAULTS}

    def told(name: str, days_of: Callable[[Village], list[date]], **more: object) -> None:
        row: dict[str, object] = {"detector": name} | more
        for kind, villages in faulty.items():
            row[f"{kind}, days median"] = float(np.median([one.days_to(days_of(one)) for one in villages]))
        print(json.dumps(row), flush=True)

    told("verdicts", lambda one: one.drifted())
    if river_drift is None:
        print("river is not installed: its baselines are left out")
        return
    quiet = [one.series() for one in undisturbed]
    for name, settings in _SETTINGS.items():
        for part in ("raw", "less earlier years"):
            pairs = [series[part] for series in quiet]
            chosen = next((one for one in settings if _no_noisier(name, one, pairs, ours)), None)
            if chosen is None:
                print(json.dumps({"detector": name, "input": part, "settings": "none is as quiet"}), flush=True)
                continue
            days_of = lambda one, n=name, c=chosen, p=part: _river_days(n, c, one.series()[p])  # noqa: E731
            told(name, days_of, input=part, settings=chosen)
