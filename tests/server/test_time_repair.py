"""Dating records from clocks that lie: never absurd, exact where anything confirms, ordered within a boot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.support.peers import NOW_MS, batch, record

from pikvani_contract.clock import ClockTrust, ManualClock, Moment
from pikvani_server.ingest.time_repair import (
    BOUNDED,
    EARLIEST_MS,
    FLOOR,
    FUTURE_MS,
    QUALITIES,
    REPAIRED,
    SYNCED,
    TimeRepair,
    to_utc,
)

MINUTE_MS = 60_000
YEAR_1970, YEAR_2099 = 0, 4_070_908_800_000
any_int = st.integers(-(2**63 - 1), 2**63 - 1)
any_mono = st.integers(0, 2**63 - 1)
trusts = st.sampled_from([int(trust) for trust in ClockTrust])


def seen(seq: int, moment: Moment):
    return record(seq, mono_ms=moment.mono_ms, offset_ms=moment.offset_ms, trust=int(moment.trust))


def sent(moment: Moment, *records, boot: int = 0):
    return batch(*records, boot=boot, mono_ms=moment.mono_ms, offset_ms=moment.offset_ms, trust=int(moment.trust))


def dated(sending, received_ms: int = NOW_MS, known_offset_ms: int | None = None) -> list[tuple[int, str]]:
    repair = TimeRepair(sending, received_ms, known_offset_ms)
    return [repair.happened(r.mono_ms, r.offset_ms, r.trust) for r in sending.records]


def test_given_a_clock_confirmed_when_it_happened_then_it_is_believed() -> None:
    clock = ManualClock(wall_ms=NOW_MS - 5 * MINUTE_MS)
    record_ = seen(1, clock.now())

    assert dated(sent(clock.now(), record_)) == [(NOW_MS - 5 * MINUTE_MS, SYNCED)]


def test_given_a_device_that_booted_in_1970_or_2099_then_its_age_tells_the_time() -> None:
    for year_ms in (YEAR_1970, YEAR_2099):
        clock = ManualClock(wall_ms=year_ms, trust=ClockTrust.UNTRUSTED)
        record_ = seen(1, clock.now())
        clock.advance(10 * MINUTE_MS)

        assert dated(sent(clock.now(), record_)) == [(NOW_MS - 10 * MINUTE_MS, REPAIRED)]


def test_given_a_clock_confirmed_later_in_the_boot_then_a_slow_link_does_not_matter() -> None:
    clock = ManualClock(wall_ms=YEAR_1970, trust=ClockTrust.UNTRUSTED)
    record_ = seen(1, clock.now())
    clock.advance(10 * MINUTE_MS)
    clock.step_wall(NOW_MS - 13 * 60 * MINUTE_MS, ClockTrust.SYNCED)

    assert dated(sent(clock.now(), record_)) == [(NOW_MS - 13 * 60 * MINUTE_MS - 10 * MINUTE_MS, REPAIRED)]


def test_given_an_older_boot_then_one_confirmed_record_dates_all_of_them() -> None:
    clock = ManualClock(wall_ms=YEAR_1970, trust=ClockTrust.UNTRUSTED)
    early = seen(1, clock.now())
    clock.advance(MINUTE_MS)
    clock.step_wall(NOW_MS - 60 * MINUTE_MS, ClockTrust.SYNCED)
    late = seen(2, clock.now())
    clock.reboot(YEAR_2099)

    assert dated(sent(clock.now(), early, late, boot=1)) == [
        (NOW_MS - 61 * MINUTE_MS, REPAIRED),
        (NOW_MS - 60 * MINUTE_MS, SYNCED),
    ]
    offset_ms = TimeRepair(sent(clock.now(), early, late, boot=1), NOW_MS).offset_ms
    assert dated(sent(clock.now(), early, boot=1), known_offset_ms=offset_ms) == [(NOW_MS - 61 * MINUTE_MS, REPAIRED)]


def test_given_an_older_boot_nobody_confirmed_then_order_and_distance_stay_below_the_bound() -> None:
    clock = ManualClock(wall_ms=YEAR_2099, trust=ClockTrust.UNTRUSTED)
    early = seen(1, clock.now())
    clock.advance(MINUTE_MS)
    late = seen(2, clock.now())
    clock.reboot(YEAR_1970)

    assert dated(sent(clock.now(), early, late, boot=1)) == [
        (NOW_MS - MINUTE_MS, BOUNDED),
        (NOW_MS, BOUNDED),
    ]


def test_given_only_a_floor_then_an_older_boot_is_dated_by_it() -> None:
    clock = ManualClock(wall_ms=NOW_MS - 60 * MINUTE_MS, trust=ClockTrust.FLOOR)
    record_ = seen(1, clock.now())
    clock.reboot(YEAR_1970)

    assert dated(sent(clock.now(), record_, boot=1)) == [(NOW_MS - 60 * MINUTE_MS, FLOOR)]


@given(
    records=st.lists(st.tuples(any_mono, any_int, trusts), min_size=1, max_size=8),
    boot=st.integers(0, 3),
    mono_ms=any_mono,
    offset_ms=any_int,
    trust=trusts,
    known=st.none() | any_int,
)
def test_given_any_lies_then_the_time_is_after_2025_and_not_in_the_future(
    records, boot, mono_ms, offset_ms, trust, known
) -> None:
    lying = batch(
        *[record(i, mono_ms=m, offset_ms=o, trust=t) for i, (m, o, t) in enumerate(records, 1)],
        boot=boot,
        mono_ms=mono_ms,
        offset_ms=offset_ms,
        trust=trust,
    )
    for happened_ms, quality in dated(lying, known_offset_ms=known):
        assert EARLIEST_MS <= happened_ms <= NOW_MS + FUTURE_MS
        assert quality in QUALITIES
        to_utc(happened_ms)


@given(
    monos=st.lists(st.integers(0, 30 * 86_400_000), min_size=2, max_size=20),
    boot=st.integers(0, 2),
    wall_ms=st.integers(0, YEAR_2099),
)
def test_given_a_clock_nobody_confirmed_then_the_order_within_the_boot_is_kept(monos, boot, wall_ms) -> None:
    lying = batch(
        *[record(i, mono_ms=m, offset_ms=wall_ms, trust=0) for i, m in enumerate(sorted(monos), 1)],
        boot=boot,
        mono_ms=max(monos),
        offset_ms=wall_ms,
        trust=0,
    )
    times = [happened_ms for happened_ms, _ in dated(lying)]
    assert times == sorted(times)
    assert times[-1] - times[0] == max(monos) - min(monos)
