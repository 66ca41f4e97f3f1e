"""Several hearings of a clip become one: each frame still sums to 1, and one hearing alone is what the network said."""

import numpy as np
import pytest

from pikvani_contract.speech.features import BANDS, HOP, SAMPLE_RATE_HZ, log_mel
from pikvani_contract.speech.hearing import EDGE_S, features_of, heard
from pikvani_contract.speech.package import View

CLIP = (np.sin(np.arange(9_600) * 0.2) * np.hanning(9_600)).astype(np.float32)


def network(features: np.ndarray) -> np.ndarray:
    """Says something of every third frame that depends on it."""
    scores = features[::3, :5].astype(np.float64)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), np.float32)


def test_given_a_view_then_the_clip_has_faint_noise_at_both_ends() -> None:
    features = features_of(CLIP, View(1e-3, 1.0), log_mel)
    assert features.shape == (1 + (len(CLIP) + 2 * int(EDGE_S * SAMPLE_RATE_HZ) - 400) // HOP, BANDS)
    quiet = int(EDGE_S * SAMPLE_RATE_HZ) // HOP - 3
    assert features[:quiet].max() < features[quiet:-quiet].max() - 4
    assert features_of(CLIP, View(1e-2, 1.0), log_mel)[:quiet].mean() > features[:quiet].mean() + 2


def test_given_one_view_then_it_is_what_the_network_says() -> None:
    view = View(3e-3, 1.06)
    assert np.array_equal(heard(CLIP, [view], log_mel, network), network(features_of(CLIP, view, log_mel)))


@pytest.mark.parametrize("views", [[View(), View(1e-2, 0.94)], [View(), View(3e-3), View(1e-2), View(1e-3, 1.2)]])
def test_given_several_views_then_every_frame_is_a_distribution_between_them(views: list[View]) -> None:
    mean = heard(CLIP, views, log_mel, network)
    assert np.allclose(np.exp(mean).sum(axis=1), 1, atol=1e-5)
    each = np.stack([network(features_of(CLIP, view, log_mel)) for view in views])
    assert np.argmax(mean, axis=1).tolist() == np.argmax(each.mean(axis=0), axis=1).tolist()


def test_given_silence_then_it_is_heard_without_a_warning() -> None:
    with np.errstate(all="raise"):
        assert np.isfinite(heard(np.zeros(0, np.float32), [View(), View(1e-2, 1.1)], log_mel, network)).all()


@pytest.mark.parametrize("seconds", [7.5, 7.51, 10.2, 15.66, 23, 60])
def test_given_a_long_clip_then_it_is_heard_in_parts_as_if_at_once(seconds: float) -> None:
    clip = np.sin(np.arange(int(seconds * SAMPLE_RATE_HZ)) ** 1.3 * 0.01).astype(np.float32)
    sizes = []

    def near(features: np.ndarray) -> np.ndarray:
        """Hears half a second to either side."""
        sizes.append(len(features))
        sums = np.cumsum(np.pad(features[:, :5], ((51, 50), (0, 0))), axis=0)
        scores = (sums[101:] - sums[:-101])[::3].astype(np.float64) / 101
        return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), np.float32)

    found = heard(clip, [View()], log_mel, near)
    assert max(sizes) <= 720 and len(sizes) > 1
    assert np.allclose(found, near(features_of(clip, View(), log_mel)), atol=1e-3)
