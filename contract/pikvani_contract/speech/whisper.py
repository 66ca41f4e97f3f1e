"""Log-mel features of 16 kHz speech as OpenAI's Whisper takes them (Radford et al. 2022), in numpy alone.

A network that goes on from Whisper's first layers hears only what those were trained on: 80 bands of Slaney's mel
scale, common logarithms, all that lies 80 dB under the loudest cut off. One thing differs: the loudest is moved to one
level, since a farmer's distance from the microphone says nothing.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.features import HOP, SAMPLE_RATE_HZ, WINDOW

BANDS = 80
_PEAK = 1.5
"""Where the loudest is put: the common logarithm of its power, of usual recordings."""
_RANGE = 8.0
"""Powers of ten under the loudest that are kept."""
_FLOOR = 1e-12
_BREAK_HZ = 1_000.0
"""Slaney's scale is even below and logarithmic above."""


def log_mel(samples: NDArray[np.float32], warp: float = 1.0) -> NDArray[np.float32]:
    """Features of a clip.

    Args:
        samples: `[n]`, mono, 16 kHz, about -1 to 1. Shorter than a window is filled up with zeros.
        warp: stretches the frequency axis, 0.8 to 1.25; 1 outside training (Jaitly and Hinton 2013).

    Returns:
        `[1 + n // 160, 80]`, -0.6 to 1.4.
    """
    if len(samples) < WINDOW:
        samples = np.pad(samples, (0, WINDOW - len(samples)))
    padded = np.pad(samples, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * _window()
    spectrum = np.fft.rfft(frames, WINDOW, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ _bank(round(warp, 2))
    level = np.log10(np.maximum(power, _FLOOR))
    kept = np.maximum(level - level.max(), -_RANGE) + _PEAK
    return np.asarray((kept + 4) / 4, np.float32)


@cache
def _window() -> NDArray[np.float32]:
    """Hann's, periodic."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


@cache
def _bank(warp: float) -> NDArray[np.float32]:
    """Triangles `[201, 80]` of equal area, even on Slaney's scale; what lies at `f` is taken for `f / warp`."""
    edges = _hz(np.linspace(0, float(_mel(SAMPLE_RATE_HZ / 2)), BANDS + 2))
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    hz = (np.arange(WINDOW // 2 + 1) * SAMPLE_RATE_HZ / WINDOW / warp)[:, None]
    slopes = np.minimum((hz - left) / (middle - left), (right - hz) / (right - middle))
    return np.asarray(np.maximum(0, slopes) * (2 / (right - left)), np.float32)


_EVEN = 200 / 3
"""Hz of a mel below the break."""
_STEP = np.log(6.4) / 27
"""Of the natural logarithm a mel above it."""
_BREAK = _BREAK_HZ / _EVEN


def _mel(hz: float) -> float:
    return hz / _EVEN if hz < _BREAK_HZ else _BREAK + float(np.log(hz / _BREAK_HZ)) / _STEP


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < _BREAK, mel * _EVEN, _BREAK_HZ * np.exp(_STEP * (mel - _BREAK)))
