"""Refusal is fitted on strangers that were trained on; it is for those that were not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from pikvani_contract.model.manifest import Linear
from pikvani_models.fitting import _logistic

KNOWN, TRAINED, NEVER_SEEN = (4.0, 1.0), (-4.0, -1.0), (3.0, -1.0)
"""Mean refusal log-odds and mean of a second, weaker sign: a stranger never seen betrays itself by the second alone."""


def drawn(means: tuple[float, float], count: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(means, 0.8, (count, 2))


def said(model: Linear, x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x @ np.array(model.weights) + model.bias


def refused_at_90_kept(score_known: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    return float((score < np.quantile(score_known, 0.1)).mean())


def test_given_strangers_that_one_sign_tells_then_the_other_counts_too_and_new_ones_are_refused_more_often() -> None:
    x = np.vstack([drawn(KNOWN, 400, 1), drawn(TRAINED, 200, 2)])
    y = np.array([1] * 400 + [0] * 200)
    model, by_itself = _logistic(x, y, np.ones(600)), LogisticRegression(C=1.0).fit(x, y)
    free = Linear(tuple(by_itself.coef_[0]), float(by_itself.intercept_[0]))
    known, strangers = drawn(KNOWN, 2000, 3), drawn(NEVER_SEEN, 2000, 4)
    shared = refused_at_90_kept(said(model, known), said(model, strangers))
    assert shared > refused_at_90_kept(said(free, known), said(free, strangers)) + 0.05
    assert shared > 0.6


def test_given_a_shrunk_direction_then_what_it_says_of_the_known_is_still_as_sure_as_they_are_known() -> None:
    x = drawn((0.0, 0.0), 4000, 5)
    truth = 1 / (1 + np.exp(-(x @ np.array([1.0, 1.0]) + 0.3)))
    y = (np.random.default_rng(6).random(4000) < truth).astype(int)
    p = 1 / (1 + np.exp(-said(_logistic(x, y, np.ones(4000)), x)))
    for low in (0.2, 0.4, 0.6):
        within = (p >= low) & (p < low + 0.2)
        assert abs(p[within].mean() - y[within].mean()) < 0.04
