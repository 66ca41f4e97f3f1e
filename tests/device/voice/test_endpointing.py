"""A note ends when its speaker does: not before, not long after, and not never."""

from __future__ import annotations

import numpy as np
import pytest

from pikvani_device.voice.endpointing import FRAME, RATE_HZ, Endpointer


def sound(*parts: tuple[float, float], seed: int = 1) -> np.ndarray:
    """Noise of (seconds, level) one after the other."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.standard_normal(int(s * RATE_HZ)) * level for s, level in parts]).astype(np.float32)


def listen(samples: np.ndarray, end: Endpointer) -> tuple[str, float]:
    for k in range(0, len(samples) - FRAME + 1, FRAME):
        if end.feed(samples[k : k + FRAME]) in ("ended", "nobody", "full"):
            return end.state, (k + FRAME) / RATE_HZ
    return end.state, len(samples) / RATE_HZ


@pytest.mark.parametrize("background", [0.0005, 0.003, 0.02])
def test_given_a_word_in_any_background_then_it_ends_a_second_after_it(background: float) -> None:
    clip = sound((1.0, background), (0.8, 0.2), (4.0, background))
    state, at = listen(clip, Endpointer())
    assert state == "ended" and 1.8 + 0.8 <= at <= 1.8 + 1.3


def test_given_a_pause_for_thought_then_the_note_goes_on() -> None:
    clip = sound((0.5, 0.001), (0.5, 0.2), (0.6, 0.001), (0.5, 0.2), (3.0, 0.001))
    assert listen(clip, Endpointer())[1] > 2.1


def test_given_nobody_then_it_stops_waiting() -> None:
    state, at = listen(sound((12.0, 0.002)), Endpointer())
    assert state == "nobody" and at == pytest.approx(7.0, abs=0.1)


def test_given_someone_who_never_stops_then_it_is_full_at_a_minute() -> None:
    bursts = [(0.3, 0.3 if k % 2 else 0.002) for k in range(220)]
    state, at = listen(sound(*bursts), Endpointer())
    assert state == "full" and at == pytest.approx(60.0, abs=0.1)


def test_given_a_door_that_slams_then_nobody_has_spoken() -> None:
    clip = sound((1.0, 0.001), (0.03, 0.9), (8.0, 0.001))
    assert listen(clip, Endpointer())[0] == "nobody"


def test_given_louder_speech_then_the_meter_is_higher_and_stays_between_0_and_1() -> None:
    levels = []
    for loud in (0.0, 0.001, 0.05, 1.0):
        end = Endpointer()
        end.feed(np.full(FRAME, loud, np.float32))
        levels.append(end.level)
    assert levels == sorted(levels) and levels[0] == 0 and levels[-1] <= 1
