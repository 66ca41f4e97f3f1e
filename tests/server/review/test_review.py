"""Review: consented cases only, two people who do not see each other, disagreement kept, and what labels then tell."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.support.peers import NOW_MS, OUTBOX, batch, record

from pikvani_contract.consent import Consent
from pikvani_contract.messages import BlockBody
from pikvani_contract.samples import case_body
from pikvani_server.drift import queries
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import Arrived
from pikvani_server.review import exporting, queue, results
from pikvani_server.review.agreement import UNUSABLE, Label, kappa, outcome
from pikvani_server.review.queue import CaseKey, ReviewError
from pikvani_server.review.selection import SAMPLE_SHARE, lot, select
from pikvani_server.store import Store
from pikvani_server.store.schema_learning import places, review_items

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
ALL = Consent.PHOTO | Consent.TRAINING


def send(store: Store, count: int, device: str = "village-1", first: int = 1, **changes: object) -> list[CaseKey]:
    """Cases with their thumbnails, as a device sends them; refused unless told otherwise."""
    told = {"decision": "refuse", "reason": "unsure", "confidence": 5_000, "consents": int(ALL)} | changes
    records, keys = [], []
    for seq in range(first, first + count):
        body = msgspec.structs.replace(case_body(random.Random(seq)), **told)
        picture = f"picture {device} {seq}".encode()
        digest = hashlib.sha256(picture).digest()
        records.append(record(seq, body))
        block = BlockBody(OUTBOX, seq, "thumbnail", digest, len(picture), 0, picture)
        send_block = batch(record(seq, block, "block"), outbox=b"blocks-1", lane=4)
        commit_group(store, [Arrived(device, NOW_MS, send_block)], NOW_MS)
        keys.append(CaseKey(device, OUTBOX, seq))
    commit_group(store, [Arrived(device, NOW_MS, batch(*records))], NOW_MS)
    queue.fill(store, NOW)
    return keys


def name_by_two(store: Store, keys: list[CaseKey], condition: str) -> None:
    for key in keys:
        for who in ("asha", "ravi"):
            queue.give_label(store, key, who, condition, NOW)


# --- which cases -------------------------------------------------------------------------------------------


@given(st.integers(0, 10**9), st.sampled_from(["answer", "refuse", "more"]), st.integers(0, 10_000), st.integers(0, 15))
def test_nothing_is_taken_without_consent_to_the_photograph(
    seq: int, decision: str, confidence: int, bits: int
) -> None:
    found = select("village-1", OUTBOX, seq, decision, confidence, bits)
    assert found is None or bits & Consent.PHOTO
    assert found == select("village-1", OUTBOX, seq, decision, confidence, bits)


def test_sure_answers_are_sampled_fairly_and_unsure_ones_all_taken() -> None:
    draws = [lot(f"village-{n}", OUTBOX, n) for n in range(4_000)]
    share = sum(draw < SAMPLE_SHARE for draw in draws) / len(draws)
    assert abs(share - SAMPLE_SHARE) < 4 * (SAMPLE_SHARE * (1 - SAMPLE_SHARE) / len(draws)) ** 0.5
    unsure = select("village-1", OUTBOX, 1, "refuse", 9_000, int(Consent.PHOTO))
    assert unsure and (unsure.why, unsure.share) == ("unsure", 1.0)


# --- who says what -----------------------------------------------------------------------------------------


def test_two_people_are_asked_and_never_a_third_nor_one_twice(store: Store) -> None:
    (key,) = send(store, 1)
    first = queue.next_item(store, "asha", NOW)
    assert first and (first["device_id"], first["seq"]) == (key.device_id, key.seq)
    assert queue.thumbnail(store, key) == b"picture village-1 1"
    assert queue.next_item(store, "ravi", NOW)
    assert queue.next_item(store, "third", NOW) is None
    # a lease that ran out gives the place to another
    assert queue.next_item(store, "third", NOW + queue.LEASE + timedelta(seconds=1))
    assert queue.give_label(store, key, "asha", "maize/rust", NOW) == "open"
    with pytest.raises(ReviewError, match="already"):
        queue.give_label(store, key, "asha", "maize/healthy", NOW)
    assert queue.next_item(store, "asha", NOW + 3 * queue.LEASE) is None
    assert queue.give_label(store, key, "ravi", "maize/rust", NOW) == "agreed"
    with pytest.raises(ReviewError, match="no more"):
        queue.give_label(store, key, "third", "maize/rust", NOW)


def test_a_disagreement_is_kept_and_settled_by_someone_else(store: Store) -> None:
    (key,) = send(store, 1)
    queue.give_label(store, key, "asha", "maize/rust", NOW)
    assert queue.give_label(store, key, "ravi", "maize/healthy", NOW) == "disagreed"
    (item,) = queue.disputed(store)
    assert {label["condition"] for label in item["labels_given"]} == {"maize/rust", "maize/healthy"}
    with pytest.raises(ReviewError, match="already"):
        queue.give_label(store, key, "asha", "maize/rust", NOW, referee=True)
    assert queue.give_label(store, key, "kvk", "maize/rust", NOW, referee=True) == "settled"
    assert [label["role"] for label in queue.labels_of(store, key)].count("first") == 2
    assert queue.counts(store) == {"open": 0, "agreed": 0, "disagreed": 0, "settled": 1}
    assert results.people(store) == {"items": 1, "alike": 0.0, "kappa": 0.0}


@pytest.mark.parametrize("label", ["", "maize", "Maize/Rust", "maize/rust; drop table", "x" * 200, "none/other/x"])
def test_a_label_that_is_no_condition_is_refused(store: Store, label: str) -> None:
    (key,) = send(store, 1)
    with pytest.raises(ReviewError, match="no condition"):
        queue.give_label(store, key, "asha", label, NOW)
    with pytest.raises(ReviewError, match="not in the review queue"):
        queue.give_label(store, CaseKey("village-1", OUTBOX, 99), "asha", "maize/rust", NOW)


def test_a_case_without_its_picture_or_without_consent_is_not_queued_and_filling_twice_adds_nothing(
    store: Store,
) -> None:
    send(store, 3, consents=0)
    commit_group(store, [Arrived("village-2", NOW_MS, batch(record(1)))], NOW_MS)
    assert queue.fill(store, NOW) == 0
    send(store, 2, device="village-3")
    assert queue.fill(store, NOW) == 0
    assert queue.counts(store)["open"] == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x/y", "x/z", UNUSABLE])), max_size=3))
def test_only_two_like_words_agree(words: list[tuple[str, str]]) -> None:
    found = outcome([Label(who, "first", word) for who, word in words])
    assert (found.state == "agreed") == (len(words) >= 2 and len({w for _, w in words}) == 1)
    assert (found.condition != "") == (found.state == "agreed")


def test_kappa_is_cohens() -> None:
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert kappa(pairs) == pytest.approx(0.4)
    assert kappa([("y", "y")]) is None


# --- what labels tell --------------------------------------------------------------------------------------


def test_accuracy_counts_each_case_for_those_it_stands_for(store: Store) -> None:
    # given 40 refused cases named wrongly, and 40 sampled answers (each standing for twenty) named rightly
    wrong = send(store, 40, condition="maize/rust", crop="maize")
    right = send(store, 40, device="village-2", condition="maize/rust", crop="maize", decision="refuse")
    name_by_two(store, wrong, "maize/healthy")
    name_by_two(store, right, "maize/rust")
    with store.writing("testing") as connection:
        sampled = sa.update(review_items).where(review_items.c.device_id == "village-2")
        connection.execute(sampled.values(why="sampled", share=0.05, decision="answer"))
    every, maize = results.accuracy_by_crop(store, "leaf@1.0.0")
    assert (every.labelled, maize.crop) == (80, "maize")
    assert every.share == pytest.approx(40 * 20 / (40 * 20 + 40))
    assert every.low < every.share < every.high
    few = results.accuracy_by_crop(store, "another@1")
    assert [(row.labelled, row.share) for row in few] == [(0, None)]


def test_a_new_meaning_of_old_pictures_is_concept_drift_and_harder_pictures_are_not(store: Store) -> None:
    # given a month of cases named rightly, and one in which the model is as confident and wrong
    today = NOW.date() + timedelta(days=(7 - NOW.date().weekday()) % 7)
    before = send(store, 60, condition="maize/rust", confidence=9_900)
    now = send(store, 60, device="village-2", condition="maize/rust", confidence=9_900)
    name_by_two(store, before, "maize/rust")
    name_by_two(store, now, "maize/new_blight")
    with store.writing("testing") as connection:
        for device, weeks in (("village-1", 8), ("village-2", 1)):
            at = datetime.combine(today - timedelta(weeks=weeks), datetime.min.time(), UTC)
            connection.execute(sa.update(review_items).where(review_items.c.device_id == device).values(happened_at=at))
    assert results.concept_pass(store, today, NOW) >= 2
    found = queries.alarms(store)
    assert {(a["scope"], a["kind"], a["level"], a["feature"]) for a in found} == {
        ("fleet", "concept", "alarm", "accuracy"),
        ("crop", "concept", "alarm", "accuracy"),
    }
    # and when confidence falls with accuracy, it is not
    with store.writing("testing") as connection:
        changed = sa.update(review_items).where(review_items.c.device_id == "village-2")
        connection.execute(changed.values(confidence_e4=500))
    results.concept_pass(store, today, NOW)
    assert queries.alarms(store) == []


def test_the_audit_sees_the_district_that_gets_fewer_answers(store: Store) -> None:
    send(store, 60, decision="answer", confidence=9_000, locale="mr-IN")
    send(store, 60, device="village-2", locale="hi-IN")
    with store.writing("testing") as connection:
        rows = [
            {"device_id": f"village-{n}", "district": name, "kind": "pi4", "updated_at": NOW}
            for n, name in ((1, "Akola"), (2, "Dhule"))
        ]
        connection.execute(sa.insert(places), rows)
    since = NOW - timedelta(days=1)
    by_district = {r.group: r.says for r in results.fairness_audit(store, "district", since).disparate_impact}
    by_language = {r.group: r.says for r in results.fairness_audit(store, "language", since).disparate_impact}
    by_kind = {r.group: r.says for r in results.fairness_audit(store, "device_kind", since).disparate_impact}
    assert by_district == {"Akola": "fine", "Dhule": "unfair"}
    assert by_language == {"mr-IN": "fine", "hi-IN": "unfair"}
    assert by_kind == {"pi4": "fine"}
    assert results.fairness_audit(store, "crop", since).disparate_impact


# --- what goes out -----------------------------------------------------------------------------------------


def test_an_export_holds_only_what_was_allowed_and_says_where_it_is_from(store: Store, tmp_path: Path) -> None:
    allowed = send(store, 3)
    looked_at_only = send(store, 2, device="village-2", consents=int(Consent.PHOTO))
    unusable = send(store, 1, device="village-3")
    name_by_two(store, allowed + looked_at_only, "maize/rust")
    name_by_two(store, unusable, UNUSABLE)
    told = exporting.export(store, tmp_path / "out", NOW)
    lines = [json.loads(line) for line in (tmp_path / "out" / "labels.jsonl").read_text().splitlines()]
    assert (told["cases"], told["left_out"]) == (3, {"no_training_consent": 2, "picture_gone": 0})
    for line in lines:
        picture = (tmp_path / "out" / line["photo"]).read_bytes()
        assert hashlib.sha256(picture).hexdigest() == line["sha256"]
        assert (line["condition"], line["agreement"], len(line["labels"])) == ("maize/rust", "agreed", 2)
        assert date.fromisoformat(line["happened_on"])
    assert len(list((tmp_path / "out" / "photos").iterdir())) == 3
    # and neither device nor person can be read out of it
    everything = (tmp_path / "out" / "labels.jsonl").read_text()
    assert "village" not in everything and "asha" not in everything
    with pytest.raises(Exception, match="not empty"):
        exporting.export(store, tmp_path / "out", NOW)
