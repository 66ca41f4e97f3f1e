"""Features as Whisper takes them: alike at any loudness, in the published bands, finite for scraps and silence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.speech.features import HOP, SAMPLE_RATE_HZ, WINDOW
from pikvani_contract.speech.whisper import BANDS, log_mel

CENTRES_HZ = {0: 37.2, 20: 782.0, 40: 1_721.7, 60: 3_711.2, 79: 7_698.6}
"""Middles of bands of Slaney's scale, 80 to 8,000 Hz, by librosa 0.11.0: `mel_frequencies(82, fmax=8000)`."""


def tone(hz: float, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (np.sin(2 * np.pi * hz * t) * 0.3).astype(np.float32)


@pytest.mark.parametrize(("band", "hz"), CENTRES_HZ.items())
def test_given_a_tone_in_the_middle_of_a_band_then_that_band_is_loudest(band: int, hz: float) -> None:
    assert int(log_mel(tone(hz))[5:-5].mean(axis=0).argmax()) == band


def test_given_a_clip_at_another_loudness_then_the_features_are_the_same() -> None:
    clip = tone(700) + np.random.default_rng(1).standard_normal(8_000).astype(np.float32) * 0.01
    assert np.allclose(log_mel(clip), log_mel(clip * 0.02), atol=1e-4)


def test_given_a_clip_then_its_loudest_has_one_level_and_all_80_decibels_under_it_another() -> None:
    found = log_mel(np.concatenate([tone(900), np.zeros(4_000, np.float32)]))
    assert found.max() == pytest.approx(5.5 / 4) and found.min() == pytest.approx(-2.5 / 4)


def test_given_a_shorter_throat_then_a_warp_brings_its_tones_back() -> None:
    usual, shorter = log_mel(tone(1_500)), log_mel(tone(1_500 * 1.1), 1.1)
    assert int(usual[20].argmax()) == int(shorter[20].argmax())


@pytest.mark.parametrize("samples", [0, 1, WINDOW - 1, WINDOW, WINDOW + HOP])
def test_given_a_scrap_or_silence_then_there_are_frames_and_no_infinity(samples: int) -> None:
    found = log_mel(np.zeros(samples, np.float32))
    assert found.shape == (1 + max(samples, WINDOW) // HOP, BANDS) and np.isfinite(found).all()


@given(st.integers(1, 3_000), st.floats(0.0, 1.0), st.floats(0.84, 1.2))
def test_given_anything_then_features_are_finite(size: int, level: float, warp: float) -> None:
    clip = np.clip(np.random.default_rng(size).standard_normal(size) * level, -1, 1).astype(np.float32)
    assert np.isfinite(log_mel(clip, warp)).all()
