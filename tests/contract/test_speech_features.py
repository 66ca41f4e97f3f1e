"""Features do not change with gain or a microphone's colour, and survive silence, clipping and scraps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.speech.features import BANDS, HOP, SAMPLE_RATE_HZ, WINDOW, log_mel


def tone(hz: float, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (np.sin(2 * np.pi * hz * t) * 0.3).astype(np.float32)


def test_given_a_clip_at_another_loudness_then_the_features_are_the_same() -> None:
    clip = tone(700) + np.random.default_rng(1).standard_normal(8_000).astype(np.float32) * 0.01
    assert np.allclose(log_mel(clip), log_mel(clip * 0.02), atol=1e-3)


def test_given_a_higher_tone_then_a_higher_band_is_loudest() -> None:
    noise = np.random.default_rng(2).standard_normal(8_000).astype(np.float32) * 1e-4
    # Half the clip is the tone, so that levelling cannot take it away.
    peaks = []
    for hz in (300, 900, 2_500, 6_000):
        clip = np.concatenate(
            [np.random.default_rng(3).standard_normal(8_000).astype(np.float32) * 0.1, tone(hz) + noise]
        )
        peaks.append(int(log_mel(clip)[60:90].mean(axis=0).argmax()))
    assert peaks == sorted(peaks) and len(set(peaks)) == 4


@pytest.mark.parametrize("samples", [0, 1, WINDOW - 1, WINDOW, WINDOW + HOP])
def test_given_a_scrap_or_silence_then_there_are_frames_and_no_infinity(samples: int) -> None:
    found = log_mel(np.zeros(samples, np.float32))
    assert found.shape == (max(1, 1 + (samples - WINDOW) // HOP), BANDS)
    assert np.isfinite(found).all()


@given(st.integers(1, 3_000), st.floats(0.0, 1.0), st.floats(0.84, 1.2))
def test_given_anything_then_features_are_finite(size: int, level: float, warp: float) -> None:
    clip = np.clip(np.random.default_rng(size).standard_normal(size) * level, -1, 1).astype(np.float32)
    assert np.isfinite(log_mel(clip, warp)).all()
