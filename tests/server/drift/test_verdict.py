"""Verdicts: false alarms as rare as stated at any sample size, seasons no drift, and the culprit found."""

from datetime import date, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.drift.made_days import Fault, made_day

from pikvani_contract.sketch import Sketch, merge
from pikvani_server.drift.drill_down import UNKNOWN_DISTRICT, by_crop, by_device, by_district
from pikvani_server.drift.seasons import AROUND_DAYS, Season, reference_days, season_of
from pikvani_server.drift.verdict import VerdictSettings, judge

DAY = date(2026, 8, 10)


def days(seed: int, count: int, cases: float = 20, fault: Fault | None = None) -> Sketch:
    rng = np.random.default_rng(seed)
    return merge(made_day(rng, DAY, 0, cases, fault) for _ in range(count))


def test_nothing_new_is_no_drift_as_often_as_stated() -> None:
    # given windows of the same day, judged with an any-size threshold so that the bootstrap alone decides
    settings = VerdictSettings(false_alarm_rate=0.05, least_excess=0.0)
    alarms = [judge(days(2 * s, 20), days(2 * s + 1, 7), settings).kind != "none" for s in range(80)]
    # then alarms are within three standard errors of the stated rate
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 80)


@pytest.mark.parametrize("cases", [40, 400, 40_000])
def test_a_shift_too_small_to_matter_is_none_at_any_sample_size(cases: float) -> None:
    slight = Fault(DAY, darker=0.01)
    assert judge(days(1, 2, cases), days(2, 2, cases, slight)).kind == "none"


@pytest.mark.parametrize("cases", [60, 400, 40_000])
def test_a_shift_that_matters_is_drift_at_any_sample_size(cases: float) -> None:
    verdict = judge(days(1, 2, cases), days(2, 2, cases, Fault(DAY, darker=0.15)))
    assert (verdict.kind, verdict.features[0].name) == ("data", "brightness")


def test_data_and_prediction_drift_are_told_apart() -> None:
    reference = days(1, 20)
    assert judge(reference, days(2, 10, fault=Fault(DAY, darker=0.2))).kind == "data"
    assert judge(reference, days(2, 10, fault=Fault(DAY, stuck_share=0.5))).kind == "prediction"
    assert judge(reference, days(2, 10, fault=Fault(DAY, 0.2, 0.5))).kind == "both"


def test_too_few_cases_cannot_say() -> None:
    assert judge(days(1, 20), days(2, 1, cases=3)).kind == "cannot_say"
    assert judge(Sketch(), days(2, 20)).kind == "cannot_say"


def test_the_same_counts_give_the_same_verdict() -> None:
    reference, current = days(1, 10), days(2, 5, fault=Fault(DAY, darker=0.1))
    assert judge(reference, current) == judge(reference, current)


def test_the_culprit_device_district_and_crop_rank_first() -> None:
    # given twelve devices of which the seventh and eighth are stuck on cotton/rust
    fault = Fault(DAY, stuck_share=0.7)
    current = {f"village-{i}": days(100 + i, 7, fault=fault if i in (7, 8) else None) for i in range(12)}
    districts = {f"village-{i}": "Akola" if i in (7, 8) else f"district-{i % 3}" for i in range(11)}
    reference = days(1, 60)
    # when one asks where it comes from
    devices = by_device("classes", reference, current)
    # then they are found
    assert {part.name for part in devices[:2]} == {"village-7", "village-8"}
    ranked = by_district("classes", reference, current, districts)
    assert ranked[0].name == "Akola"
    assert UNKNOWN_DISTRICT in {part.name for part in ranked}
    assert by_crop(reference, merge(current.values()))[0].name == "cotton"


def test_a_device_without_the_feature_is_left_out_of_the_ranking() -> None:
    blind = msgspec.structs.replace(days(3, 5), histograms={})
    assert by_device("brightness", days(1, 20), {"blind": blind, "sees": days(2, 5)})[0].name == "sees"
    assert by_crop(Sketch(), days(1, 1)) == []


@pytest.mark.parametrize(
    ("day", "season"),
    [
        (date(2026, 6, 1), Season("kharif", 2026)),
        (date(2026, 10, 31), Season("kharif", 2026)),
        (date(2026, 11, 1), Season("rabi", 2026)),
        (date(2027, 2, 28), Season("rabi", 2026)),
        (date(2026, 3, 31), Season("rabi", 2025)),
        (date(2026, 4, 1), Season("zaid", 2026)),
    ],
)
def test_seasons_begin_where_farmers_say(day: date, season: Season) -> None:
    assert season_of(day) == season


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 60))
def test_a_reference_is_of_the_same_season_earlier_and_near(day: date, around: int) -> None:
    history = [day + timedelta(days=offset) for offset in range(-1_200, 400, 7)]
    season = season_of(day)
    for past in reference_days(day, history, around):
        then = season_of(past)
        assert (then.name, then.year < season.year) == (season.name, True)
        assert abs((past - then.first_day).days - (day - season.first_day).days) <= around


def test_the_first_year_has_no_reference() -> None:
    history = [DAY - timedelta(days=offset) for offset in range(200)]
    assert reference_days(DAY, history) == []
    year_ago = reference_days(DAY, [day - timedelta(days=365) for day in history])
    # half the neighbourhood, because nothing after the window's place is in this history
    assert len(year_ago) == AROUND_DAYS + 1


def test_the_turn_of_the_season_is_drift_only_against_the_wrong_season() -> None:
    # given two years of a village, and the second year's monsoon judged
    rng = np.random.default_rng(5)
    all_days = [date(2025, 1, 1) + timedelta(days=i) for i in range(600)]
    sketches = {day: made_day(rng, day, 0, 20) for day in all_days}
    window = [DAY - timedelta(days=i) for i in range(14)]
    current = merge(sketches[day] for day in window)
    same = merge(sketches[day] for day in reference_days(DAY, all_days))
    spring = merge(sketch for day, sketch in sketches.items() if day.month in (3, 4) and day.year == 2026)
    assert judge(same, current).kind == "none"
    assert judge(spring, current).kind != "none"
