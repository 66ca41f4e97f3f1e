"""One window of a fleet, a district or a device: chooses what to compare it with, judges, estimates. Pure.

What a window is compared with, its basis, in this order: `season`, the same weeks of earlier years; for a device
`peers`, the other devices of its district in the same weeks, passing over what always set it apart; else `recent`, the
weeks before, which cannot tell a season from a drift and so raises warnings only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from pikvani_contract.sketch import Sketch
from pikvani_server.drift import windows
from pikvani_server.drift.accuracy import Checked, Estimate, estimate_accuracy
from pikvani_server.drift.rollups import of_days, without
from pikvani_server.drift.verdict import Verdict, VerdictSettings, judge, kind_of

ByDay = Mapping[date, Sketch]


@dataclass(frozen=True)
class WindowVerdict:
    """What is said of one window.

    Attributes:
        end: its last day.
        basis: `season`, `peers`, `recent`, or `none` where nothing is known to compare with.
        verdict: kind and features.
        cases: in the window.
        reference_cases: in what it was compared with.
        accuracy: estimated without labels.
    """

    end: date
    basis: str
    verdict: Verdict
    cases: int
    reference_cases: int
    accuracy: Estimate


def judge_window(
    by_day: ByDay,
    end: date,
    settings: VerdictSettings,
    peers: ByDay | None = None,
    checked: Checked | None = None,
) -> WindowVerdict:
    """Judge the window that ends on `end`.

    Args:
        by_day: sketches of one model, by local day; days before and after may be there.
        end: a Sunday.
        settings: of the verdict.
        peers: for a device, its district's sums of the same model, itself included.
        checked: what labels say of the model.
    """
    days = windows.window_days(end)
    current = of_days(by_day, days)
    season = of_days(by_day, windows.season_days(end, list(by_day)))
    before_days = windows.recent_days(end)
    basis, reference = "season", season
    known: frozenset[str] = frozenset()
    if season.cases < settings.least_cases:
        recent = of_days(by_day, before_days)
        basis, reference = "recent", recent
        if peers is not None:
            others = without(of_days(peers, days), current)
            others_before = without(of_days(peers, before_days), recent)
            if others.cases >= settings.least_cases:
                always = judge(others_before, recent, settings)
                # A device that has no past yet may simply stand in another kind of village.
                if always.kind != "cannot_say":
                    basis, reference = "peers", others
                    known = frozenset(feature.name for feature in always.features if feature.excess >= _APART)
    verdict = judge(reference, current, settings)
    if known:
        features = tuple(replace(f, drifted=f.drifted and f.name not in known) for f in verdict.features)
        verdict = Verdict(kind_of(features), features)
    if verdict.kind == "cannot_say":
        basis = "none" if not reference.cases else basis
    accuracy = estimate_accuracy(current, verdict, checked)
    return WindowVerdict(end, basis, verdict, current.cases, reference.cases, accuracy)


_APART = 0.1  # the customary "some change": enough to stand apart from one's neighbours for good
