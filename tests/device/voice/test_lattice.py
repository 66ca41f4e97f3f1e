"""CTC scores are exact: checked against every path there is, on clips small enough to count them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pikvani_contract.speech.phones import UNITS
from pikvani_device.voice.lattice import Ways, forward, free, is_speech

SOME = ("a", "k", "t")


def frames(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.log(rng.dirichlet(np.full(len(UNITS), 0.3), size=count) + 1e-9).astype(np.float32)


def every_path(log_probs: np.ndarray, way: tuple[str, ...]) -> float:
    wanted = [UNITS.index(u) for u in way]
    total = -np.inf
    for path in itertools.product(sorted({0, *wanted}), repeat=len(log_probs)):
        said = [k for k, _ in itertools.groupby(path) if k]
        if said == wanted:
            total = np.logaddexp(total, sum(float(log_probs[t, k]) for t, k in enumerate(path)))
    return float(total)


def spelled(*units: str, each: int = 3, sure: float = 0.9) -> np.ndarray:
    """Frames in which units are heard one after the other, a blank frame between."""
    rows = []
    for unit in ("<blank>", *(part for one in units for part in (one, "<blank>"))):
        row = np.full(len(UNITS), (1 - sure) / (len(UNITS) - 1))
        row[UNITS.index(unit)] = sure
        rows += [row] * (each if unit != "<blank>" else 1)
    return np.log(np.array(rows)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(SOME), min_size=1, max_size=3), st.integers(1, 6))
def test_given_any_way_then_its_score_is_the_sum_over_every_path(seed: int, way: list[str], count: int) -> None:
    log_probs = frames(seed, count)
    # Scored among others, so that padding is tried too.
    scores = forward(log_probs, Ways([way, ["k", "a", "t", "a", "k"], ["t"]]))
    expected = every_path(log_probs, tuple(way))
    if np.isinf(expected):
        assert scores[0] < -1e20
    else:
        assert scores[0] == pytest.approx(expected, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(SOME), min_size=1, max_size=4), st.integers(1, 30))
def test_given_any_clip_then_no_way_beats_the_free_sum(seed: int, way: list[str], count: int) -> None:
    log_probs = frames(seed, count)
    assert forward(log_probs, Ways([way]))[0] <= 1e-6
    assert free(log_probs) <= 0


def test_given_a_unit_said_twice_then_a_blank_must_part_it() -> None:
    once = np.log(np.full((2, len(UNITS)), 1e-6)).astype(np.float32)
    once[:, UNITS.index("a")] = 0.0
    assert forward(once, Ways([["a", "a"]]))[0] < -1e20


def test_given_units_heard_surely_then_it_is_speech_and_wavering_over_silence_is_none() -> None:
    assert is_speech(spelled("k", "a", "t"), -3.0)
    assert not is_speech(spelled(), -3.0)
    unsure = np.vstack([spelled("k", sure=0.9), *[spelled(sure=0.85)] * 40])
    assert not is_speech(unsure, -3.0)
    assert is_speech(unsure, -10.0)
