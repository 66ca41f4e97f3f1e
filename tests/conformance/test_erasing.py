"""One suite for both stores: a tombstone deletes what is there, turns away what comes later, and leaves no byte."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from tests.support import postgres
from tests.support.peers import NOW_MS, OUTBOX, batch, record

from pikvani_contract.consent import Consent, ConsentBody, ErasureBody
from pikvani_contract.messages import BlockBody
from pikvani_server.ingest.committing import Committed, commit_group
from pikvani_server.ingest.reading import Arrived, read_batch
from pikvani_server.privacy import ledger, obeying, queries
from pikvani_server.review import queue
from pikvani_server.store import Store, open_store
from pikvani_server.store.schema import blocks, cases, dead_letters, files
from pikvani_server.store.schema_learning import review_items, review_labels
from pikvani_server.store.schema_privacy import consents, erasures

RNG = random.Random(3)
NAME = b"Sitabai-Canary-51d0e2"
PICTURE = b"\xff\xd8\xff" + RNG.randbytes(9_000) + NAME + RNG.randbytes(3_000)
LATER = datetime.now(UTC) + obeying.SETTLING
KEPT = (cases, files, blocks, consents, review_items, review_labels)


class Centre:
    """A store, where its files lie, and a device that sends to it."""

    def __init__(self, store: Store, files_below: Path, folder: Path, cluster: postgres.Postgres | None) -> None:
        self.store, self.files_below, self.folder, self.cluster = store, files_below, folder, cluster
        self.ledger, self.exports = folder / "erasures.jsonl", folder / "candidates"

    def send(self, body: object, seq: int, kind: str, outbox: bytes) -> Committed:
        lane = batch(record(seq, body, kind), outbox=outbox)  # type: ignore[arg-type]
        return commit_group(self.store, [Arrived("village-1", NOW_MS, lane)], NOW_MS)

    def case(self, seq: int) -> None:
        self.send(None, seq, "case", OUTBOX)

    def allow(self, seq: int, number: int, purposes: Consent = Consent.PHOTO) -> None:
        self.send(ConsentBody(OUTBOX, seq, int(purposes), "self", "1"), number, "consent", b"alarms-1")

    def picture(self, seq: int, number: int) -> None:
        digest = hashlib.sha256(PICTURE).digest()
        for at in (0, 8_000):
            body = BlockBody(OUTBOX, seq, "thumbnail", digest, len(PICTURE), at, PICTURE[at : at + 8_000])
            self.send(body, number + (at > 0), "block", b"bulk-001")

    def erase(self, seq: int, number: int, whole: bool = True) -> None:
        self.send(ErasureBody(OUTBOX, seq, whole, "kiosk"), number, "erasure", b"alarms-1")

    def rows(self, seq: int) -> dict[str, int]:
        found = {}
        for table in KEPT:
            query = sa.select(sa.func.count().label("n")).select_from(table).where(table.c.seq == seq)
            found[table.name] = int(self.store.read("counting", query)[0]["n"])
        return found

    def holds(self, needle: bytes) -> list[Path]:
        """Files of the database with these bytes in them, once everything in memory is written."""
        if self.cluster:
            with psycopg.connect(self.cluster.url("postgres"), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET wal_recycle = off")
                connection.execute("SELECT pg_reload_conf()")
                for _ in range(2):
                    connection.execute("CHECKPOINT")
                    connection.execute("SELECT pg_switch_wal()")
                connection.execute("CHECKPOINT")
        return [path for path in self.files_below.rglob("*") if path.is_file() and needle in path.read_bytes()]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def centre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    if request.param == "sqlite":
        used, url, files_below = None, f"sqlite:///{tmp_path / 'db' / 'centre.sqlite3'}", tmp_path / "db"
    else:
        used = request.getfixturevalue("postgres_server")
        url, files_below = used.new_database(), used._data
    store = open_store(url)
    store.migrate()
    yield Centre(store, files_below, tmp_path, used)
    store.close()


def sent(centre: Centre) -> None:
    """Case 1 with its consent, its picture, a label with a name in its note, and a letter that holds the name."""
    centre.case(1)
    centre.allow(1, 1, Consent.PHOTO | Consent.TRAINING)
    centre.picture(1, 1)
    with centre.store.writing("queueing") as connection:
        row = centre.store.read("reading", sa.select(cases).where(cases.c.seq == 1))[0]
        same = {c.name: row[c.name] for c in review_items.c if c.name in row}
        item = same | {"why": "sampled", "share": 1.0, "priority": 1.0, "added_at": datetime.now(UTC)}
        connection.execute(centre.store.insert(review_items).values(item).on_conflict_do_nothing())
    key = queue.CaseKey("village-1", OUTBOX, 1)
    queue.give_label(centre.store, key, "asha", "cotton/healthy", datetime.now(UTC), note=NAME.decode())
    letter = read_batch("pikvani/v1/d/village-1/up/batch", b"\x09" + NAME * 2, NOW_MS)
    commit_group(centre.store, [letter], NOW_MS)


def test_given_a_tombstone_then_every_table_lets_the_case_go_and_no_byte_stays_in_any_file(centre: Centre) -> None:
    sent(centre)
    assert all(count > 0 for count in centre.rows(1).values())
    assert centre.holds(NAME) and centre.holds(PICTURE[4_000:4_040])
    centre.erase(1, 2)
    assert set(centre.rows(1).values()) == {0}
    assert centre.store.read("reading letters", sa.select(dead_letters)) == []
    assert obeying.obey(centre.store, centre.ledger, centre.exports, LATER) == 1
    assert centre.holds(NAME) == [] and centre.holds(PICTURE[4_000:4_040]) == []


def test_given_data_behind_its_tombstone_then_it_is_receipted_and_not_kept(centre: Centre) -> None:
    centre.erase(1, 1)
    committed = centre.send(None, 1, "case", OUTBOX)
    assert committed.answers[0][1].upto == 1 and committed.counts.cases == 0
    centre.allow(1, 2)
    centre.picture(1, 1)
    assert set(centre.rows(1).values()) == {0}
    (tombstone,) = queries.listed(centre.store, 5)
    assert tombstone["came_again"] == 4


def test_given_a_withdrawal_then_the_case_stays_and_a_wider_tombstone_takes_it_too(centre: Centre) -> None:
    sent(centre)
    centre.case(2)
    centre.erase(1, 2, whole=False)
    assert centre.rows(1) == dict.fromkeys((table.name for table in KEPT), 0) | {"cases": 1}
    centre.picture(1, 3)
    assert centre.rows(1)["blocks"] == 0
    obeying.obey(centre.store, centre.ledger, centre.exports, LATER)
    centre.erase(1, 3)
    centre.erase(1, 4, whole=False)
    assert centre.rows(1)["cases"] == 0 and centre.rows(2)["cases"] == 1
    (tombstone,) = queries.listed(centre.store, 5)
    assert tombstone["whole"] and tombstone["obeyed_at"] is None, "what is wider is obeyed anew"


def test_given_tombstone_and_case_in_one_group_then_the_order_in_it_does_not_matter(centre: Centre) -> None:
    tombstone = record(1, ErasureBody(OUTBOX, 1, True), "erasure")
    erasure = Arrived("village-1", NOW_MS, batch(tombstone, outbox=b"alarms-1"))
    case = Arrived("village-1", NOW_MS, batch(record(1), record(2)))
    for order in ([erasure, case], [case, erasure]):
        commit_group(centre.store, order, NOW_MS)
        assert (centre.rows(1)["cases"], centre.rows(2)["cases"]) == (0, 1)


def test_given_a_row_that_a_transaction_under_way_brought_in_then_it_goes_when_all_have_settled(centre: Centre) -> None:
    centre.erase(1, 1)
    with centre.store.writing("as another worker did, before it could see the tombstone") as connection:
        values = {"device_id": "village-1", "outbox": OUTBOX, "seq": 1, "purposes": 1, "given_by": "self"}
        more = {"notice": "1", "locale": "mr-IN", "received_at": datetime.now(UTC)}
        connection.execute(sa.insert(consents).values(**values, **more))
    before_ms = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert obeying.obey(centre.store, centre.ledger, centre.exports, before_ms) == 0, "it may not have settled yet"
    assert obeying.obey(centre.store, centre.ledger, centre.exports, LATER) == 1
    assert centre.rows(1)["consents"] == 0


def test_given_a_database_without_a_tombstone_then_the_ledger_teaches_it(centre: Centre) -> None:
    sent(centre)
    centre.erase(1, 2)
    obeying.obey(centre.store, centre.ledger, centre.exports, LATER)
    with centre.ledger.open("a") as file:
        file.write('{"torn')
    with centre.store.writing("restoring") as connection:
        connection.execute(sa.delete(erasures))
    assert ledger.replay(centre.store, centre.ledger) == 1
    assert ledger.replay(centre.store, centre.ledger) == 0
    (tombstone,) = queries.listed(centre.store, 5)
    assert tombstone["confirmed_at"] is None, "the device is asked again"


def test_given_files_past_their_time_then_they_are_deleted(centre: Centre) -> None:
    centre.case(1)
    centre.picture(1, 1)
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert obeying.drop_old_files(centre.store, 365, 90, now + timedelta(days=91)) == 0
    assert obeying.drop_old_files(centre.store, 365, 90, now + timedelta(days=366)) == 1
    assert centre.rows(1)["blocks"] == 0


def test_given_consents_and_erasures_then_they_are_counted_by_purpose_and_by_how_far(centre: Centre) -> None:
    assert queries.counts(centre.store)["consents"] == 0
    for seq in (1, 2, 3):
        centre.allow(seq, seq)
    centre.allow(3, 4, Consent.VOICE)
    centre.erase(1, 5)
    found = queries.counts(centre.store)
    assert (found["consents"], found["photo"], found["voice"], found["asked"], found["obeyed"]) == (2, 2, 1, 1, 0)
    assert found["confirmed"] == 1
