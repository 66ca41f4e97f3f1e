"""A card that lost pages: what can still be read is saved, under the names the centre knows."""

import random
from pathlib import Path

import pytest

from pikvani_contract.clock import ManualClock
from pikvani_contract.samples import case_body
from pikvani_device.errors import StoreError
from pikvani_device.store import open_store
from pikvani_device.store.rescue import rescue

CASES = 1_500
PAGE_BYTES = 4_096


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, set[str]]:
    path = tmp_path / "device.sqlite3"
    store = open_store(path, ManualClock())
    store._db.execute("PRAGMA synchronous=OFF")
    names = {store.record_case(case_body(random.Random(2))).case_id for _ in range(CASES)}
    store.close()
    return path, names


def saved(path: Path) -> set[str]:
    store = open_store(path, ManualClock())
    waiting = store.waiting()
    found = {f"{w.outbox.hex()}-{r.seq}" for w in waiting for r in store.records_after(w, 0, CASES + 9)}
    store.close()
    return found


@pytest.mark.parametrize("seed", range(6))
def test_given_pages_overwritten_then_most_is_saved_and_nothing_is_invented(
    whole: tuple[Path, set[str]], seed: int
) -> None:
    path, names = whole
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(3):
        page = rng.randrange(20, len(data) // PAGE_BYTES)  # past the roots, which hold everything
        data[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = rng.randbytes(PAGE_BYTES)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="pikvani-device rescue"):
        open_store(path, ManualClock())
    found = rescue(path, ManualClock())
    assert found.damaged.exists()
    assert saved(path) <= names
    assert len(saved(path)) == found.waiting >= CASES * 0.8


def test_given_a_file_cut_short_then_rescue_ends_with_a_working_store(whole: tuple[Path, set[str]]) -> None:
    path, names = whole
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 // PAGE_BYTES * PAGE_BYTES + 100])
    rescue(path, ManualClock())
    assert saved(path) <= names
    store = open_store(path, ManualClock())
    new = store.record_case(case_body(random.Random(3)))
    assert new.case_id not in names


def test_given_a_whole_database_then_rescue_changes_nothing_of_it(whole: tuple[Path, set[str]]) -> None:
    path, names = whole
    found = rescue(path, ManualClock())
    assert (found.cases, found.waiting, found.unnamed) == (CASES, CASES, 0)
    assert saved(path) == names


def test_given_no_database_then_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing to rescue"):
        rescue(tmp_path / "absent.sqlite3", ManualClock())
