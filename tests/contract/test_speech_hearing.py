"""Several hearings of a clip become one: each frame still sums to 1, and one hearing alone is what the network said."""

import numpy as np
import pytest

from pikvani_contract.speech.features import BANDS, HOP, SAMPLE_RATE_HZ
from pikvani_contract.speech.hearing import EDGE_S, features_of, heard
from pikvani_contract.speech.package import View

CLIP = (np.sin(np.arange(9_600) * 0.2) * np.hanning(9_600)).astype(np.float32)


def network(features: np.ndarray) -> np.ndarray:
    """Says something of every third frame that depends on it."""
    scores = features[::3, :5].astype(np.float64)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), np.float32)


def test_given_a_view_then_the_clip_has_faint_noise_at_both_ends() -> None:
    features = features_of(CLIP, View(1e-3, 1.0))
    assert features.shape == (1 + (len(CLIP) + 2 * int(EDGE_S * SAMPLE_RATE_HZ) - 400) // HOP, BANDS)
    quiet = int(EDGE_S * SAMPLE_RATE_HZ) // HOP - 3
    assert features[:quiet].max() < features[quiet:-quiet].max() - 4
    assert features_of(CLIP, View(1e-2, 1.0))[:quiet].mean() > features[:quiet].mean() + 2


def test_given_one_view_then_it_is_what_the_network_says() -> None:
    view = View(3e-3, 1.06)
    assert np.array_equal(heard(CLIP, [view], network), network(features_of(CLIP, view)))


@pytest.mark.parametrize("views", [[View(), View(1e-2, 0.94)], [View(), View(3e-3), View(1e-2), View(1e-3, 1.2)]])
def test_given_several_views_then_every_frame_is_a_distribution_between_them(views: list[View]) -> None:
    mean = heard(CLIP, views, network)
    assert np.allclose(np.exp(mean).sum(axis=1), 1, atol=1e-5)
    each = np.stack([network(features_of(CLIP, view)) for view in views])
    assert np.argmax(mean, axis=1).tolist() == np.argmax(each.mean(axis=0), axis=1).tolist()


def test_given_silence_then_it_is_heard_without_a_warning() -> None:
    with np.errstate(all="raise"):
        assert np.isfinite(heard(np.zeros(0, np.float32), [View(), View(1e-2, 1.1)], network)).all()
