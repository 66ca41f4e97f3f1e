"""Days of one made village through the seasons: monsoon light, crops that come and go, a festival, unlike years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from tests.support.peers import batch, record

from pikvani_contract.messages import SketchBody
from pikvani_contract.sketch import FEATURES, Sketch
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import Arrived
from pikvani_server.store import Store

_CROPS = ("cotton", "chickpea", "maize", "rice")
_CONDITIONS = ("healthy", "rust", "blight")
_CLASSES = tuple(f"{crop}/{c}" for crop in _CROPS for c in _CONDITIONS)


@dataclass(frozen=True)
class Fault:
    """What changes from a day on.

    Attributes:
        start: The day.
        darker: Brightness falls by this.
        stuck_share: Of all cases that one class takes from all others.
        outbreak: A `crop/condition` that takes `outbreak_share` of the cases of its crop, no more of them coming.
        outbreak_share: See there.
        brought: How many times as often each crop is brought, in the order of the crops.
    """

    start: date
    darker: float = 0.0
    stuck_share: float = 0.0
    outbreak: str = ""
    outbreak_share: float = 0.0
    brought: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)


def made_day(
    rng: np.random.Generator, day: date, year_lag_days: float, cases: float, fault: Fault | None = None
) -> Sketch:
    """One day's sketch.

    Args:
        rng: Of the day.
        day: Local date.
        year_lag_days: How late this year's season is.
        cases: Mean number of cases.
        fault: What goes wrong, if anything does.
    """
    turn = 2 * np.pi * (day.timetuple().tm_yday - year_lag_days) / 365.25
    monsoon = float(np.exp(2.5 * (np.cos(turn - 2 * np.pi * 215 / 365.25) - 1)))
    festival = day.month == 11 and day.day <= 7
    n = int(rng.poisson(cases * (0.4 if festival else 1.0)))
    crops = np.exp(1.5 * np.cos(turn - 2 * np.pi * np.array([240, 30, 200, 270]) / 365.25))
    conditions = np.array([1.5, 0.5 + monsoon, 0.6])
    now = fault if fault and day >= fault.start else None
    if now:
        crops = crops * now.brought
    by_crop = np.outer(crops, conditions / conditions.sum())
    if now and now.outbreak:
        crop, condition = now.outbreak.split("/")
        sick = by_crop[_CROPS.index(crop)]
        sick *= 1 - now.outbreak_share
        sick[_CONDITIONS.index(condition)] += crops[_CROPS.index(crop)] * now.outbreak_share
    mix = by_crop.ravel() / by_crop.sum()
    darker = 0.0
    if now:
        darker = now.darker
        mix = mix * (1 - now.stuck_share)
        mix[1] += now.stuck_share
    named = rng.multinomial(n, mix)
    centre = {
        "confidence": 0.8 - 0.1 * monsoon,
        "entropy": 0.25 + 0.1 * monsoon,
        "sharpness": 0.6,
        "brightness": 0.55 - 0.15 * monsoon - darker,
        "leaf_share": 0.5 + 0.1 * monsoon,
    }
    histograms = {}
    for name, bins in FEATURES.items():
        values = rng.normal(centre.get(name, 0.3 * monsoon), 0.15 if name in centre else 1.0, size=n)
        histograms[name] = bins.histogram(values)
    refused = int(rng.binomial(n, 0.1))
    return Sketch(
        cases=n,
        decisions={"answer": n - refused, "refuse": refused},
        refusals={"unsure": refused},
        classes={name: int(count) for name, count in zip(_CLASSES, named, strict=True) if count},
        histograms=histograms,
    )


def settle(store: Store, bodies: Sequence[tuple[str, SketchBody]], at: datetime, first_seq: int = 1) -> None:
    """Commit what devices say of their days, as ingest does; each call needs higher numbers."""
    at_ms = int(at.timestamp() * 1000)
    groups: dict[str, list[SketchBody]] = {}
    for device, body in bodies:
        groups.setdefault(device, []).append(body)
    for device, found in groups.items():
        records = [record(first_seq + i, body, "sketch") for i, body in enumerate(found)]
        for start in range(0, len(records), 900):
            commit_group(store, [Arrived(device, at_ms, batch(*records[start : start + 900], lane=2))], at_ms)
