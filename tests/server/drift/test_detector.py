"""The default detector: silent on nulls, right on shifts, the same whatever the units, and quick on a long file."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
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


def test_the_seeds_of_development_and_test_are_disjoint() -> None:
    assert not set(DEVELOPMENT_SEEDS) & set(TEST_SEEDS)


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


def test_a_million_rows_take_seconds_and_are_placed_to_the_step() -> None:
    values = np.random.default_rng(5).normal(size=1_000_000) + 2.0 * (np.arange(1_000_000) >= 654_321)
    started_s = time.monotonic()
    (alarm,) = detect(values)
    assert abs(alarm.index - 654_321) < 20
    assert time.monotonic() - started_s < 10


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
