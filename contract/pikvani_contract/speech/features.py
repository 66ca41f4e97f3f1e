"""Log-mel features of 16 kHz speech, in numpy alone, the same for training and on the appliance."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
BANDS = 40
WINDOW = 400
"""Samples of one analysis window, 25 ms."""
HOP = 160
"""Samples between frames, 10 ms."""
_FFT = 512
_LOW_HZ, _HIGH_HZ = 60.0, 7_600.0
_FLOOR = 1e-7
"""Least band energy, as a share of the loudest band of the clip: exact zeros must not become a landmark."""
_SPEECH_SHARE = 1e-3
"""Frames within 30 dB of the loudest count as speech when the channel is levelled."""
DOUBT_FRAMES = 60
"""So many frames of speech weigh as much as `_USUAL` in what the channel is thought to be."""
_USUAL = np.array(
    (
        *(2.4, 3.7, 3.9, 4.0, 3.6, 3.3, 3.1, 2.8, 2.2, 1.6, 1.2, 0.9, 0.6, 0.4, 0.2, 0.0, -0.2, -0.4, -0.6, -0.8),
        *(-1.0, -1.1, -0.8, -0.5, -0.4, -0.5, -0.8, -0.8, -0.6, -0.8, -1.0, -1.3, -1.8, -2.2, -2.8, -3.3, -3.6),
        *(-3.6, -3.3, -3.1),
    ),
    dtype=np.float32,
)
"""Mean band level of long speech less its mean over bands: a mean over the training voices, natural logarithm."""


def log_mel(samples: NDArray[np.float32], warp: float = 1.0) -> NDArray[np.float32]:
    """Levelled log-mel energies of a clip.

    The mean over the louder frames is taken away, which removes gain; and with it the microphone's colour, as far as
    it can be told from the words: a band's mean is drawn towards that of usual speech, the more the less was said
    (maximum a posteriori). The plain mean of a word such as "आठ" is the vowel itself, and without it nothing is left.

    Args:
        samples: `[n]`, mono, 16 kHz, about -1 to 1. Shorter than a window is filled up with zeros.
        warp: stretches the frequency axis, 0.8 to 1.25; 1 outside training (Jaitly and Hinton 2013).

    Returns:
        `[frames, 40]`, natural logarithm, `frames = 1 + (n - 400) // 160`.
    """
    if len(samples) < WINDOW:
        samples = np.pad(samples, (0, WINDOW - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    centred = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred * _window(), _FFT, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    energy = power @ _bank(round(warp, 2))
    loudest = float(energy.max())
    if loudest <= 0:
        return np.zeros(energy.shape, dtype=np.float32)
    level = np.log(np.maximum(energy, loudest * _FLOOR))
    total = energy.sum(axis=1)
    speech = total >= total.max() * _SPEECH_SHARE
    mean = level[speech].mean(axis=0)
    loudness = float(mean.mean())
    trusted = float(speech.sum()) / (float(speech.sum()) + DOUBT_FRAMES)
    channel = loudness + trusted * (mean - loudness) + (1 - trusted) * _USUAL
    levelled: NDArray[np.float32] = (level - channel).astype(np.float32)
    return levelled


@cache
def _window() -> NDArray[np.float32]:
    return np.hanning(WINDOW).astype(np.float32)


@cache
def _bank(warp: float) -> NDArray[np.float32]:
    """Triangles `[257, 40]`, even on the mel scale (O'Shaughnessy: 2595 log10(1 + f/700)), moved by `warp`."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (_LOW_HZ, _HIGH_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1) * warp
    edges = np.minimum(edges, SAMPLE_RATE_HZ / 2)
    bins = np.arange(_FFT // 2 + 1) * SAMPLE_RATE_HZ / _FFT
    bank = np.zeros((len(bins), BANDS), dtype=np.float32)
    for band in range(BANDS):
        left, middle, right = edges[band : band + 3]
        rising = (bins - left) / max(middle - left, 1e-3)
        falling = (right - bins) / max(right - middle, 1e-3)
        bank[:, band] = np.clip(np.minimum(rising, falling), 0, None)
    return bank
