"""A database of the first release opens with everything it held: what waits still waits, what is known stays known."""

import random
import sqlite3
from pathlib import Path

from sqlite_utils import Database

from pikvani_contract.clock import ManualClock
from pikvani_contract.messages import SCHEMA, Receipt
from pikvani_contract.samples import case_body
from pikvani_contract.wire import pack_body
from pikvani_device.store import open_store
from pikvani_device.store.schema import migrations

RNG = random.Random(4)
BOOT, RESULT, SKETCH = 1, 16, 18


def old_database(path: Path, boot_id: str) -> list[bytes]:
    """Cases 1 to 6, of which 1, 2 and 4 are committed; one sketch waits."""
    connection = sqlite3.connect(path, isolation_level=None)
    migrations.apply(Database(connection), stop_before="one_row_a_record")
    connection.execute("INSERT INTO boots VALUES (?, ?)", (BOOT, boot_id))
    connection.execute("INSERT INTO outboxes VALUES (?, ?, 4)", (RESULT, b"results!"))
    connection.execute("INSERT INTO outboxes VALUES (?, ?, 0)", (SKETCH, b"sketches"))
    bodies = [pack_body(case_body(RNG)) for _ in range(6)]
    for seq, body in enumerate(bodies, 1):
        key = (RESULT << 40) + seq
        synced = 99 if seq in (1, 2, 4) else None
        connection.execute("INSERT INTO cases VALUES (?, ?, 2, ?, ?, ?)", (key, 5_000 + seq, body, "[]", synced))
        if synced is None:
            connection.execute("INSERT INTO outbox VALUES (?, 'case', ?, 5000, 2, ?)", (key, seq, body))
    connection.execute("INSERT INTO outbox VALUES (?, 'sketch', 9, 5000, 2, x'01')", ((SKETCH << 40) + 1,))
    connection.close()
    return bodies


def test_given_a_database_of_the_first_release_then_nothing_is_lost_and_nothing_sent_twice(tmp_path: Path) -> None:
    clock = ManualClock()
    bodies = old_database(tmp_path / "d.sqlite3", clock.now().boot_id)
    store = open_store(tmp_path / "d.sqlite3", clock)
    results, sketches = store.waiting()
    assert [r.seq for r in store.records_after(results, 0, 99)] == [3, 5, 6]
    assert [r.kind for r in store.records_after(sketches, 0, 99)] == ["sketch"]
    cases = store.latest_cases(99)
    assert [pack_body(case.body) for case in cases] == bodies[::-1]
    assert [case.synced for case in cases] == [False, False, True, False, True, True]
    assert [case.wall_ms for case in cases] == [5_006, 5_005, 5_004, 5_003, 5_002, 5_001]
    assert store.record_case(case_body(RNG)).case_id == f"{b'results!'.hex()}-7"


def test_given_a_receipt_beyond_what_was_given_out_then_cases_to_come_are_still_sent(tmp_path: Path) -> None:
    store = open_store(tmp_path / "d.sqlite3", ManualClock())
    store.record_case(case_body(RNG))
    (waiting,) = store.waiting()
    store.apply_receipts([Receipt(SCHEMA, waiting.outbox, 2**62, [], 1)])
    assert store.waiting() == []
    store.record_case(case_body(RNG))
    assert [w.oldest for w in store.waiting()] == [2]


def test_given_two_processes_recording_in_turns_then_every_case_has_a_number_of_its_own(tmp_path: Path) -> None:
    clock = ManualClock()
    first, second = (open_store(tmp_path / "d.sqlite3", clock) for _ in range(2))
    names = [store.record_case(case_body(RNG)).case_id for _ in range(20) for store in (first, second)]
    assert len(set(names)) == 40
    assert {case.case_id for case in first.latest_cases(99)} == set(names)
