"""The default detector beside silence and river's ADWIN, Page-Hinkley and KSWIN (their defaults) on made series.

Test seeds, which no constant was chosen on. Prints one JSON object a detector: F1 (margin 5) and covering over all
kinds, the same over the shifts, the share of nulls with an alarm, and the median delay of the first right alarm.
`annotated`: the same detectors on stand-ins of real series, with five annotators each.
`years` and `delays`: a year of made villages, judged as the centre judges them (`villages.py`). `rows`: sketches of 10
million rows against the pooled raw data: what the centre's tables keep, in 100 random orders with repeats.
Run: python -m tests.bench.drift [series] [annotated] [years] [delays] [rows]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from tests.bench.villages import delays, river_drift, years
from tests.server.drift.annotated_series import TEST_SEEDS as ANNOTATED_TEST_SEEDS
from tests.server.drift.annotated_series import annotated, covering_of_all, f1_of_all
from tests.server.drift.made_series import NULLS, TEST_SEEDS, MadeSeries, covering, f1, made
from tests.server.drift.test_fleet_sums import pooled_and_merged

from pikvani_contract.sketch import FEATURES
from pikvani_server.drift.detector import detect
from pikvani_server.drift.statistics import ks_distance, ks_of_histograms, psi
from pikvani_server.store import open_store

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
