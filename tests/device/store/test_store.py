"""The store keeps a case and its outbox record together, and lets go only on a receipt."""

import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pikvani_contract.clock import ClockTrust, ManualClock
from pikvani_contract.messages import SCHEMA, AlarmBody, BlockBody, Lane, Receipt, SketchBody
from pikvani_contract.samples import case_body
from pikvani_device.errors import StoreError
from pikvani_device.store import Store, open_store

RNG = random.Random(1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Store:
    return open_store(tmp_path / "device.sqlite3", clock)


def receipt(outbox: bytes, upto: int, gaps: list[tuple[int, int]] | None = None) -> Receipt:
    return Receipt(SCHEMA, outbox, upto, gaps or [], 1_790_000_000_000)


def test_given_a_case_recorded_then_it_waits_for_the_centre_until_the_receipt(store: Store) -> None:
    body = case_body(RNG)
    case = store.record_case(body, ["a.jpg"])
    (waiting,) = store.waiting()
    assert case.case_id == f"{waiting.outbox.hex()}-1"
    assert store.latest_cases(5) == [case]
    assert store.apply_receipts([receipt(waiting.outbox, 1)]) == 1
    assert store.waiting() == []
    (after,) = store.latest_cases(5)
    assert after.synced and after.body == body and after.photo_names == ("a.jpg",)


def test_given_a_receipt_with_gaps_then_what_is_missing_stays(store: Store) -> None:
    for _ in range(9):
        store.record_case(case_body(RNG))
    (waiting,) = store.waiting()
    assert store.apply_receipts([receipt(waiting.outbox, 8, [(1, 1), (4, 5)])]) == 5
    assert [r.seq for r in store.records_after(waiting, 0, 99)] == [1, 4, 5, 9]
    assert store.waiting()[0].oldest == 1


def test_given_a_receipt_for_another_outbox_then_nothing_is_lost(store: Store) -> None:
    store.record_case(case_body(RNG))
    assert store.apply_receipts([receipt(b"stranger", 2**62)]) == 0
    assert len(store.waiting()) == 1


def test_given_records_of_all_lanes_then_results_go_first_and_older_boots_before_newer(
    tmp_path: Path, clock: ManualClock
) -> None:
    first = open_store(tmp_path / "d.sqlite3", clock)
    first.enqueue("sketch", SketchBody("leaf@1", "2026-11-23", 1, b"x"))
    first.record_case(case_body(RNG))
    first.close()
    clock.reboot(0)
    second = open_store(tmp_path / "d.sqlite3", clock)
    second.enqueue("alarm", AlarmBody("disk_low"))
    second.record_case(case_body(RNG))
    order = [(w.lane, w.boots_ago) for w in second.waiting()]
    assert order == [(Lane.RESULT, 1), (Lane.RESULT, 0), (Lane.ALARM, 0), (Lane.SKETCH, 1)]


def test_given_a_database_restored_from_an_old_copy_then_no_sequence_is_used_twice(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "d.sqlite3"
    store = open_store(path, clock)
    store.record_case(case_body(RNG))
    store.close()
    old_copy = path.read_bytes()
    store = open_store(path, clock)
    later = store.record_case(case_body(RNG))
    store.close()
    path.write_bytes(old_copy)
    clock.reboot(0)
    restored = open_store(path, clock)
    assert restored.record_case(case_body(RNG)).case_id.split("-")[0] != later.case_id.split("-")[0]


def test_given_a_full_queue_then_notes_go_before_sketches_and_cases_never(store: Store) -> None:
    store.record_case(case_body(RNG))
    for n in range(5):
        store.enqueue("block", BlockBody(b"12345678", 1, "thumbnail", bytes(32), 5_000, n * 1_000, bytes(1_000)))
        store.enqueue("sketch", SketchBody("leaf@1", "2026-11-23", n, bytes(100)))
    shed = store.shed(2_500)
    depths = {Lane(d.lane): d for d in store.depths()}
    assert shed == depths[Lane.BULK].shed_bytes and depths[Lane.BULK].shed_records == 4
    assert depths[Lane.SKETCH].records == 5 and depths[Lane.RESULT].records == 1
    store.shed(0)
    depths = {Lane(d.lane): d for d in store.depths()}
    assert depths[Lane.BULK].records == depths[Lane.SKETCH].records == 0
    assert depths[Lane.RESULT].records == 1 and depths[Lane.RESULT].shed_records == 0


def test_given_old_synced_cases_then_only_they_are_forgotten(store: Store, clock: ManualClock) -> None:
    store.record_case(case_body(RNG), ["gone.jpg"])
    (waiting,) = store.waiting()
    store.apply_receipts([receipt(waiting.outbox, 1)])
    clock.advance(10_000)
    store.record_case(case_body(RNG), ["kept.jpg"])
    assert store.forget_synced_before(clock.now().wall_ms) == ["gone.jpg"]
    assert [c.photo_names for c in store.latest_cases(9)] == [("kept.jpg",)]


def test_given_a_clock_of_1970_then_cases_are_kept_and_say_so(tmp_path: Path) -> None:
    store = open_store(tmp_path / "d.sqlite3", ManualClock(wall_ms=12_345, trust=ClockTrust.UNTRUSTED))
    store.record_case(case_body(RNG))
    (record,) = store.records_after(store.waiting()[0], 0, 9)
    assert record.trust == ClockTrust.UNTRUSTED


def test_given_a_file_that_is_no_database_then_the_error_names_it(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "d.sqlite3").write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match=r"d\.sqlite3"):
        open_store(tmp_path / "d.sqlite3", clock)


def test_given_a_closed_store_then_recording_is_a_clear_error(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="cannot record a case"):
        store.record_case(case_body(RNG))


def test_given_a_full_disk_then_the_case_is_refused_whole_and_the_store_goes_on(store: Store) -> None:
    store._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreError, match="full"):
        for _ in range(10_000):
            store.record_case(case_body(RNG))
    kept = len(store.latest_cases(100_000))
    (waiting,) = store.waiting()
    assert len(store.records_after(waiting, 0, 100_000)) == kept > 0
    store._db.execute("PRAGMA max_page_count = 100000")
    store.record_case(case_body(RNG))
    assert len(store.latest_cases(100_000)) == kept + 1


def test_given_a_process_killed_while_recording_then_every_case_it_reported_is_there(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite3"
    program = textwrap.dedent(
        f"""
        import random
        from pathlib import Path
        from pikvani_contract.clock import ManualClock
        from pikvani_contract.samples import case_body
        from pikvani_device.store import open_store
        store, rng = open_store(Path({str(path)!r}), ManualClock()), random.Random(2)
        while True:
            print(store.record_case(case_body(rng)).case_id, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    reported = [process.stdout.readline().strip() for _ in range(150)]
    process.kill()
    reported += process.stdout.read().split()[:-1]
    process.wait()
    store = open_store(path, ManualClock())
    assert set(reported) <= {case.case_id for case in store.latest_cases(100_000)}
    (waiting,) = store.waiting()
    assert len(store.records_after(waiting, 0, 100_000)) == len(store.latest_cases(100_000))
