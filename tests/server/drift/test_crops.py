"""Classes within each crop: a new disease is named with its crop, and other crops that are brought are none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from tests.server.drift.made_days import Fault, made_day

from pikvani_contract.sketch import Sketch, merge
from pikvani_server.drift.computing import UNLIKE_DISTRICTS
from pikvani_server.drift.crops import groups_of, within_crops
from pikvani_server.drift.drill_down import by_crop, by_device
from pikvani_server.drift.episodes import Judged, episodes
from pikvani_server.drift.judging import judge_window, peers_of
from pikvani_server.drift.rollups import total
from pikvani_server.drift.verdict import FeatureVerdict, VerdictSettings, judge

DAY = date(2026, 8, 10)
OTHER_CROPS = (0.5, 6.0, 1.0, 0.5)
SEEDS = range(10)


def days(seed: int, count: int, fault: Fault | None = None) -> Sketch:
    rng = np.random.default_rng([5, seed])
    return merge(made_day(rng, DAY, 0, 60, fault) for _ in range(count))


def drifted(seed: int, fault: Fault | None) -> list[FeatureVerdict]:
    return [f for f in judge(days(seed, 40), days(1_000 + seed, 14, fault)).features if f.drifted]


def test_a_new_disease_of_one_crop_is_named_while_the_mix_of_crops_shifts() -> None:
    # given blight that takes half of the maize, in weeks when far more chickpea and less cotton and rice are brought
    fault = Fault(DAY, outbreak="maize/blight", outbreak_share=0.5, brought=OTHER_CROPS)
    for seed in SEEDS:
        found = {(f.name, f.crop, f.label) for f in drifted(seed, fault)}
        # then the verdict names maize and blight, and tells the mix apart
        assert found == {("classes", "maize", "maize/blight"), ("crops", "", "")}


def test_a_new_disease_in_a_third_of_the_cases_is_not_thinned_by_the_other_crops() -> None:
    # given blight in three of ten maize cases, a shift that matters within maize and not among all cases
    fault = Fault(DAY, outbreak="maize/blight", outbreak_share=0.3)
    told = [[f.label for f in drifted(seed, fault)] for seed in SEEDS]
    assert [labels for labels in told if labels and labels != ["maize/blight"]] == []
    assert sum(map(bool, told)) >= 0.7 * len(told)


@pytest.mark.parametrize("brought", [OTHER_CROPS, (0.2, 20.0, 1.0, 0.5)])
def test_other_crops_are_data_and_no_new_disease(brought: tuple[float, ...]) -> None:
    for seed in SEEDS:
        verdict = judge(days(seed, 40), days(1_000 + seed, 14, Fault(DAY, brought=brought)))
        assert (verdict.kind, [f.name for f in verdict.features if f.drifted]) == ("data", ["crops"])


def test_more_cases_of_a_crop_because_of_its_new_disease_are_not_another_mix() -> None:
    # given blight that brings twice as much maize, so that maize without it is as common as before
    fault = Fault(DAY, outbreak="maize/blight", outbreak_share=0.6, brought=(1.0, 1.0, 2.5, 1.0))
    for seed in SEEDS:
        assert [(f.name, f.label) for f in drifted(seed, fault)] == [("classes", "maize/blight")]


def test_crops_with_few_cases_are_judged_together() -> None:
    # given eight crops of twelve cases each, in all of which rust takes the place of health
    def village(healthy: int, rust: int) -> Sketch:
        classes = {f"crop{n}/{c}": k for n in range(8) for c, k in (("healthy", healthy), ("rust", rust))}
        return Sketch(cases=96, classes=classes)

    before, now = village(10, 2), village(3, 9)
    assert [len(group) for group in groups_of(within_crops(before, now), 30)] == [8]
    (feature,) = [f for f in judge(before, now).features if f.drifted]
    assert (feature.name, feature.crop, feature.label.split("/")[1]) == ("classes", "", "rust")
    assert judge(before, before).kind == "none"


def test_a_crop_that_only_one_side_has_says_nothing_of_its_conditions() -> None:
    before = Sketch(cases=80, classes={"rice/healthy": 40, "rice/blast": 40})
    now = Sketch(cases=80, classes={"maize/healthy": 40, "maize/rust": 40})
    verdict = judge(before, now)
    assert [(f.name, f.drifted) for f in verdict.features] == [("crops", True)]
    assert by_crop(before, now) == []
    assert [part.name for part in by_crop(before, now, "crops")] == ["maize", "rice"]
    assert by_device("classes", before, {"village": now}) == []


def test_the_crop_with_the_disease_carries_it_and_not_the_crop_that_is_brought_more() -> None:
    before = days(1, 40)
    now = days(2, 14, Fault(DAY, outbreak="maize/blight", outbreak_share=0.5, brought=OTHER_CROPS))
    assert by_crop(before, now)[0].name == "maize"
    assert by_crop(before, now, "crops")[0].name == "chickpea"


def test_an_alarm_is_named_by_the_disease_though_the_mix_moved_more() -> None:
    weeks = [
        Judged(date(2026, 8, 2), "data", "season", "crops", 2.0),
        Judged(date(2026, 8, 9), "both", "season", "classes", 0.4, "maize/blight"),
    ]
    (alarm,) = episodes(weeks)
    assert (alarm.feature, alarm.label, alarm.excess) == ("classes", "maize/blight", 0.4)


@pytest.mark.parametrize("sick", [True, False])
def test_in_its_first_year_a_districts_new_disease_is_told_from_the_other_districts(sick: bool) -> None:
    """Given eight districts of unlike crops and calendars, when blight takes half of one's maize, then it is named."""
    first, started = date(2026, 6, 1), date(2026, 8, 3)
    days = [first + timedelta(days=i) for i in range(100)]
    rng = np.random.default_rng([91, 0])
    districts = []
    for number in range(8):
        own = Fault(first, brought=tuple(np.exp(rng.normal(0, 0.7, 4))))
        lag = float(rng.normal(0, 20))
        ill = replace(own, outbreak="maize/blight", outbreak_share=0.5) if sick and number == 0 else own
        districts.append({day: made_day(rng, day, lag, 60, ill if day >= started else own) for day in days})
    fleet = {day: total([district[day] for district in districts]) for day in days}

    named: dict[int, set[str]] = {}
    for end in (started + timedelta(days=6 + 7 * week) for week in range(4)):
        for number, by_day in enumerate(districts):
            told = judge_window(by_day, end, VerdictSettings(), peers_of(fleet, end, UNLIKE_DISTRICTS))
            named.setdefault(number, set()).update(f.label for f in told.verdict.features if f.drifted)

    assert named.pop(0) == ({"maize/blight"} if sick else set())
    assert set().union(*named.values()) == set()
