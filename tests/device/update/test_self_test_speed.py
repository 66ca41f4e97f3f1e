"""Time in a self-test: a busy board does not send a sound model back, and a slow model stays slow."""

from __future__ import annotations

import time

import pytest

from pikvani_device.app import self_tests


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_tests, "_PAUSE_S", 0.0)


class Model:
    """Takes its time; the board is busy for its first calls."""

    def __init__(self, takes_s: float, busy_calls: int = 0) -> None:
        self._takes_s, self._busy_calls = takes_s, busy_calls
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        time.sleep(self._takes_s + (0.01 if self.calls <= self._busy_calls else 0))


def test_given_a_board_that_is_busy_at_first_then_a_sound_model_is_looked_at_again() -> None:
    new, old = Model(0.001, busy_calls=20), Model(0.001)
    best = self_tests.best_ms([new, old])
    assert not self_tests._too_slow(best)
    assert new.calls > 15


def test_given_a_slow_model_then_looking_again_does_not_help_it() -> None:
    new, old = Model(0.008), Model(0.001)
    assert self_tests._too_slow(self_tests.best_ms([new, old]))
    assert new.calls <= 100


def test_given_two_alike_then_one_look_is_enough() -> None:
    new, old = Model(0.001), Model(0.001)
    self_tests.best_ms([new, old])
    assert new.calls == 15 or not self_tests._too_slow(self_tests.best_ms([new, old]))
