"""One suite for both stores: what is committed is there once, whatever comes again, late, twice or torn."""

from __future__ import annotations

import hashlib
import itertools
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.peers import NOW_MS, OUTBOX, batch, record

from pikvani_contract.messages import AlarmBody, BlockBody, CaseBody, SketchBody
from pikvani_contract.wire import pack
from pikvani_server.errors import StoreAwayError
from pikvani_server.ingest.committing import Committed, commit_group
from pikvani_server.ingest.reading import Arrived, read_batch
from pikvani_server.store import Store, open_store, schema
from pikvani_server.store.rows import DeviceStatus


def send(store: Store, *batches: object, device: str = "village-1") -> Committed:
    return commit_group(store, [Arrived(device, NOW_MS, b) for b in batches], NOW_MS)  # type: ignore[arg-type]


def stored(store: Store) -> list[tuple[str, int]]:
    return sorted((row["device_id"], row["seq"]) for row in store.cases(10_000))


def rows(store: Store, table: sa.Table) -> list[dict[str, object]]:
    return store._read("testing", sa.select(table))  # type: ignore[attr-defined,no-any-return]


def test_given_migrations_then_they_make_exactly_the_tables_the_code_knows(store: Store) -> None:
    with store._engine.connect() as connection:  # type: ignore[attr-defined]
        context = MigrationContext.configure(connection)
        differences = [d for d in compare_metadata(context, schema.metadata) if "cases_" not in str(d)]
    assert differences == []


def test_given_a_batch_then_its_records_are_there_and_the_receipt_says_so(store: Store) -> None:
    committed = send(store, batch(record(1), record(2), record(3)))

    ((device_id, receipt),) = committed.answers
    assert (device_id, receipt.outbox, receipt.upto, receipt.gaps) == ("village-1", OUTBOX, 3, [])
    assert stored(store) == [("village-1", 1), ("village-1", 2), ("village-1", 3)]
    (case, *_) = store.cases(1)
    assert case["happened_at"] == datetime.fromtimestamp((NOW_MS - 3_600_000 + 3_000) / 1000, UTC)
    assert case["received_at"] == datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert case["time_quality"] == "synced"


def test_given_the_same_batch_again_then_nothing_is_added_and_the_receipt_comes_again(store: Store) -> None:
    first = send(store, batch(record(1), record(2)))

    again = send(store, batch(record(1), record(2)), batch(record(2), record(3)))

    assert again.counts.duplicates == 3 and again.counts.committed == 1
    assert first.answers[0][1].upto == 2 and again.answers[0][1].upto == 3
    assert stored(store) == [("village-1", 1), ("village-1", 2), ("village-1", 3)]
    assert store.totals().cases == 3


def test_given_the_same_outbox_id_from_two_devices_then_they_are_two_streams(store: Store) -> None:
    send(store, batch(record(1)), device="village-1")
    send(store, batch(record(1)), device="village-2")

    assert stored(store) == [("village-1", 1), ("village-2", 1)]


def test_given_a_hole_then_the_receipt_names_it_until_the_device_says_it_was_shed(store: Store) -> None:
    assert send(store, batch(record(1), record(5))).answers[0][1].gaps == [(2, 4)]

    receipt = send(store, batch(record(6), oldest=6)).answers[0][1]

    assert (receipt.upto, receipt.gaps) == (6, [])
    assert store.totals().shed == 3
    assert send(store, batch(record(3))).counts.committed == 0


def test_given_records_nobody_can_read_then_they_are_dead_letters_and_hold_up_nothing(store: Store) -> None:
    hostile = record(2, kind="case", body=AlarmBody("x"))
    nul = record(3, kind="alarm", body=AlarmBody("disk\0low"))

    committed = send(store, batch(record(1), hostile, nul, record(4, kind="novel"), record(5)))

    assert committed.answers[0][1].upto == 5
    assert [seq for _, seq in stored(store)] == [1, 5]
    letters = store.dead_letters(10)
    assert sorted(letter["seq"] for letter in letters) == [2, 3, 4]
    assert all(letter["device_id"] == "village-1" and letter["reason"] for letter in letters)


def test_given_a_batch_of_a_newer_schema_then_every_record_is_kept_as_a_dead_letter(store: Store) -> None:
    committed = send(store, batch(record(1), record(2), schema=999))

    assert committed.answers[0][1].upto == 2
    assert stored(store) == [] and len(store.dead_letters(10)) == 2


def test_given_the_same_rubbish_again_and_again_then_it_fills_one_row(store: Store) -> None:
    for _ in range(3):
        commit_group(store, [read_batch("pikvani/v1/d/village-1/up/batch", b"\x07rubbish", NOW_MS)], NOW_MS)

    (letter,) = store.dead_letters(10)
    assert letter["times"] == 3 and letter["payload"] == b"\x07rubbish"


def test_given_a_huge_payload_that_cannot_be_read_then_only_its_beginning_is_kept(store: Store) -> None:
    topic = "pikvani/v1/d/village-1/up/batch"
    commit_group(store, [read_batch(topic, b"\x07" + bytes(300_000), NOW_MS)], NOW_MS)

    (letter,) = store.dead_letters(10)
    assert len(letter["payload"]) == 65_536 and letter["size_bytes"] == 300_001


def test_given_sketches_of_one_day_then_the_newest_revision_wins_in_any_order(store: Store) -> None:
    for seq, revision in enumerate((2, 3, 1), 1):
        sketch = SketchBody("leaf@1", "2026-11-23", revision, b"%d" % revision)
        send(store, batch(record(seq, kind="sketch", body=sketch)))

    (row,) = rows(store, schema.sketches)
    assert (row["revision"], row["data"]) == (3, b"3")


def test_given_sketches_of_one_day_in_one_group_then_the_newest_revision_wins_in_any_order(store: Store) -> None:
    for outbox, order in ((b"outbox-1", (1, 3, 2)), (b"outbox-2", (5, 4, 4))):
        sketches = [SketchBody("leaf@1", "2026-11-23", revision, b"%d" % revision) for revision in order]
        send(store, batch(*(record(n, kind="sketch", body=s) for n, s in enumerate(sketches, 1)), outbox=outbox))

        (row,) = rows(store, schema.sketches)
        assert (row["revision"], row["data"]) == (max(order), b"%d" % max(order))


def test_given_pieces_of_a_file_in_any_order_and_twice_then_it_is_complete_and_checked(store: Store) -> None:
    whole = bytes(range(256)) * 10
    digest = hashlib.sha256(whole).digest()
    pieces = [
        BlockBody(OUTBOX, 7, "thumbnail", digest, len(whole), at, whole[at : at + 1_000]) for at in (2_000, 0, 0, 1_000)
    ]
    for seq, piece in enumerate(pieces, 1):
        assert [row["completed_at"] for row in rows(store, schema.files)] in ([], [None])
        send(store, batch(record(seq, kind="block", body=piece)))

    (row,) = rows(store, schema.files)
    assert row["completed_at"] is not None and row["size_bytes"] == len(whole)


def test_given_pieces_that_do_not_match_their_checksum_then_they_go_and_a_dead_letter_stays(store: Store) -> None:
    piece = BlockBody(OUTBOX, 7, "voice", bytes(32), 4, 0, b"torn")

    assert send(store, batch(record(1, kind="block", body=piece))).answers[0][1].upto == 1

    assert rows(store, schema.files) == [] and rows(store, schema.blocks) == []
    assert "checksum" in store.dead_letters(1)[0]["reason"]


def test_given_a_month_without_a_partition_then_one_is_made_before_the_rows(store: Store) -> None:
    for years in range(3):
        late_ms = NOW_MS + years * 366 * 86_400_000
        commit_group(store, [Arrived("village-1", late_ms, batch(record(years + 1)))], late_ms)

    assert len(stored(store)) == 3
    if "postgresql" in store.name:
        partition = sa.text("SELECT DISTINCT tableoid::regclass::text AS name FROM cases ORDER BY 1")
        names = [row["name"] for row in store._read("testing", partition)]  # type: ignore[attr-defined]
        assert names == ["cases_2026_09", "cases_2027_09", "cases_2028_09"]


def test_given_a_status_then_a_will_takes_nothing_away_but_being_there(store: Store) -> None:
    heard = datetime(2026, 11, 23, tzinfo=UTC)
    store.record_status([DeviceStatus("village-1", heard, True, {"model": "leaf@1", "clock_trust": 2})])
    store.record_status([DeviceStatus("village-1", heard, False, {})])

    (device,) = store.devices(10)
    assert (device["online"], device["model"], device["clock_trust"]) == (False, "leaf@1", "synced")
    assert device["last_seen_at"] == heard


def test_given_values_at_every_limit_then_they_are_kept(store: Store) -> None:
    top = 2**63 - 1
    alarm = AlarmBody("c" * 64, "d" * 400, -top)
    huge = record(top, kind="alarm", body=alarm, mono_ms=top, offset_ms=-top)

    committed = send(store, batch(huge, oldest=top, mono_ms=top, offset_ms=top))

    assert committed.answers[0][1].upto == top
    assert rows(store, schema.alarms)[0]["value"] == -top


def test_given_a_device_that_leaves_holes_on_purpose_then_its_stream_stays_small(store: Store) -> None:
    for start in range(1, 8_000, 2_000):
        send(store, batch(*[record(start + 2 * i, mono_ms=0) for i in range(1_000)]))

    (row,) = rows(store, schema.streams)
    assert len(row["committed"]) < 20_000  # type: ignore[arg-type]
    committed = send(store, batch(*[record(2 * i, mono_ms=0) for i in range(1, 1_000)]))
    assert committed.counts.committed == 999


def test_given_two_workers_on_the_same_streams_then_nothing_doubles_and_nobody_is_stuck(database_url: str) -> None:
    stores = [open_store(database_url) for _ in range(2)]
    stores[0].migrate()
    failures: list[BaseException] = []

    def work(store: Store, turns: list[int]) -> None:
        try:
            for turn in turns:
                group = [Arrived(f"village-{n}", NOW_MS, batch(record(turn), record(turn + 1))) for n in (3, 1, 2)]
                commit_group(store, group, NOW_MS)
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(stores[0], list(range(1, 30)))),
        threading.Thread(target=work, args=(stores[1], list(range(29, 0, -1)))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert stored(stores[0]) == sorted((f"village-{n}", seq) for n in (1, 2, 3) for seq in range(1, 31))
    for store in stores:
        store.close()


_shared: dict[str, Store] = {}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    sends=st.lists(
        st.tuples(
            st.sampled_from(["village-1", "village-2"]),
            st.lists(st.integers(1, 40), min_size=1, max_size=12),
            st.integers(1, 8),
        ),
        max_size=12,
    )
)
def test_given_any_order_of_deliveries_then_the_store_agrees_with_a_set(
    database_url: str, sends: list[tuple[str, list[int], int]]
) -> None:
    if database_url not in _shared:
        _shared[database_url] = open_store(database_url)
        _shared[database_url].migrate()
    store = _shared[database_url]
    run = hashlib.sha256(repr((sends, len(stored(store)))).encode()).digest()[:8]
    model: dict[str, tuple[set[int], set[int]]] = {}
    for device, seqs, oldest in sends:
        held, shed = model.setdefault(device, (set(), set()))
        held.update(seq for seq in seqs if seq not in shed)
        shed.update(seq for seq in range(1, oldest) if seq not in held)
        committed = send(store, batch(*map(record, seqs), outbox=run, oldest=oldest), device=device)
        upto = max(held | shed)
        gaps = [seq for seq in range(1, upto) if seq not in held | shed]
        receipt = committed.answers[0][1]
        assert receipt.upto == upto
        assert [seq for a, b in receipt.gaps for seq in range(a, b + 1)] == gaps
    found = {(row["device_id"], row["seq"]) for row in store.cases(10_000) if row["outbox"] == run}
    assert found == {(device, seq) for device, (held, _) in model.items() for seq in held}


def test_given_no_database_then_the_error_is_one_that_says_try_again(tmp_path: Path) -> None:
    store = open_store("postgresql://pikvani@127.0.0.1:1/nothing")
    with pytest.raises(StoreAwayError, match="check that the database runs"):
        send(store, batch(record(1)))
    with pytest.raises(StoreAwayError):
        store.ping()


def test_given_a_packed_batch_then_reading_gives_it_back() -> None:
    sent = batch(record(1), record(2))
    item = read_batch("pikvani/v1/d/village-1/up/batch", pack(sent), NOW_MS)
    assert isinstance(item, Arrived) and item.batch == sent


def test_given_sketches_of_equal_revision_then_any_order_leaves_the_same_one(store: Store) -> None:
    # given three sketches of a device-day, two of them equal in revision and unlike in bytes, in every order
    bodies = [
        SketchBody("leaf@1", "2026-07-01", revision, data) for revision, data in ((5, b"z"), (9, b"a"), (9, b"b"))
    ]
    for number, order in enumerate(itertools.permutations(bodies)):
        device = f"village-{number}"
        for seq, body in enumerate([*order, order[0]], start=1):
            send(store, batch(record(seq, body, "sketch"), lane=2), device=device)
    # then the newest revision stays, and of equal ones that with the greater bytes
    found = {(row["revision"], bytes(row["data"])) for row in rows(store, schema.sketches)}  # type: ignore[call-overload]
    assert found == {(9, b"b")}


_words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=64)
_e4, _count = st.integers(0, 10_000), st.integers(0, 2**63 - 1)
_bodies = st.builds(
    CaseBody,
    **dict.fromkeys(("decision", "reason", "crop", "condition", "model", "runtime", "channel", "locale"), _words),
    confidence=_e4,
    others=st.lists(st.tuples(_words, _e4), max_size=8),
    photos=st.integers(0, 64),
    latency_ms=_count,
    quality=st.lists(_e4, max_size=16),
    consents=_count,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(bodies=st.lists(_bodies, min_size=1, max_size=4), outbox=st.binary(min_size=8, max_size=8), mono_ms=_count)
def test_given_any_case_a_device_may_send_then_every_column_holds_what_it_said(
    store: Store, bodies: list[CaseBody], outbox: bytes, mono_ms: int
) -> None:
    whole = batch(*(record(n, body=body, mono_ms=mono_ms) for n, body in enumerate(bodies, 1)), outbox=outbox)
    device = f"village-{uuid.uuid4()}"

    assert send(store, whole, device=device).counts.dead_letters == 0

    found = sorted((row for row in rows(store, schema.cases) if row["device_id"] == device), key=lambda row: row["seq"])
    assert len(found) == len(bodies)
    for row, body in zip(found, bodies, strict=True):
        said = {name: getattr(body, name) for name in ("decision", "reason", "crop", "condition", "model", "runtime")}
        said |= {name: getattr(body, name) for name in ("channel", "locale", "photos", "latency_ms", "consents")}
        said |= {"confidence_e4": body.confidence, "quality_e4": " ".join(map(str, body.quality))}
        said |= {"others": " ".join(f"{name}:{share}" for name, share in body.others)}
        said |= {"outbox": outbox, "mono_ms": mono_ms, "offset_ms": NOW_MS - 3_600_000, "trust": 2}
        said |= {"received_at": datetime.fromtimestamp(NOW_MS / 1000, UTC)}
        assert {name: row[name] for name in said} == said
        assert row["happened_at"] <= said["received_at"] + timedelta(days=1)
