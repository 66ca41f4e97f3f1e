"""Wall time on a board without a battery: believed only as far as something confirms it."""

import time

from pikvani_contract.clock import ClockTrust
from pikvani_device.adapters.clock_linux import LinuxClock

YEAR_MS = 365 * 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_given_no_confirmation_then_wall_time_is_not_trusted(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("pikvani_device.adapters.clock_linux._NTP_MARK", tmp_path / "absent")
    clock = LinuxClock()
    assert clock.now().trust == ClockTrust.UNTRUSTED
    clock.raise_floor(now_ms() - YEAR_MS)
    assert clock.now().trust == ClockTrust.FLOOR


def test_given_a_time_before_or_far_after_the_floor_then_it_is_a_lie(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("pikvani_device.adapters.clock_linux._NTP_MARK", tmp_path / "absent")
    ahead, behind = LinuxClock(), LinuxClock()
    ahead.raise_floor(now_ms() + YEAR_MS)
    behind.raise_floor(now_ms() - 50 * YEAR_MS)
    assert ahead.now().trust == behind.now().trust == ClockTrust.UNTRUSTED


def test_given_the_centre_said_the_time_then_it_is_followed_from_there(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("pikvani_device.adapters.clock_linux._NTP_MARK", tmp_path / "absent")
    clock = LinuxClock()
    clock.learn(1_234_567_890_000)
    moment = clock.now()
    assert moment.trust == ClockTrust.SYNCED
    assert 0 <= moment.wall_ms - 1_234_567_890_000 < 5_000
    assert moment.boot_id == LinuxClock().now().boot_id


def test_given_two_readings_then_monotonic_time_does_not_step_back() -> None:
    clock = LinuxClock()
    readings = [clock.now().mono_ms for _ in range(100)]
    assert readings == sorted(readings)
