"""What stands between a farmer's mouth and the network: rooms, fields, engines, cheap microphones, telephones.

Every function takes and gives mono 16 kHz float32 and a random generator; nothing reads a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Clip = NDArray[np.float32]
_RATE = 16_000


def harden(clip: Clip, backgrounds: Sequence[Clip], length: int, rng: np.random.Generator) -> Clip:
    """A clip as a bad day records it, set somewhere in `length` samples of its own background.

    Args:
        clip: clean speech.
        backgrounds: noises to choose from, see `noise`; each is turned, cut and repeated to fit.
        length: samples of the result, best a multiple of 1,600; the clip is cut when it does not fit.
        rng: of everything.
    """
    out = resampled(clip, float(rng.uniform(0.85, 1.18))) if rng.random() < 0.7 else clip
    if rng.random() < 0.18:
        out = stretched(out, float(rng.uniform(0.8, 1.25)))
    out = out[: length - 800]
    out = out / (float(np.sqrt(np.mean(out**2))) + 1e-6)
    room = length - len(out)
    start = int(rng.integers(0, room + 1))
    whole = np.zeros(length, np.float32)
    whole[start : start + len(out)] = out
    if rng.random() < 0.3:  # a quiet room and a good microphone: without them the units are learnt slowly
        hiss = rng.standard_normal(length).astype(np.float32) * 10 ** float(rng.uniform(-3.0, -1.7))
        return coloured(whole + hiss, rng)
    if rng.random() < 0.55:
        whole = in_room(whole, rng)
    if rng.random() < 0.9:
        ratio_db = rng.normal(18, 8) if rng.random() < 0.75 else rng.uniform(0, 40)
        chosen = backgrounds[int(rng.integers(len(backgrounds)))]
        turned = np.resize(np.roll(chosen, int(rng.integers(len(chosen)))), length)
        whole = whole + _level(turned) * 10 ** (-max(float(ratio_db), -1.0) / 20)
    whole = whole + rng.standard_normal(length).astype(np.float32) * 10 ** float(rng.uniform(-4.0, -2.3))
    if rng.random() < 0.75:
        whole = coloured(whole, rng)
    if rng.random() < 0.12:
        limit = float(np.quantile(np.abs(whole), rng.uniform(0.9, 0.995)))
        whole = np.clip(whole, -limit, limit)
    if rng.random() < 0.08:
        whole = mu_law(whole)
    if rng.random() < 0.3:
        whole = cut_tight(whole, start, start + len(out), rng)
    return whole.astype(np.float32)


def cut_tight(clip: Clip, start: int, end: int, rng: np.random.Generator) -> Clip:
    """As cut by hand or by a switch: background and all falls away within a few hundredths of a second of the word."""
    begin = max(start + int(rng.integers(-2_400, 320)), 0)
    stop = min(end + int(rng.integers(-320, 2_400)), len(clip))
    if stop - begin < _RATE // 10:
        return clip
    fade = int(rng.integers(1, 400))
    gate = np.zeros(len(clip), np.float32)
    gate[begin:stop] = 1
    rise = np.linspace(0, 1, fade, dtype=np.float32)[: stop - begin]
    gate[begin : begin + len(rise)] *= rise
    gate[stop - len(rise) : stop] *= rise[::-1]
    faint = rng.standard_normal(len(clip)).astype(np.float32) * float(np.abs(clip).max()) * 10 ** rng.uniform(-4, -2.5)
    return np.asarray(clip * gate + faint, np.float32)


def resampled(clip: Clip, factor: float) -> Clip:
    """Faster and higher by `factor`, as a tape."""
    positions = np.arange(0, len(clip) - 1, factor)
    return np.interp(positions, np.arange(len(clip)), clip).astype(np.float32)


def stretched(clip: Clip, factor: float) -> Clip:
    """Longer by `factor` at the same pitch: overlapped pieces, each moved to where it fits best (WSOLA)."""
    size, step, search = 480, 240, 120
    if len(clip) < 4 * size:
        return clip
    count = int((len(clip) * factor - size) / step)
    window = np.hanning(size).astype(np.float32)
    out = np.zeros(count * step + size, np.float32)
    want = clip[:size]
    for k in range(count):
        centre = int(k * step / factor)
        low, high = max(centre - search, 0), min(centre + search, len(clip) - size - step)
        if high <= low:
            break
        block = np.lib.stride_tricks.sliding_window_view(clip[low : high + size], size)[::8]
        best = low + 8 * int(np.argmax(block @ want))
        out[k * step : k * step + size] += clip[best : best + size] * window
        want = clip[best + step : best + step + size]
    return out


def in_room(clip: Clip, rng: np.random.Generator) -> Clip:
    """Convolved with a decaying tail: 0.08 to 0.7 s to fall by 60 dB, near to far."""
    decay_s = float(rng.uniform(0.08, 0.7))
    size = int(decay_s * _RATE)
    tail = rng.standard_normal(size) * np.exp(-6.9 * np.arange(size) / size)
    tail *= float(rng.uniform(0.05, 0.9)) / np.sqrt(np.sum(tail**2))
    tail[: int(rng.integers(16, 200))] = 0
    tail[0] = 1.0
    return _convolved(clip, tail.astype(np.float32))


def noise(length: int, others: Sequence[Clip], rng: np.random.Generator) -> Clip:
    """Background of unit loudness: hiss, wind, an engine, insects or a crowd, sometimes two of them."""
    makers: list[Callable[[int, np.random.Generator], Clip]] = [_hiss, _wind, _engine, _insects, _clatter]
    kind = int(rng.integers(0, 7))
    made = _crowd(length, others, rng) if kind >= 5 and len(others) else makers[kind % 5](length, rng)
    if rng.random() < 0.25:
        made = _level(made) + makers[int(rng.integers(5))](length, rng) * float(rng.uniform(0.2, 1))
    return _level(made)


def _hiss(length: int, rng: np.random.Generator) -> Clip:
    return _shaped(length, rng, lambda f: (f + 30) ** -float(rng.uniform(0, 1.6)))


def _wind(length: int, rng: np.random.Generator) -> Clip:
    rumble = _shaped(length, rng, lambda f: (f + 20) ** -float(rng.uniform(1.2, 2.2)))
    points = np.abs(rng.standard_normal(length // 3_200 + 3)) ** 1.5 + 0.1
    return (rumble * np.interp(np.linspace(0, len(points) - 1, length), np.arange(len(points)), points)).astype(
        np.float32
    )


def _engine(length: int, rng: np.random.Generator) -> Clip:
    base = float(rng.uniform(18, 130))
    drift = 1 + 0.02 * np.cumsum(rng.standard_normal(length // 400 + 2)) / 10
    phase = np.cumsum(np.interp(np.arange(length) / 400, np.arange(len(drift)), drift)) * 2 * np.pi * base / _RATE
    out = np.zeros(length)
    for k in range(1, int(rng.integers(8, 28))):
        out += np.sin(k * phase + rng.uniform(0, 6.3)) * rng.uniform(0.2, 1) / k ** rng.uniform(0.3, 1.2)
    return _level(out.astype(np.float32)) + _hiss(length, rng) * float(rng.uniform(0, 0.6))


def _insects(length: int, rng: np.random.Generator) -> Clip:
    t = np.arange(length) / _RATE
    out = np.zeros(length)
    for _ in range(int(rng.integers(1, 4))):
        beat = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * rng.uniform(4, 40) * t + rng.uniform(0, 6)))
        out += np.sin(2 * np.pi * rng.uniform(2_500, 6_500) * t) * beat
    return out.astype(np.float32) + _hiss(length, rng) * 0.3


def _clatter(length: int, rng: np.random.Generator) -> Clip:
    out = np.zeros(length, np.float32)
    for _ in range(int(rng.integers(1, 8))):
        size = int(rng.integers(200, 3_000))
        at = int(rng.integers(0, max(length - size, 1)))
        burst = rng.standard_normal(size) * np.exp(-6 * np.arange(size) / size)
        out[at : at + size] += burst[: length - at].astype(np.float32) * float(rng.uniform(0.2, 1))
    return out + _hiss(length, rng) * 0.1


def _crowd(length: int, others: Sequence[Clip], rng: np.random.Generator) -> Clip:
    out = np.zeros(length, np.float32)
    for _ in range(int(rng.integers(3, 9))):
        other = others[int(rng.integers(len(others)))]
        rolled = np.resize(_level(other), length)
        out += np.roll(rolled, int(rng.integers(length))) * float(rng.uniform(0.3, 1))
    return in_room(out, rng)


def coloured(clip: Clip, rng: np.random.Generator) -> Clip:
    """Through a cheap microphone: a random smooth frequency response, sometimes a telephone's band."""
    bins = fft.rfftfreq(len(clip), 1 / _RATE)
    knots = np.array([0, 150, 400, 800, 1_500, 2_500, 3_500, 5_000, 8_000])
    gain_db = np.interp(bins, knots, rng.normal(0, 5, len(knots)))
    gain = 10 ** (gain_db / 20)
    if rng.random() < 0.5:
        low = float(rng.choice([60, 100, 200, 300])) * float(rng.uniform(0.8, 1.2))
        gain *= 1 / (1 + (low / (bins + 1e-3)) ** 4)
    if rng.random() < 0.55:
        high = 3_400.0 if rng.random() < 0.35 else float(rng.uniform(3_000, 7_800))
        gain *= 1 / (1 + (bins / high) ** float(rng.choice([6, 12, 24])))
    return fft.irfft(fft.rfft(clip) * gain.astype(np.float32), len(clip)).astype(np.float32)


def mu_law(clip: Clip) -> Clip:
    """Eight bits, as a telephone line codes them (G.711)."""
    peak = float(np.abs(clip).max()) + 1e-6
    x = clip / peak
    coded = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)
    coded = np.round(coded * 127) / 127
    return (np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255 * peak).astype(np.float32)


def _shaped(length: int, rng: np.random.Generator, shape: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Clip:
    spectrum = fft.rfft(rng.standard_normal(length)) * shape(fft.rfftfreq(length, 1 / _RATE))
    return _level(fft.irfft(spectrum, length).astype(np.float32))


def _convolved(clip: Clip, tail: Clip) -> Clip:
    size = 1 << (len(clip) + len(tail) - 1).bit_length()
    return fft.irfft(fft.rfft(clip, size) * fft.rfft(tail, size), size)[: len(clip)].astype(np.float32)


def _level(clip: Clip) -> Clip:
    return (clip / (float(np.sqrt(np.mean(clip**2))) + 1e-6)).astype(np.float32)
