"""A consent and what leaves with it come to be together; what is erased is gone, its numbers are not given again."""

import hashlib
import random
import sqlite3
from pathlib import Path

import pytest

from pikvani_contract.clock import ManualClock
from pikvani_contract.consent import Consent, ConsentBody, ErasureBody
from pikvani_contract.messages import SCHEMA, BlockBody, Lane, Receipt
from pikvani_contract.samples import case_body
from pikvani_contract.wire import unpack_body
from pikvani_device.errors import StoreError
from pikvani_device.store import Store, open_store
from pikvani_device.store.consents import BLOCK_BYTES, ConsentShelf, Sent
from pikvani_device.store.keys import case_of
from pikvani_device.store.ledger import Ledger

RNG = random.Random(4)
THUMBNAIL = RNG.randbytes(BLOCK_BYTES * 2 + 100)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "device.sqlite3", ManualClock())


@pytest.fixture
def shelf(store: Store) -> ConsentShelf:
    return ConsentShelf(store)


def waiting(store: Store, lane: Lane) -> list[object]:
    return [
        unpack_body(record)
        for outbox in store.waiting()
        if outbox.lane == lane
        for record in store.records_after(outbox, 0, 1_000)
    ]


def give(shelf: ConsentShelf, case: str, purposes: Consent = Consent.PHOTO) -> str:
    return shelf.give(case, purposes, "self", "1", "mr-IN", [Sent("thumbnail", THUMBNAIL)], ["a.ogg"])


def test_given_a_case_then_nothing_but_its_record_waits_until_its_farmer_allows_more(
    store: Store, shelf: ConsentShelf
) -> None:
    case = store.record_case(case_body(RNG), ["a.jpg"])
    assert [w.lane for w in store.waiting()] == [Lane.RESULT]
    code = give(shelf, case.case_id)
    (consent,) = waiting(store, Lane.ALARM)
    assert isinstance(consent, ConsentBody) and (consent.outbox, consent.seq) == case_of(case.case_id)
    assert [w.lane for w in store.waiting()] == [Lane.RESULT, Lane.ALARM, Lane.BULK], "results go first, bulk last"
    given = shelf.find(code)
    assert given is not None and (given.case_id, given.purposes, given.notes) == (
        case.case_id,
        Consent.PHOTO,
        ("a.ogg",),
    )


def test_given_a_thumbnail_then_it_leaves_in_pieces_that_find_together_by_checksum(
    store: Store, shelf: ConsentShelf
) -> None:
    case = store.record_case(case_body(RNG))
    give(shelf, case.case_id)
    pieces = [body for body in waiting(store, Lane.BULK) if isinstance(body, BlockBody)]
    assert [piece.offset for piece in pieces] == [0, BLOCK_BYTES, 2 * BLOCK_BYTES]
    assert b"".join(piece.data for piece in pieces) == THUMBNAIL
    assert {piece.sha256 for piece in pieces} == {hashlib.sha256(THUMBNAIL).digest()}
    # The link broke after two of them: only the third goes again.
    (bulk,) = (w for w in store.waiting() if w.lane == Lane.BULK)
    store.apply_receipts([Receipt(SCHEMA, bulk.outbox, 2, [], 0)])
    assert [body.offset for body in waiting(store, Lane.BULK)] == [2 * BLOCK_BYTES]  # type: ignore[attr-defined]


def test_given_a_disk_that_fails_then_neither_the_consent_nor_anything_of_it_is_there(
    store: Store, shelf: ConsentShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = store.record_case(case_body(RNG))

    def torn(*_: object) -> list[BlockBody]:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("pikvani_device.store.consents._blocks", torn)
    with pytest.raises(StoreError, match="disk is full"):
        give(shelf, case.case_id)
    assert [w.lane for w in store.waiting()] == [Lane.RESULT] and shelf.of(case.case_id) is None


def test_given_a_withdrawal_then_what_waits_goes_and_the_answer_stays(store: Store, shelf: ConsentShelf) -> None:
    case, other = (store.record_case(case_body(RNG)) for _ in range(2))
    code = give(shelf, case.case_id)
    give(shelf, other.case_id)
    shelf.erase(case.case_id, False, "kiosk")
    assert {(b.outbox, b.seq) for b in waiting(store, Lane.BULK)} == {case_of(other.case_id)}  # type: ignore[attr-defined]
    assert isinstance(waiting(store, Lane.ALARM)[-1], ErasureBody)
    assert len(store.latest_cases(5)) == 2
    given = shelf.find(code)
    assert given is not None and given.purposes == Consent(0) and given.notes == ()
    with pytest.raises(StoreError, match="was erased"):
        give(shelf, case.case_id)


def test_given_a_case_that_is_named_then_only_later_ones_are_told_though_it_is_erased_or_unknown(
    store: Store, shelf: ConsentShelf
) -> None:
    first, named, later = (store.record_case(case_body(RNG)) for _ in range(3))
    assert store.latest_cases(9, first.case_id) == [later, named]
    assert store.latest_cases(1, first.case_id) == [later]
    shelf.erase(named.case_id, True, "kiosk")
    assert store.latest_cases(9, named.case_id) == [later]
    # A store that was lost and made anew knows none of the old names: all it holds came after.
    assert store.latest_cases(9, f"{'ab' * 8}-7") == [later, first]


def test_given_an_erased_case_then_its_number_is_never_given_to_another(store: Store, shelf: ConsentShelf) -> None:
    first, last = (store.record_case(case_body(RNG)) for _ in range(2))
    shelf.erase(last.case_id, True, "kiosk")
    assert [case.case_id for case in store.latest_cases(5)] == [first.case_id]
    again = open_store(store.path, ManualClock())
    assert again.record_case(case_body(RNG)).case_id not in (first.case_id, last.case_id)
    (results,) = (w for w in again.waiting() if w.lane == Lane.RESULT)
    assert [record.seq for record in again.records_after(results, 0, 10)] == [1, 3]


def test_given_a_case_forgotten_long_ago_then_its_consent_can_still_be_taken_back(
    store: Store, shelf: ConsentShelf
) -> None:
    case = store.record_case(case_body(RNG))
    code = give(shelf, case.case_id)
    for outbox in store.waiting():
        store.apply_receipts([Receipt(SCHEMA, outbox.outbox, 100, [], 0)])
    store.forget_synced_before(2**62)
    assert store.latest_cases(5) == []
    given = shelf.find(code)
    assert given is not None
    shelf.erase(given.case_id, True, "lan")
    assert [type(body) for body in waiting(store, Lane.ALARM)] == [ErasureBody]
    assert shelf.find(code) is None and shelf.counts() == {"in_force": 0, "taken_back": 1, "waiting": 1}


def test_given_an_erasure_asked_twice_then_the_wider_one_stands(store: Store, shelf: ConsentShelf) -> None:
    case = store.record_case(case_body(RNG))
    shelf.erase(case.case_id, True, "kiosk")
    shelf.erase(case.case_id, False, "kiosk")
    assert shelf.is_erased(case.case_id, whole=True)
    assert all(body.whole for body in waiting(store, Lane.ALARM))  # type: ignore[attr-defined]


def test_given_old_notes_then_they_are_forgotten_and_the_consent_is_not(store: Store, shelf: ConsentShelf) -> None:
    case = store.record_case(case_body(RNG))
    code = give(shelf, case.case_id)
    assert shelf.drop_notes_before(0) == []
    assert shelf.drop_notes_before(2**62) == ["a.ogg"]
    given = shelf.find(code)
    assert given is not None and given.notes == () and given.purposes == Consent.PHOTO


def test_given_a_ledger_torn_by_a_power_cut_then_what_was_whole_is_read(tmp_path: Path) -> None:
    ledger, path = Ledger(tmp_path / "erasures.log"), tmp_path / "erasures.log"
    assert ledger.entries() == []
    ledger.add("00" * 8 + "-1", True)
    path.write_bytes(path.read_bytes() + b"0011")
    ledger.add("00" * 8 + "-2", False)
    path.write_bytes(path.read_bytes() + b"\nrubbish whole\n" + bytes(9))
    assert ledger.entries() == [("00" * 8 + "-1", True), ("00" * 8 + "-2", False)]


@pytest.mark.parametrize("name", ["", "-1", "00" * 8, "00" * 8 + "-0", "00" * 8 + "-x", "zz" * 8 + "-1"])
def test_given_no_name_of_a_case_then_it_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        case_of(name)
