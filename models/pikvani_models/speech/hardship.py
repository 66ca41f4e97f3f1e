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
    if rng.random() < 0.2:
        out = held_level(out, float(rng.uniform(0.2, 0.6)))
    room = length - len(out)
    start = int(rng.integers(0, room + 1))
    whole = np.zeros(length, np.float32)
    whole[start : start + len(out)] = out
    tight = rng.random() < _TIGHT
    if rng.random() < 0.3:  # a quiet room and a good microphone: without them the units are learnt slowly
        hiss = rng.standard_normal(length).astype(np.float32) * 10 ** float(rng.uniform(-3.0, -1.2 if tight else -1.7))
        whole = coloured(whole + hiss, rng)
    else:
        whole = _spoilt(whole, backgrounds, rng)
    if rng.random() < 0.15:
        whole = with_holes(whole, float(rng.uniform(14, 40)))
    if tight:
        first, last = spoken(out)
        whole = cut_tight(whole, start + first, start + last, rng)
    return whole.astype(np.float32)


def _spoilt(whole: Clip, backgrounds: Sequence[Clip], rng: np.random.Generator) -> Clip:
    length = len(whole)
    if rng.random() < 0.55:
        whole = in_room(whole, rng)
    if rng.random() < 0.9:
        ratio_db = rng.normal(16, 8) if rng.random() < 0.75 else rng.uniform(0, 40)
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
    return whole


_TIGHT = 0.5
"""Share of clips cut close to the word: held back, one in five was too few (EXPERIMENTS.md)."""


def spoken(clip: Clip) -> tuple[int, int]:
    """First sample and the one after the last of what stands within 35 dB of the loudest hundredth of a second."""
    count = len(clip) // 160
    if count < 2:
        return 0, len(clip)
    power = np.square(clip[: count * 160]).reshape(count, 160).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10**-3.5)
    if not len(loud):  # silence
        return 0, len(clip)
    return int(loud[0]) * 160, (int(loud[-1]) + 1) * 160


def cut_tight(clip: Clip, start: int, end: int, rng: np.random.Generator) -> Clip:
    """As cut by hand or by a switch: background and all falls away within some hundredths of a second of the word.

    A quarter lose a little of the word itself: the burst of a stop, the end of a last consonant.
    """
    begin = max(start + int(rng.integers(-1_600, 1) if rng.random() < 0.75 else rng.integers(0, 500)), 0)
    stop = min(end + int(rng.integers(0, 1_600) if rng.random() < 0.75 else rng.integers(-700, 1)), len(clip))
    if stop - begin < _RATE // 10:
        return clip
    fade = int(rng.integers(1, 300)) if rng.random() < 0.6 else 1
    gate = np.zeros(len(clip), np.float32)
    gate[begin:stop] = 1
    rise = np.linspace(0, 1, fade + 1, dtype=np.float32)[1:][: stop - begin]
    gate[begin : begin + len(rise)] *= rise
    gate[stop - len(rise) : stop] *= rise[::-1]
    faint = rng.standard_normal(len(clip)).astype(np.float32)
    cut = clip * gate
    return np.asarray(cut + faint * float(np.abs(cut).max()) * 10 ** rng.uniform(-3.6, -2.7), np.float32)


def held_level(clip: Clip, share: float) -> Clip:
    """As an automatic gain makes it: loud and soft parts drawn together, by `share` of their distance in decibels."""
    smooth = np.sqrt(
        fft.irfft(fft.rfft(np.square(clip)) / (1 + 1j * np.arange(len(clip) // 2 + 1) / 40), len(clip)).clip(0)
    )
    gain = (smooth + 0.03 * float(smooth.max()) + 1e-6) ** -share
    return _level((clip * gain).astype(np.float32))


def with_holes(clip: Clip, depth_db: float) -> Clip:
    """As a thrifty codec or a noise filter leaves it: what lies `depth_db` under the loudest of its moment is gone."""
    size, step = 512, 256
    window = np.sqrt(np.hanning(size + 1)[:size]).astype(np.float32)
    padded = np.pad(clip, (step, size + step - len(clip) % step))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::step] * window
    spectra = fft.rfft(frames, axis=1)
    power = np.abs(spectra)
    spectra[power < power.max(axis=1, keepdims=True) * 10 ** (-depth_db / 20)] = 0
    back = fft.irfft(spectra, size, axis=1) * window
    out = np.zeros(len(padded), np.float32)
    count = len(back)
    out[: count * step] += back[:, :step].reshape(-1)
    out[step : (count + 1) * step] += back[:, step:].reshape(-1)
    return out[step : step + len(clip)]


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
