"""A photograph becomes a model input: a centred square, resized, normalised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pikvani_contract.model.manifest import ViewSpec
from pikvani_contract.model.preprocess import model_input, square

from .conftest import small_manifest

SPEC = small_manifest(()).input
WHOLE, CLOSER = SPEC.views


@pytest.mark.parametrize("shape", [(1, 1), (40, 300), (300, 40), (3000, 4000)])
def test_any_size_gives_the_promised_shape(shape: tuple[int, int]) -> None:
    view = model_input(np.full((*shape, 3), 255, np.uint8), SPEC, WHOLE)
    assert (view.shape, view.dtype) == ((1, 64, 64, 3), np.float32)
    assert np.allclose(view, 1.0)


def test_the_middle_is_kept_and_the_sides_are_not() -> None:
    rgb = np.zeros((64, 192, 3), np.uint8)
    rgb[:, 64:128] = 127
    assert np.allclose(model_input(rgb, SPEC, WHOLE), 0.0)


@settings(deadline=None)
@given(
    st.integers(1, 500),
    st.integers(1, 500),
    st.floats(0.01, 1.0),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_square_always_lies_inside(h: int, w: int, share: float, x: float, y: float) -> None:
    view = ViewSpec("any", share, "map", "always")
    left, top, side = square(np.zeros((h, w, 3), np.uint8), view, (x, y))
    assert left >= 0
    assert top >= 0
    assert side >= 1
    assert left + side <= w
    assert top + side <= h
