"""PSI, KS and Page-Hinkley against worked examples, scipy and river."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pikvani_contract.sketch import Bins
from pikvani_server.drift.statistics import (
    PageHinkleySettings,
    ks_distance,
    ks_of_histograms,
    page_hinkley,
    psi,
    psi_terms,
)

counts = st.lists(st.integers(0, 1_000), min_size=5, max_size=5).filter(any)
values = arrays.arrays(float, st.integers(1, 60), elements=st.floats(-10, 10))


def test_the_worked_example_of_psi() -> None:
    terms = psi_terms([15, 30, 25, 20, 10], [22, 28, 20, 18, 12])
    np.testing.assert_array_equal(np.round(terms, 4), [0.0268, 0.0014, 0.0112, 0.0021, 0.0036])
    assert round(float(terms.sum()), 4) == 0.0451


@given(counts, counts)
def test_psi_is_symmetric_not_negative_and_zero_for_the_same(a: list[int], b: list[int]) -> None:
    assert psi(a, b) == pytest.approx(psi(b, a))
    assert np.all(psi_terms(a, b) >= 0)
    assert psi(a, a) == 0


def test_empty_bins_follow_the_stated_rule() -> None:
    assert psi([10, 0, 10], [10, 0, 10]) == 0
    assert psi([10, 10, 0], [5, 5, 10]) == pytest.approx(psi([10.5, 10.5, 0.5], [5.5, 5.5, 10.5]))
    assert psi([10, 10, 0, 0], [5, 5, 10, 0]) == pytest.approx(psi([10, 10, 0], [5, 5, 10]))


@pytest.mark.parametrize("bad", [[0, 0], [1, -1], [1, float("nan")], [1, 2, 3]])
def test_counts_that_cannot_be_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"counts|bins"):
        psi([1, 2], bad)


@given(values, values)
def test_ks_is_that_of_scipy(a: np.ndarray, b: np.ndarray) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    assert ks_distance(a, b) == pytest.approx(stats.ks_2samp(a, b, method="asymp").statistic, abs=1e-12)


@given(values, values, st.integers(1, 30))
def test_ks_of_histograms_brackets_the_raw_distance(a: np.ndarray, b: np.ndarray, bins: int) -> None:
    grid = Bins(-10.0, 10.0, bins)
    distance, bound = ks_of_histograms(grid.histogram(a), grid.histogram(b))
    assert distance - 1e-9 <= ks_distance(a, b) <= distance + bound + 1e-9


@given(st.integers(0, 1_000), st.floats(0, 3), st.integers(5, 60))
def test_page_hinkley_is_that_of_river(seed: int, shift: float, threshold: int) -> None:
    drift = pytest.importorskip("river.drift", reason="river is not installed")
    series = np.random.default_rng(seed).normal(size=300) + shift * (np.arange(300) >= 150)
    theirs = drift.PageHinkley(threshold=threshold)
    expected = []
    for index, value in enumerate(series):
        theirs.update(float(value))
        if theirs.drift_detected:
            expected.append(index)
    assert page_hinkley(series, PageHinkleySettings(threshold=threshold)) == expected


def test_page_hinkley_by_hand() -> None:
    # 40 zeros, then tens: the cumulated deviation passes 50 with the sixth ten
    alarms = page_hinkley([0.0] * 40 + [10.0] * 10)
    deviations = np.cumsum([10 - 10 * k / (40 + k) - 0.005 for k in range(1, 11)])
    assert alarms == [40 + int(np.argmax(deviations > 50))]
