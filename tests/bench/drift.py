"""The default detector beside silence and river's ADWIN, Page-Hinkley and KSWIN (their defaults) on made series.

Test seeds, which no constant was chosen on. Prints one JSON object a detector: F1 (margin 5) and covering over all
kinds, the same over the shifts, the share of nulls with an alarm, and the median delay of the first right alarm.
Run: python -m tests.bench.drift
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from tests.server.drift.made_series import NULLS, TEST_SEEDS, MadeSeries, covering, f1, made

from pikvani_server.drift.detector import detect

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


def main() -> None:
    """Print a line a detector."""
    series = list(made(TEST_SEEDS))
    print(json.dumps({"series": len(series), "kinds_of_null": len(NULLS)}))
    detectors: dict[str, Detector] = {"pikvani": _ours, "never": lambda _: []}
    if river_drift is None:
        print("river is not installed: its baselines are left out")
    else:
        detectors |= {name: _river(name) for name in ("ADWIN", "PageHinkley", "KSWIN")}
    for name, detector in detectors.items():
        print(json.dumps({"detector": name} | measured(detector, series)))


if __name__ == "__main__":
    main()
