"""The default detector beside silence and river's ADWIN, Page-Hinkley and KSWIN (their defaults) on made series.

Test seeds, which no constant was chosen on. Prints one JSON object a detector: F1 (margin 5) and covering over all
kinds, the same over the shifts, the share of nulls with an alarm, and the median delay of the first right alarm.
Then a year of made villages judged every week: false alarms a device-year with the season's reference and, beside it,
with all earlier days; and how many weeks a dirty lens and a stuck model take to be seen. Then sketches of 10 million
rows against the pooled raw data.
Run: python -m tests.bench.drift [series] [years] [rows]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from tests.server.drift.made_days import Fault, made_day
from tests.server.drift.made_series import NULLS, TEST_SEEDS, MadeSeries, covering, f1, made

from pikvani_contract.sketch import FEATURES, Sketch, decode_sketch, encode_sketch, merge
from pikvani_server.drift.detector import detect
from pikvani_server.drift.seasons import reference_days
from pikvani_server.drift.statistics import ks_distance, ks_of_histograms, psi
from pikvani_server.drift.verdict import judge

try:
    from river import drift as river_drift
except ImportError:
    river_drift = None

Detector = Callable[[NDArray[np.float64]], list[int]]


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


def rows(count: int = 10_000_000) -> None:
    """Print PSI and KS of merged sketches and of the pooled raw rows."""
    rng = np.random.default_rng(11)
    windows = rng.beta(4, 2, size=count), rng.beta(3.6, 2.2, size=count)
    bins = FEATURES["confidence"]
    started_s = time.monotonic()
    merged = [
        merge(
            decode_sketch(encode_sketch(Sketch(cases=len(part), histograms={"confidence": bins.histogram(part)})))
            for part in np.array_split(window, count // 25_000)
        ).histograms["confidence"]
        for window in windows
    ]
    distance, bound = ks_of_histograms(*merged)
    pooled = [bins.histogram(window) for window in windows]
    row = {"rows_a_side": count, "psi_merged": psi(*merged), "psi_pooled": psi(*pooled), "ks_merged": distance}
    row |= {"ks_bound": bound, "ks_raw": ks_distance(*windows), "seconds": round(time.monotonic() - started_s, 1)}
    print(json.dumps(row))


def plain_series() -> None:
    """Print a line a detector."""
    series = list(made(TEST_SEEDS))
    print(json.dumps({"series": len(series), "kinds_of_null": len(NULLS)}))
    detectors: dict[str, Detector] = {"pikvani": _ours, "never": lambda _: []}
    if river_drift is None:
        print("river is not installed: its baselines are left out")
    else:
        detectors |= {name: _river(name) for name in ("ADWIN", "PageHinkley", "KSWIN")}
    for name, detector in detectors.items():
        print(json.dumps({"detector": name} | measured(detector, series)), flush=True)


if __name__ == "__main__":
    parts = {"series": plain_series, "years": years, "rows": rows}
    for chosen in sys.argv[1:] or parts:
        parts[chosen]()
