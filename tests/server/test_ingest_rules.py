"""Rules of ingest without any I/O beside SQLite: fuzz in short, rate limit, poison."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.fuzz_ingest import fuzz
from tests.support.peers import NOW_MS, batch, record

from pikvani_server.errors import StoreAwayError, StoreRefusedError
from pikvani_server.ingest import settling
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.rate_limit import MESSAGE_COST_BYTES, RateLimit
from pikvani_server.ingest.reading import Arrived
from pikvani_server.store import Store


def test_given_hostile_payloads_then_ingest_never_stops_and_the_valid_one_behind_is_committed(tmp_path: Path) -> None:
    ingest = fuzz(1_000, tmp_path)
    assert ingest.sent >= 1_000 and ingest.buried > 500


class RefusingStore:
    """Hands everything to a real store but what belongs to one device, as a database with a bug would."""

    def __init__(self, store: Store, poison: str) -> None:
        self._store = store
        self._poison = poison

    def commit(self, keys, decide):
        if any(device == self._poison for device, _ in keys):
            raise StoreRefusedError("value too long")
        return self._store.commit(keys, decide)


def test_given_a_batch_the_database_refuses_then_it_alone_goes_to_the_dead_letters(sqlite_store: Store) -> None:
    names = [f"village-{n}" for n in range(7)]
    group = [Arrived(name, NOW_MS, batch(record(1))) for name in names]

    committed = commit_group(RefusingStore(sqlite_store, "village-3"), group, NOW_MS)  # type: ignore[arg-type]

    assert sorted(device for device, _ in committed.answers) == [n for n in names if n != "village-3"]
    assert [letter["device_id"] for letter in sqlite_store.dead_letters(5)] == ["village-3"]
    assert committed.counts.committed == 6


def test_given_a_mistake_of_ours_in_settling_one_batch_then_the_others_are_committed(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_for_village_2(item, state, settlement):
        if item.device_id == "village-2":
            raise ZeroDivisionError
        return honest(item, state, settlement)

    honest = settling._settle_batch
    monkeypatch.setattr(settling, "_settle_batch", fail_for_village_2)
    group = [Arrived(f"village-{n}", NOW_MS, batch(record(1))) for n in range(4)]

    committed = commit_group(sqlite_store, group, NOW_MS)

    assert committed.counts.committed == 3
    assert "ZeroDivisionError" in sqlite_store.dead_letters(1)[0]["reason"]


class AwayStore:
    def commit(self, keys, decide):
        raise StoreAwayError("gone")


def test_given_a_database_that_is_away_then_nothing_is_buried() -> None:
    with pytest.raises(StoreAwayError):
        commit_group(AwayStore(), [Arrived("village-1", NOW_MS, batch(record(1)))], NOW_MS)  # type: ignore[arg-type]


def test_given_a_silent_device_then_it_may_send_its_burst_and_then_its_rate() -> None:
    limit = RateLimit(rate_bytes_s=MESSAGE_COST_BYTES, burst_bytes=3 * MESSAGE_COST_BYTES)

    assert [limit.allows("a", 0, 0.0) for _ in range(4)] == [True, True, True, False]
    assert limit.allows("b", 0, 0.0)
    assert [limit.allows("a", 0, 1.0), limit.allows("a", 0, 1.5), limit.allows("a", 0, 2.0)] == [True, False, True]


@given(sends=st.lists(st.tuples(st.integers(0, 5_000), st.floats(0, 10)), max_size=60))
def test_given_any_pattern_then_a_device_never_gets_more_than_burst_and_rate(sends: list[tuple[int, float]]) -> None:
    limit = RateLimit(rate_bytes_s=2_000, burst_bytes=10_000)
    now_s = spent = 0.0
    for size, pause_s in sends:
        now_s += pause_s
        if limit.allows("a", size, now_s):
            spent += size + MESSAGE_COST_BYTES
        assert spent <= 10_000 + 2_000 * now_s + 1e-6


def test_given_more_devices_than_fit_then_the_table_stays_bounded() -> None:
    limit = RateLimit(1_000, 10_000, max_devices=100)
    for number in range(10_000):
        limit.allows(f"device-{number}", 10, 0.0)
    assert len(limit) == 100
