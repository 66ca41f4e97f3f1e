"""The default detector beside silence and river's ADWIN, Page-Hinkley and KSWIN (their defaults) on made series.

Test seeds, which no constant was chosen on. Prints one JSON object a detector: F1 (margin 5) and covering over all
kinds, the same over the shifts, the share of nulls with an alarm, and the median delay of the first right alarm.
`annotated`: the same detectors on stand-ins of real series, with five annotators each.
Then a year of made villages judged every week: false alarms a device-year with the season's reference and, beside it,
with all earlier days; and how many weeks a dirty lens and a stuck model take to be seen. Then sketches of 10 million
rows against the pooled raw data: what the centre's tables keep, in 100 random orders with repeats.
`delays` sets river's detectors, at the settings that alarm on undisturbed villages no oftener than the verdicts do,
beside them: days from a fault to its alarm.
Run: python -m tests.bench.drift [series] [annotated] [years] [delays] [rows]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from tests.server.drift.annotated_series import TEST_SEEDS as ANNOTATED_TEST_SEEDS
from tests.server.drift.annotated_series import annotated, covering_of_all, f1_of_all
from tests.server.drift.made_days import Fault, made_day
from tests.server.drift.made_series import NULLS, TEST_SEEDS, MadeSeries, covering, f1, made
from tests.server.drift.test_fleet_sums import pooled_and_merged

from pikvani_contract.sketch import FEATURES, Sketch, merge
from pikvani_server.drift.detector import detect
from pikvani_server.drift.seasons import reference_days
from pikvani_server.drift.statistics import ks_distance, ks_of_histograms, psi
from pikvani_server.drift.verdict import judge
from pikvani_server.store import open_store

try:
    from river import drift as river_drift
except ImportError:
    river_drift = None

Vector = NDArray[np.float64]
Detector = Callable[[Vector], list[int]]


def _ours(values: NDArray[np.float64]) -> list[int]:
    return [alarm.index for alarm in detect(values)]


def _river(name: str) -> Detector:
    def run(values: NDArray[np.float64]) -> list[int]:
        detector = getattr(river_drift, name)(**({"seed": 1} if name == "KSWIN" else {}))
        alarms = []
        for index, value in enumerate(values):
            detector.update(float(value))
            if detector.drift_detected:
                alarms.append(index)
        return alarms

    return run


def measured(detector: Detector, series: list[MadeSeries]) -> dict[str, float]:
    """The measures of one detector."""
    started_s = time.monotonic()
    rows = []
    delays = []
    for one in series:
        alarms = detector(one.values)
        rows.append((f1(one.changes, alarms), covering(one.changes, alarms, len(one.values)), bool(alarms)))
        for at in one.changes:
            after = [alarm - at for alarm in alarms if -5 <= alarm - at <= 60]
            delays += [max(0, min(after))] if after else []
    shifts = [row for row, one in zip(rows, series, strict=True) if one.changes]
    nulls = [row for row, one in zip(rows, series, strict=True) if not one.changes]
    return {
        "f1": round(float(np.mean([r[0] for r in rows])), 3),
        "covering": round(float(np.mean([r[1] for r in rows])), 3),
        "f1_shifts": round(float(np.mean([r[0] for r in shifts])), 3),
        "covering_shifts": round(float(np.mean([r[1] for r in shifts])), 3),
        "nulls_with_alarm": round(float(np.mean([r[2] for r in nulls])), 3),
        "median_delay_steps": float(np.median(delays)) if delays else float("nan"),
        "seconds": round(time.monotonic() - started_s, 1),
    }


def _detectors() -> dict[str, Detector]:
    detectors: dict[str, Detector] = {"pikvani": _ours, "never": lambda _: []}
    if river_drift is None:
        print("river is not installed: its baselines are left out")
        return detectors
    return detectors | {name: _river(name) for name in ("ADWIN", "PageHinkley", "KSWIN")}


def stand_ins() -> None:
    """Print F1 and covering on stand-ins of annotated real series, means over kinds."""
    series = list(annotated(ANNOTATED_TEST_SEEDS))
    for name, detector in _detectors().items():
        rows = []
        for one in series:
            # river knows no missing step: it gets those that are there, and its alarms are placed among all
            steps = np.flatnonzero(np.isfinite(one.values))
            alarms = detector(one.values) if name == "pikvani" else steps[detector(one.values[steps])].tolist()
            scores = f1_of_all(one.annotations, alarms), covering_of_all(one.annotations, alarms, len(one.values))
            rows.append((*scores, len(alarms)))
        f1_mean, covering_mean, alarms_mean = np.mean(rows, axis=0).round(3).tolist()
        row = {"detector": name, "series": len(series), "f1": f1_mean, "covering": covering_mean}
        print(json.dumps(row | {"alarms": alarms_mean}), flush=True)


def weekly_alarms(seed: int, fault: Fault | None, seasonal: bool, window_days: int = 14) -> list[int]:
    """Weeks of the third year in which a village was said to have drifted."""
    rng = np.random.default_rng([77, seed])
    first = date(2024, 1, 1)
    days = [first + timedelta(days=i) for i in range(3 * 365 + 1)]
    lags = {year: float(rng.normal(0, 7)) for year in (2024, 2025, 2026)}
    sketches = {day: made_day(rng, day, lags[day.year], 12, fault) for day in days}
    alarms = []
    for week in range(52):
        last = date(2026, 1, 1) + timedelta(days=7 * week + 6)
        current = merge(sketches[last - timedelta(days=i)] for i in range(window_days))
        middle = last - timedelta(days=window_days // 2)
        past = reference_days(middle, days) if seasonal else [day for day in days if day.year < 2026]
        if judge(merge(sketches[day] for day in past), current).kind not in ("none", "cannot_say"):
            alarms.append(week)
    return alarms


def years(villages: int = 40) -> None:
    """Print false alarms a device-year, and weeks to the first alarm after a fault."""
    for seasonal in (True, False):
        counts = [len(weekly_alarms(seed, None, seasonal)) for seed in range(villages)]
        row = {"reference": "season" if seasonal else "all days", "villages": villages}
        row |= {"false_alarms_per_device_year": round(float(np.mean(counts)), 3), "worst_village": max(counts)}
        print(json.dumps(row), flush=True)
    start_week = 30
    start = date(2026, 1, 1) + timedelta(days=7 * start_week)
    for name, fault in (("dirty lens", Fault(start, darker=0.2)), ("stuck model", Fault(start, stuck_share=0.5))):
        waits = []
        for seed in range(100, 120):
            after = [week - start_week for week in weekly_alarms(seed, fault, True) if week >= start_week]
            waits.append(after[0] + 1 if after else 99)
        print(
            json.dumps({"fault": name, "weeks_median": float(np.median(waits)), "weeks_worst": max(waits)}), flush=True
        )


_NEVER_DAYS = 182
"""A fault not seen within half a year counts so many days."""
_FAULT_FROM = date(2026, 1, 1) + timedelta(days=7 * 24)
_SETTINGS: dict[str, tuple[dict[str, float], ...]] = {
    "ADWIN": tuple({"delta": 10.0**-k} for k in (1, 2, 3, 4, 6, 8, 10, 15, 20, 30)),
    "PageHinkley": tuple({"threshold": x, "delta": 0.005, "min_instances": 30} for x in (0.3, 0.5, 1, 2, 4, 8, 16, 32)),
    "KSWIN": tuple({"alpha": 10.0**-k, "seed": 1} for k in (2.3, 4, 6, 9, 13)),
}


def _village(seed: int, fault: Fault | None) -> tuple[list[Vector], list[int]]:
    """A village's daily series (mean brightness, share of one class; raw, and less earlier years), and our alarms.

    Returns:
        Four series of the whole time, and the days of the third year on which a verdict said drift.
    """
    rng = np.random.default_rng([78, seed])
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(3 * 365 + 1)]
    lags = {year: float(rng.normal(0, 7)) for year in (2024, 2025, 2026)}
    sketches = {day: made_day(rng, day, lags[day.year], 12, fault) for day in days}
    raw = np.array([_daily(sketches[day]) for day in days])
    raw = np.where(np.isnan(raw), np.nanmean(raw, axis=0), raw)
    rest = raw.copy()
    for i, day in enumerate(days):
        near = [d for year in (1, 2, 3) for d in days[max(0, i - 366 * year - 25) : max(0, i - 365 * year + 25)]]
        past = [(d - days[0]).days for d in reference_days(day, near)]
        rest[i] = raw[i] - raw[past].mean(axis=0) if past else 0.0
    alarms = []
    for week in range(51):
        last = date(2026, 1, 1) + timedelta(days=7 * week + 6)
        current = merge(sketches[last - timedelta(days=i)] for i in range(14))
        past_days = reference_days(last - timedelta(days=7), days)
        if judge(merge(sketches[day] for day in past_days), current).kind not in ("none", "cannot_say"):
            alarms.append((last - days[0]).days)
    return [raw[:, 0], raw[:, 1], rest[:, 0], rest[:, 1]], alarms


def _daily(sketch: Sketch) -> tuple[float, float]:
    counts = np.array(sketch.histograms["brightness"], dtype=float)
    if not counts.sum():
        return float("nan"), float("nan")
    bins = FEATURES["brightness"]
    middles = bins.low + (bins.high - bins.low) * (np.arange(bins.count) + 0.5) / bins.count
    return float(counts @ middles / counts.sum()), sketch.classes.get("cotton/rust", 0) / max(1, sketch.cases)


def _river_alarms(name: str, settings: dict[str, float], pair: list[Vector]) -> list[int]:
    found = []
    for values in pair:
        detector = getattr(river_drift, name)(**settings)
        for index, value in enumerate(values):
            detector.update(float(value))
            if detector.drift_detected:
                found.append(index)
    return sorted(found)


def _no_noisier(name: str, settings: dict[str, float], pairs: list[list[Vector]], since: int, most: int) -> bool:
    """Whether a setting raises at most so many false alarms from a day on; it stops at the first one too many."""
    false = 0
    for pair in pairs:
        false += sum(1 for at in _river_alarms(name, settings, pair) if at >= since)
        if false > most:
            return False
    return True


def delays(villages: int = 30) -> None:
    """Print days to the alarm at equal false alarms."""
    third = (date(2026, 1, 1) - date(2024, 1, 1)).days
    start = (_FAULT_FROM - date(2024, 1, 1)).days
    nulls = [_village(seed, None) for seed in range(villages)]
    kinds = {
        "dirty lens": Fault(_FAULT_FROM, darker=0.2),
        "slightly dirty lens": Fault(_FAULT_FROM, darker=0.12),
        "stuck model": Fault(_FAULT_FROM, stuck_share=0.5),
        "partly stuck model": Fault(_FAULT_FROM, stuck_share=0.3),
    }
    faulty = {kind: [_village(1_000 + seed, fault) for seed in range(12)] for kind, fault in kinds.items()}
    ours = sum(len(alarms) for _, alarms in nulls)
    print(json.dumps({"villages": villages, "our_false_alarms_per_device_year": round(ours / villages, 3)}), flush=True)

    def told(name: str, alarms_of: Callable[[list[Vector], list[int]], list[int]], **more: object) -> None:
        row: dict[str, object] = {"detector": name} | more
        for kind, found in faulty.items():
            waits = []
            for series, verdicts in found:
                after = [at - start for at in alarms_of(series, verdicts) if at >= start]
                waits.append(min([_NEVER_DAYS, *after]))
            row[f"{kind}, days median"] = float(np.median(waits))
        print(json.dumps(row), flush=True)

    told("verdicts", lambda _series, verdicts: verdicts)
    if river_drift is None:
        print("river is not installed: its baselines are left out")
        return
    for name, settings in _SETTINGS.items():
        for part, which in (("raw", slice(0, 2)), ("less earlier years", slice(2, 4))):
            chosen: dict[str, float] | None = None
            for one in settings:
                if _no_noisier(name, one, [series[which] for series, _ in nulls], third, ours):
                    chosen = one
                    break
            if chosen is None:
                print(json.dumps({"detector": name, "input": part, "settings": "none is as quiet"}), flush=True)
                continue
            alarms_of = lambda s, _v, n=name, c=chosen, w=which: _river_alarms(n, c, s[w])  # noqa: E731
            told(name, alarms_of, input=part, settings=chosen)


def rows(count: int = 10_000_000, devices: int = 400, orders: int = 100) -> None:
    """Print PSI and KS of what the centre keeps of the sketches, and of the pooled raw rows."""
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pikvani-rows-") as folder:
        store = open_store(f"sqlite:///{folder}/centre.sqlite3")
        store.migrate()
        windows, merged, same = pooled_and_merged(store, count, devices, orders)
        store.close()
    distance, bound = ks_of_histograms(*merged)
    pooled = [FEATURES["confidence"].histogram(window) for window in windows]
    row: dict[str, object] = {"rows_a_side": count, "devices": devices, "orders": orders, "same_in_every_order": same}
    row |= {"psi_merged": psi(*merged), "psi_pooled": psi(*pooled), "ks_merged": distance}
    row |= {"ks_bound": bound, "ks_raw": ks_distance(*windows), "seconds": round(time.monotonic() - started_s, 1)}
    print(json.dumps(row))


def plain_series() -> None:
    """Print a line a detector."""
    series = list(made(TEST_SEEDS))
    print(json.dumps({"series": len(series), "kinds_of_null": len(NULLS)}))
    for name, detector in _detectors().items():
        print(json.dumps({"detector": name} | measured(detector, series)), flush=True)


if __name__ == "__main__":
    parts = {"series": plain_series, "annotated": stand_ins, "years": years, "delays": delays, "rows": rows}
    for chosen in sys.argv[1:] or parts:
        parts[chosen]()
