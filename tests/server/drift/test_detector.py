"""The default detector: silent on nulls, right on shifts, the same whatever the units, and quick on a long file."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.server.drift.annotated_series import DEVELOPMENT_SEEDS as ANNOTATED_SEEDS
from tests.server.drift.annotated_series import TEST_SEEDS as ANNOTATED_TEST_SEEDS
from tests.server.drift.annotated_series import annotated, covering_of_all, f1_of_all
from tests.server.drift.made_series import DEVELOPMENT_SEEDS, NULLS, TEST_SEEDS, covering, f1, made

from pikvani_server.drift.detector import MIN_STEPS, detect


def test_it_beats_silence_and_seldom_cries_wolf_on_development_seeds() -> None:
    # given series of every kind (development seeds: the test seeds are for the bench)
    judged = [(s, [a.index for a in detect(s.values)]) for s in made(DEVELOPMENT_SEEDS[:5])]
    # when both measures are taken
    ours = np.mean([(f1(s.changes, a), covering(s.changes, a, len(s.values))) for s, a in judged], axis=0)
    silent = np.mean([(f1(s.changes, []), covering(s.changes, [], len(s.values))) for s, _ in judged], axis=0)
    # then silence is beaten clearly, and fewer than one null in ten has an alarm
    assert np.all(ours > silent + 0.05)
    assert np.mean([bool(a) for s, a in judged if s.kind in NULLS]) < 0.1


def test_it_beats_silence_on_stand_ins_of_annotated_real_series() -> None:
    # given economy, counts, sensors, prices and more, each seen by five annotators (development seeds)
    judged = [(s, [a.index for a in detect(s.values)]) for s in annotated(ANNOTATED_SEEDS[:2])]

    def scores(alarms: list[list[int]]) -> np.ndarray:
        pairs = zip((s for s, _ in judged), alarms, strict=True)
        both = [(f1_of_all(s.annotations, a), covering_of_all(s.annotations, a, len(s.values))) for s, a in pairs]
        return np.mean(both, axis=0)

    # then both measures are clearly better than those of silence
    assert np.all(scores([alarms for _, alarms in judged]) > scores([[] for _ in judged]) + 0.08)


def test_laps_seen_through_a_smoothing_watch_are_laps_and_no_season() -> None:
    rng = np.random.default_rng(0)
    pace = np.repeat([6.0, 4.2, 5.8, 4.4, 6.3, 4.0, 6.1], [64, 32, 53, 34, 60, 30, 70])
    smooth = np.convolve(np.pad(pace, 2, mode="edge"), np.ones(5) / 5, "valid") + 0.15 * rng.normal(size=len(pace))
    alarms = [alarm.index for alarm in detect(smooth)]
    assert len(alarms) == 6
    assert max(abs(a - t) for a, t in zip(alarms, (64, 96, 149, 183, 243, 273), strict=True)) <= 4


def test_the_day_is_known_although_hours_are_missing() -> None:
    # given a daily cycle larger than the shift, and one hour in twenty missing
    rng = np.random.default_rng(1)
    x = np.arange(800)
    values = 5 * np.sin(2 * np.pi * x / 24) + rng.normal(size=800) + 4.0 * (x >= 500)
    values[rng.random(800) < 0.05] = np.nan
    assert [abs(a.index - 500) <= 3 for a in detect(values)] == [True]


def test_a_season_that_grows_with_the_level_hides_no_fall() -> None:
    rng = np.random.default_rng(2)
    x = np.arange(700)
    waves = np.exp(1.3 * np.sin(2 * np.pi * x / 52) + 0.3 * rng.normal(size=700))
    (alarm,) = detect(1000 * waves * np.where(x < 400, 1, 0.25))
    assert (abs(alarm.index - 400) <= 10, alarm.direction) == (True, "down")


def test_rare_counts_and_yes_or_no_are_no_spikes() -> None:
    rng = np.random.default_rng(3)
    x = np.arange(300)
    found = []
    for _ in range(5):
        # given counts that are mostly none, and answers that are mostly no, each with one rise
        found.append([a.index for a in detect(rng.poisson(np.where(x < 160, 0.2, 2.0)).astype(float))])
        found.append([a.index for a in detect((rng.random(300) < np.where(x < 160, 0.05, 0.6)).astype(float))])
    # then every rise is found, and other alarms are fewer than one a series
    assert all(any(abs(index - 160) <= 12 for index in alarms) for alarms in found)
    assert sum(len(alarms) for alarms in found) < 20


def test_a_curve_without_noise_gets_no_wider() -> None:
    x = np.arange(400)
    assert detect(2e5 + 210.0 * x + 3000 * np.sin(np.pi * x / 400) + np.sin(2 * np.pi * x / 12)) == []


def test_the_seeds_of_development_and_test_are_disjoint() -> None:
    assert not set(DEVELOPMENT_SEEDS) & set(TEST_SEEDS)
    assert not set(ANNOTATED_SEEDS) & set(ANNOTATED_TEST_SEEDS)


def test_a_plain_shift_is_one_alarm_at_its_first_step_with_size_and_direction() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=200) - 4.0 * (np.arange(200) >= 120)
    (alarm,) = detect(values)
    assert abs(alarm.index - 120) <= 1
    assert alarm.direction == "down"
    assert alarm.score == pytest.approx(4, abs=0.6)


def test_a_wider_spread_is_told_from_a_shift() -> None:
    rng = np.random.default_rng(2)
    (alarm,) = detect(rng.normal(size=300) * np.where(np.arange(300) >= 150, 4.0, 1.0))
    assert alarm.direction == "wider"
    assert abs(alarm.index - 150) <= 15


def test_missing_steps_are_counted_in_the_index() -> None:
    values = np.random.default_rng(3).normal(size=100) + 8.0 * (np.arange(100) >= 60)
    values[[5, 20, 21, 40]] = np.nan
    assert [a.index for a in detect(values)] == [60]


def test_a_series_with_one_spike_or_two_is_silent() -> None:
    values = np.random.default_rng(4).normal(size=150)
    values[[40, 41, 90]] = 30.0
    assert detect(values) == []


def test_a_million_rows_take_four_times_a_quarters_time_and_are_placed_to_the_step() -> None:
    values = np.random.default_rng(5).normal(size=1_000_000) + 2.0 * (np.arange(1_000_000) >= 654_321)

    def taken_s(rows: int) -> float:
        started_s = time.process_time()
        detect(values[-rows:])
        return time.process_time() - started_s

    (alarm,) = detect(values)
    assert abs(alarm.index - 654_321) < 20
    quarter_s, whole_s = min(taken_s(250_000) for _ in range(3)), min(taken_s(1_000_000) for _ in range(3))
    assert whole_s < 10 * quarter_s, "linear is 4, quadratic 16"


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0] * 50,
        [np.nan] * 50,
        list(range(MIN_STEPS - 1)),
        [1e308, -1e308] * 20,
        [5e-324, 0.0] * 20,
        [0.0] * 49 + [1.0],
    ],
    ids=["empty", "flat", "missing", "short", "largest", "smallest", "last"],
)
def test_degenerate_series_are_silent(values: list[float]) -> None:
    assert detect(np.array(values, dtype=float)) == []


@given(arrays.arrays(float, st.integers(0, 80), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_any_floats_give_ascending_indices_of_present_steps(values: np.ndarray) -> None:
    indices = [alarm.index for alarm in detect(values)]
    assert indices == sorted(set(indices))
    assert all(0 < i < len(values) and np.isfinite(values[i]) for i in indices)


@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 0))
def test_units_do_not_matter(seed: int, factor: float, offset: float) -> None:
    # given a shifted series that goes below zero, so that no logarithm is taken of either
    rng = np.random.default_rng(seed)
    values = rng.normal(size=90) + 5.0 * (np.arange(90) >= 45) - 2.5
    assert [a.index for a in detect(values * factor + offset)] == [a.index for a in detect(values)]
