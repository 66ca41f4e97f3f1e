"""The day's sketch: said once the day is over, out of the cases, whatever dies in between."""

import random
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.clock import ClockTrust, ManualClock
from pikvani_contract.messages import Lane, SketchBody
from pikvani_contract.samples import case_body
from pikvani_contract.sketch import MAX_ENCODED_BYTES, decode_sketch
from pikvani_contract.wire import unpack_body
from pikvani_device.drift.saying import local_day, say_finished_days
from pikvani_device.drift.traits import NAMES
from pikvani_device.errors import StoreError
from pikvani_device.store import Store, open_store
from pikvani_device.store.rescue import rescue

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOON_MS = 1_782_887_400_000  # 2026-07-01, 12:00 in India
FULL_DISK = "CREATE TRIGGER full BEFORE INSERT ON said_sketches BEGIN SELECT RAISE(ABORT, 'disk full'); END"
TRAITS = bytes([1, 3, *range(len(NAMES) - 1)])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_MS)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Store:
    return open_store(tmp_path / "device.sqlite3", clock)


def record(store: Store, count: int, seed: int = 1) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        store.record_case(case_body(rng), (), TRAITS)


def queued(store: Store) -> list[SketchBody]:
    found = []
    for waiting in store.waiting():
        if waiting.lane == Lane.SKETCH:
            bodies = [unpack_body(r) for r in store.records_after(waiting, 0, 1_000)]
            found += [body for body in bodies if isinstance(body, SketchBody)]
    return found


def test_a_day_is_indias_day() -> None:
    assert local_day(1_782_844_199_999) == "2026-06-30"
    assert local_day(1_782_844_200_000) == "2026-07-01"


def test_today_waits_and_a_finished_day_is_said_once(store: Store, clock: ManualClock) -> None:
    record(store, 5)
    assert say_finished_days(store, clock) == 0
    clock.advance(DAY_MS)
    record(store, 2)
    assert [say_finished_days(store, clock) for _ in range(3)] == [1, 0, 0]
    (said,) = queued(store)
    sketch = decode_sketch(said.data)
    assert (said.day, said.revision, sketch.cases) == ("2026-07-01", 5, 5)
    assert set(NAMES) < set(sketch.histograms)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.data())
def test_restarts_and_failed_writes_anywhere_say_every_case_once(
    tmp_path_factory: pytest.TempPathFactory, days: list[int], data: st.DataObject
) -> None:
    # given a device that is started anew, and whose disk fails, at any time
    folder = tmp_path_factory.mktemp("device")
    clock = ManualClock(NOON_MS)
    store = open_store(folder / "d.sqlite3", clock)
    for number, count in enumerate(days):
        record(store, count, number)
        clock.advance(DAY_MS)
        for _ in range(data.draw(st.integers(0, 2))):
            if data.draw(st.booleans()):
                store.close()
                clock.reboot(clock.now().wall_ms, ClockTrust.SYNCED)
                store = open_store(folder / "d.sqlite3", clock)
            if data.draw(st.booleans()):
                store._db.execute(FULL_DISK)
                with suppress(StoreError):
                    say_finished_days(store, clock)
                store._db.execute("DROP TRIGGER full")
            say_finished_days(store, clock)
    say_finished_days(store, clock)
    # then each day is said with just its cases, once
    said = {body.day: body.revision for body in queued(store)}
    assert len(queued(store)) == len(said)
    assert sorted(said.values()) == sorted(count for count in days if count)
    store.close()


def test_a_case_that_comes_to_a_said_day_is_added_and_said_again(store: Store, clock: ManualClock) -> None:
    # given a day said, and a clock that is then put back into it
    record(store, 3)
    clock.advance(DAY_MS)
    say_finished_days(store, clock)
    clock.step_wall(NOON_MS + HOUR_MS, ClockTrust.SYNCED)
    record(store, 2)
    clock.step_wall(NOON_MS + 2 * DAY_MS, ClockTrust.SYNCED)
    say_finished_days(store, clock)
    assert [(body.day, body.revision) for body in queued(store)] == [("2026-07-01", 3), ("2026-07-01", 5)]


def test_one_day_never_costs_more_than_its_bytes(store: Store, clock: ManualClock) -> None:
    # given a clock that is put back into the same day twenty times
    for turn in range(20):
        clock.step_wall(NOON_MS, ClockTrust.SYNCED)
        record(store, 1, turn)
        clock.step_wall(NOON_MS + DAY_MS, ClockTrust.SYNCED)
        say_finished_days(store, clock)
    said = queued(store)
    assert 1 < len(said) < 20
    assert sum(len(body.data) for body in said) <= MAX_ENCODED_BYTES
    # and nothing is forgotten that was not said
    assert store._read("SELECT revision FROM said_sketches") == [(20,)]


def test_nobodys_clock_says_nothing_and_its_cases_are_passed_over(store: Store, clock: ManualClock) -> None:
    clock.step_wall(0, ClockTrust.UNTRUSTED)
    record(store, 4)
    assert say_finished_days(store, clock) == 0
    clock.step_wall(NOON_MS, ClockTrust.SYNCED)
    record(store, 1)
    clock.advance(DAY_MS)
    say_finished_days(store, clock)
    assert [body.revision for body in queued(store)] == [1]


def test_a_case_dated_decades_ahead_does_not_block_the_days_behind_it(store: Store, clock: ManualClock) -> None:
    clock.step_wall(NOON_MS + 20_000 * DAY_MS, ClockTrust.SYNCED)
    record(store, 1)
    clock.step_wall(NOON_MS, ClockTrust.SYNCED)
    record(store, 2)
    clock.advance(DAY_MS)
    say_finished_days(store, clock)
    assert [body.revision for body in queued(store)] == [2]


def test_a_rescued_store_says_the_same_again_under_the_same_revision(tmp_path: Path, clock: ManualClock) -> None:
    store = open_store(tmp_path / "device.sqlite3", clock)
    record(store, 3)
    clock.advance(DAY_MS)
    say_finished_days(store, clock)
    (before,) = queued(store)
    store.close()
    rescue(tmp_path / "device.sqlite3", clock)
    store = open_store(tmp_path / "device.sqlite3", clock)
    say_finished_days(store, clock)
    assert queued(store) == [before, before]


def test_a_busy_day_of_every_crop_fits_its_bytes(store: Store, clock: ManualClock) -> None:
    record(store, 300)
    clock.advance(DAY_MS)
    say_finished_days(store, clock)
    (said,) = queued(store)
    assert len(msgspec.msgpack.encode(said)) <= MAX_ENCODED_BYTES
