"""One window of a fleet, a district or a device: chooses what to compare it with, judges, estimates. Pure.

What a window is compared with, its basis, in this order: `season`, the same weeks of earlier years; `peers`, the others
of the same weeks (a device's district, a district's fleet); `models`, for a model without a past, what other models say
in the same weeks and districts; else `recent`, the weeks before, which cannot tell a season from a drift and so raises
warnings only. Against peers, drift is what has moved away from its own past and, by as much as matters, from them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from msgspec import structs

from pikvani_contract.sketch import Sketch
from pikvani_server.drift import windows
from pikvani_server.drift.accuracy import Checked, Estimate, estimate_accuracy
from pikvani_server.drift.rollups import of_days, without
from pikvani_server.drift.verdict import FeatureVerdict, Verdict, VerdictSettings, judge, kind_of

PEERS_PER_CASE = 4
"""Peers count only with this many times the cases of the one judged: two villages cannot tell which of them is odd."""
ByDay = Mapping[date, Sketch]


@dataclass(frozen=True)
class Peers:
    """Sums of a window over all of a group, the one judged included.

    Attributes:
        now: of the window.
        before: of the weeks before it.
        ignored: features in which members of the group are rightly unlike through the year.
    """

    now: Sketch
    before: Sketch
    ignored: frozenset[str] = frozenset()


def peers_of(by_day: ByDay, end: date, ignored: frozenset[str] = frozenset()) -> Peers:
    """The peers' sums for the window that ends on `end`."""
    return Peers(of_days(by_day, windows.window_days(end)), of_days(by_day, windows.recent_days(end)), ignored)


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
    peers: Peers | None = None,
    checked: Checked | None = None,
    other_models: Sketch | None = None,
) -> WindowVerdict:
    """Judge the window that ends on `end`.

    Args:
        by_day: sketches of one model, by local day; days before and after may be there.
        end: a Sunday.
        settings: of the verdict.
        peers: of the same model and window, None for none.
        checked: what labels say of the model.
        other_models: for a fleet, what other models say in this window and in the districts of this one.
    """
    current = of_days(by_day, windows.window_days(end))
    reference, basis = of_days(by_day, windows.season_days(end, list(by_day))), "season"
    verdict = None
    if reference.cases < settings.least_cases:
        before = of_days(by_day, windows.recent_days(end))
        reference, basis = before, "recent"
        if peers is not None and before.cases >= settings.least_cases:
            others = without(peers.now, current)
            if others.cases >= PEERS_PER_CASE * max(current.cases, settings.least_cases):
                reference, basis = others, "peers"
                verdict = _moved_away(current, before, others, without(peers.before, before), peers.ignored, settings)
        elif other_models is not None and before.cases < settings.least_cases:
            reference, basis = without_projections(other_models), "models"
    verdict = verdict or judge(reference, current, settings)
    if verdict.kind == "cannot_say" and not reference.cases:
        basis = "none"
    accuracy = estimate_accuracy(current, verdict, checked)
    return WindowVerdict(end, basis, verdict, current.cases, reference.cases, accuracy)


def without_projections(sketch: Sketch) -> Sketch:
    """A sketch without embedding projections, which two models never share."""
    kept = {name: counts for name, counts in sketch.histograms.items() if not name.startswith("projection_")}
    return structs.replace(sketch, histograms=kept)


def _moved_away(
    current: Sketch,
    before: Sketch,
    others: Sketch,
    others_before: Sketch,
    ignored: frozenset[str],
    settings: VerdictSettings,
) -> Verdict:
    """What drifted both from the peers, by more than was always between, and from its own past."""
    sizes = replace(settings, least_excess=math.inf)  # sizes alone are cheap; chance is asked where a size matters
    now, apart = judge(others, current, sizes), judge(others_before, before, sizes)
    if "cannot_say" in (now.kind, apart.kind):
        return Verdict("cannot_say", now.features)
    always = {feature.key: max(0.0, feature.excess) for feature in apart.features}
    least = settings.least_excess

    def grown(feature: FeatureVerdict) -> FeatureVerdict:
        return replace(feature, excess=feature.excess - always.get(feature.key, 0.0))

    large = {f.key for f in map(grown, now.features) if f.excess >= least and f.name not in ignored}
    if large:
        now, moved = judge(others, current, settings), judge(before, current, settings)
        large &= {f.key for f in now.features if f.drifted} & {f.key for f in moved.features if f.drifted}
    features = [replace(grown(feature), drifted=feature.key in large) for feature in now.features]
    features.sort(key=lambda f: (-f.excess, f.key))
    return Verdict(kind_of(features), tuple(features))
