"""A name, a voice and a photograph are planted, found in every place they should reach, erased, and looked for again:
byte for byte, in every file of the device, of what waits and of the centre, of old copies that are put back, and in
whatever order tombstones and data cross, by link and by stick.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.device.conftest import write_sample_package

from pikvani_contract import topics
from pikvani_contract.bundle import MAX_BUNDLE_BYTES
from pikvani_contract.centre_keys import generate
from pikvani_contract.consent import Consent, ErasureOrder
from pikvani_contract.messages import Receipt
from pikvani_contract.wire import pack, unpack
from pikvani_device.app import Device
from pikvani_device.app.link import erase_by_order
from pikvani_device.config import parse_config
from pikvani_device.diagnosis.photo import encode_for_keeping, photo_of_frame
from pikvani_device.sync import sneakernet
from pikvani_device.sync.batches import batch_of, fitting
from pikvani_server.ingest.bundles import import_bundles
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import read_batch
from pikvani_server.privacy import ledger, obeying
from pikvani_server.privacy.ordering import send_erasures
from pikvani_server.review import exporting, queue
from pikvani_server.review.queue import CaseKey
from pikvani_server.store import Store, open_store
from pikvani_server.store.schema import blocks, cases, files
from pikvani_server.store.schema_privacy import consents, erasures

ID = "village-7"
NAME = b"Sitabai-Canary-7f3a9c1e"
RNG = random.Random(11)
VOICE = b"OggS" + RNG.randbytes(6_000) + NAME + RNG.randbytes(6_000)
TOPIC = topics.device(ID, topics.UP_BATCH)
ALL = Consent.PHOTO | Consent.VOICE | Consent.TRAINING


def windows(data: bytes, count: int = 40, size: int = 24) -> list[bytes]:
    """Pieces of a file, each long enough to be nobody else's."""
    return [data[at : at + size] for at in range(700, len(data) - size, max(1, len(data) // count))]


def traces(folder: Path, needles: dict[str, list[bytes]]) -> set[tuple[str, str]]:
    """Which canary is in which file, by the file's path below `folder`."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data, name = path.read_bytes(), str(path.relative_to(folder))
            found |= {(what, name) for what, pieces in needles.items() if any(piece in data for piece in pieces)}
    return found


class Village:
    """A device, a centre and what crosses between them, all in files below one folder."""

    def __init__(self, folder: Path, package: Path) -> None:
        self.home, self.centre_home, self.stick = folder / "device", folder / "centre", folder / "stick"
        self.stick.mkdir()
        text = (
            f'[device]\nid = "{ID}"\ndata_dir = "{self.home}"\n[model]\ndir = "{package}"\n'
            '[runtime]\nadapter = "fake"\n[privacy]\ncontact = "Sunita Pawar"\n'
        )
        self.config = parse_config(text.encode(), "village")
        self.device = Device(self.config)
        self.secrets = generate()
        self.ledger, self.exports = folder / "kept-apart" / "erasures.jsonl", self.centre_home / "candidates"
        self.open_centre()
        self.crossed: list[bytes] = []

    def open_centre(self) -> None:
        self.centre: Store = open_store(f"sqlite:///{self.centre_home / 'centre.sqlite3'}")
        self.centre.migrate()
        ledger.replay(self.centre, self.ledger)

    def ask(self, seed: int) -> str:
        """A farmer shows a leaf; the case's name."""
        noise = np.random.default_rng(seed).integers(0, 255, (480, 640, 3), np.uint8)
        photo = encode_for_keeping(photo_of_frame(noise, "leaf"))
        diagnosis, photos = self.device.diagnose([("leaf", photo)])
        return self.device.record(diagnosis, photos, "cotton", "kiosk").case_id

    def waiting(self) -> list[bytes]:
        """What would go over the link now, packed."""
        payloads = []
        for outbox in self.device.store.waiting():
            after = 0
            while records := fitting(self.device.store.records_after(outbox, after, 100), 30_000):
                payloads.append(pack(batch_of(outbox, records, self.device.clock)))
                after = records[-1].seq
        return payloads

    def bring(self, payloads: list[bytes]) -> list[Receipt]:
        """Batches arrive at the centre, in this order; its receipts."""
        now_ms = time.time_ns() // 1_000_000
        return [
            receipt
            for payload in payloads
            for _, receipt in commit_group(self.centre, [read_batch(TOPIC, payload, now_ms)], now_ms).answers
        ]

    def drain(self) -> None:
        """The link holds until nothing waits."""
        while payloads := self.waiting():
            self.crossed += payloads
            self.device.store.apply_receipts(self.bring(payloads))

    def carry(self) -> None:
        """A stick goes there and back."""
        keys = self.secrets.public
        sneakernet.export(self.device.store, self.device.clock, ID, keys, None, self.stick)
        import_bundles(self.centre, self.stick, self.secrets, None)
        sneakernet.take_receipts(self.device.store, ID, keys, self.stick)

    def obey(self, after: timedelta = obeying.SETTLING) -> int:
        return obeying.obey(self.centre, self.ledger, self.exports, datetime.now(UTC) + after)

    def key(self, case: str) -> CaseKey:
        outbox, _, seq = case.partition("-")
        return CaseKey(ID, bytes.fromhex(outbox), int(seq))

    def count(self, table, case: str) -> int:  # type: ignore[no-untyped-def]
        return len(self.centre.read("counting", table.select().where(self.key(case).of(table))))

    def close(self) -> None:
        self.device.close()
        self.centre.close()


def kinds(payload: bytes) -> set[str]:
    """Of the records in a batch."""
    batch = read_batch(TOPIC, payload, 0).batch
    return {record.kind for record in batch.records} if batch else set()


@pytest.fixture
def village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Village]:
    monkeypatch.setattr("pikvani_device.voice.notes.encode_note", lambda pcm: VOICE)
    # Every thumbnail is looked at, whatever the fake runtime was sure of.
    monkeypatch.setattr("pikvani_server.review.selection.SAMPLE_SHARE", 1.0)
    found = Village(tmp_path, write_sample_package(tmp_path / "package"))
    yield found
    found.close()


def planted(village: Village) -> tuple[str, dict[str, list[bytes]]]:
    """A case whose farmer allowed everything; its name, and the bytes to look for."""
    case = village.ask(1)
    village.device.privacy.allow(case, ALL, "self", "mr-IN", 0, b"pcm")
    (photo,) = (village.home / "photos").iterdir()
    thumbnail = village.device.privacy._thumbnail(case, 0) or b""
    needles = {"name": [NAME], "voice": windows(VOICE), "photo": windows(photo.read_bytes())}
    return case, needles | {"thumbnail": windows(thumbnail)}


def at_the_centre(village: Village, case: str) -> None:
    """It arrives, two people name it, one writes a name into the note, it is exported; a letter cannot be read."""
    village.drain()
    now = datetime.now(UTC)
    queue.fill(village.centre, now)
    for who in ("asha", "ravi"):
        note = NAME.decode() if who == "asha" else ""
        queue.give_label(village.centre, village.key(case), who, "cotton/leaf_curl_virus", now, note=note)
    exporting.export(village.centre, village.exports / "proposal-1" / "labels", now)
    village.bring([b"\x00" + NAME * 3])


def test_given_planted_canaries_then_they_are_there_before_and_nowhere_after_an_erasure(village: Village) -> None:
    case, needles = planted(village)
    before = traces(village.home, needles)
    assert {what for what, _ in before} == {"name", "voice", "photo", "thumbnail"}
    assert {what for what, path in before if "sqlite3" in path} == {"name", "voice", "thumbnail"}, "they wait to leave"
    at_the_centre(village, case)
    before = traces(village.centre_home, needles)
    assert {what for what, path in before if "sqlite3" in path} == {"name", "voice", "thumbnail"}
    assert ("thumbnail", f"candidates/proposal-1/labels/photos/{_sha(village, case)}.jpg") in before

    village.device.privacy.erase(case, True, "kiosk")
    assert traces(village.home, needles) == set()
    village.drain()
    assert village.obey() == 1
    assert traces(village.centre_home, needles) == set()
    told = json.loads((village.exports / "proposal-1" / "labels" / "provenance.json").read_text())
    assert (told["cases"], told["erased"]) == (0, 1)
    (tombstone,) = village.centre.read("reading", erasures.select())
    assert tombstone["confirmed_at"] and tombstone["obeyed_at"] and tombstone["removed"] >= 6


def _sha(village: Village, case: str) -> str:
    (row,) = village.centre.read("reading", files.select().where(files.c.what == "thumbnail"))
    return bytes(row["sha256"]).hex()


def test_given_a_withdrawal_then_the_answer_stays_and_all_that_was_sent_is_gone(village: Village) -> None:
    case, needles = planted(village)
    at_the_centre(village, case)
    village.device.privacy.erase(case, False, "lan")
    left = {what for what, _ in traces(village.home, needles)}
    assert left == {"photo"}, "the photograph of the answer stays on the device, as before the consent"
    village.drain()
    village.obey()
    assert traces(village.centre_home, needles) == set()
    assert (village.count(cases, case), village.count(files, case), village.count(consents, case)) == (1, 0, 0)


@pytest.mark.parametrize("drained", [False, True], ids=["the tombstone alone came before", "all came before"])
def test_given_what_was_under_way_arrives_after_the_erasure_then_it_is_kept_away_and_another_case_is_not(
    village: Village, drained: bool
) -> None:
    case, needles = planted(village)
    other = village.ask(2)
    village.device.privacy.allow(other, Consent.PHOTO, "self", "mr-IN")
    late = village.waiting()
    village.device.privacy.erase(case, True, "kiosk")
    if drained:
        village.drain()
    else:
        village.bring([payload for payload in village.waiting() if "erasure" in kinds(payload)])
    village.bring(late * 2)
    village.drain()
    village.obey()
    assert traces(village.centre_home, needles) == set()
    assert (village.count(cases, case), village.count(blocks, case)) == (0, 0)
    assert village.count(cases, other) == 1
    assert queue.fill(village.centre, datetime.now(UTC)) == 1
    assert queue.thumbnail(village.centre, village.key(other)), "what was allowed is whole"
    (tombstone,) = village.centre.read("reading", erasures.select())
    # Where the rest of its queue has come, the centre knows these numbers as settled and looks at none of them again.
    assert drained or tombstone["came_again"] > 0


def test_given_a_dead_link_then_a_stick_brings_the_case_the_consent_and_the_tombstone(village: Village) -> None:
    case, needles = planted(village)
    village.carry()
    old = village.stick.parent / "old-stick"
    shutil.copytree(village.stick, old)
    assert village.count(files, case) == 2 and village.waiting() == []
    village.device.privacy.erase(case, True, "service")
    village.carry()
    village.obey()
    assert village.count(cases, case) == 0 and traces(village.centre_home, needles) == set()
    import_bundles(village.centre, old, village.secrets, None)
    assert village.count(cases, case) == village.count(blocks, case) == 0
    assert traces(old, needles) == set(), "a stick is sealed"
    assert all(path.stat().st_size < MAX_BUNDLE_BYTES for path in old.iterdir())


def test_given_a_backup_of_the_centre_from_before_then_what_it_brings_back_is_erased_again(village: Village) -> None:
    case, needles = planted(village)
    at_the_centre(village, case)
    village.centre.close()
    shutil.copytree(village.centre_home, village.stick / "backup")
    village.open_centre()
    village.device.privacy.erase(case, True, "kiosk")
    village.drain()
    assert village.obey() == 1
    village.centre.close()
    shutil.rmtree(village.centre_home)
    shutil.copytree(village.stick / "backup", village.centre_home)
    assert traces(village.centre_home, needles), "the backup holds it"
    village.open_centre()
    assert village.count(cases, case) == 0
    assert village.obey() == 1
    assert traces(village.centre_home, needles) == set()


def test_given_an_old_copy_of_the_devices_card_then_it_is_erased_again_there_and_at_the_centre(
    village: Village,
) -> None:
    case, needles = planted(village)
    village.device.store.close()
    shutil.copytree(village.home, village.stick / "card")
    village.device = Device(village.config)
    village.device.privacy.erase(case, True, "kiosk")
    village.drain()
    village.device.close()
    for path in (village.stick / "card").rglob("*"):
        if path.is_file():
            shutil.copy(path, village.home / path.relative_to(village.stick / "card"))
    village.device = Device(village.config)
    assert traces(village.home, needles)
    village.device.forget_old()
    assert traces(village.home, needles) == set()


def test_given_a_card_without_its_ledger_then_the_centre_orders_the_erasure_until_the_device_obeys(
    village: Village,
) -> None:
    case, needles = planted(village)
    late = village.waiting()
    village.device.privacy.erase(case, True, "kiosk")
    village.drain()
    day_ms = 86_400_000
    now_ms = time.time_ns() // 1_000_000 + 2 * day_ms
    for payload in late:
        commit_group(village.centre, [read_batch(TOPIC, payload, now_ms)], now_ms)
    sent: list[tuple[str, bytes]] = []
    now = datetime.now(UTC) + timedelta(days=2)
    assert send_erasures(village.centre, lambda *order: sent.append(order), now) == 1
    assert send_erasures(village.centre, lambda *order: sent.append(order), now) == 0, "not twice a day"
    ((topic, order),) = sent
    assert topic == topics.device(ID, topics.DOWN_COMMAND) and unpack(order, ErasureOrder).whole
    assert erase_by_order(village.device, order)
    village.drain()
    assert send_erasures(village.centre, lambda *order: sent.append(order), now + timedelta(days=9)) == 0
    assert traces(village.home, needles) == set()


def test_given_an_erasure_asked_at_the_centre_then_the_device_is_ordered_to_obey_too(village: Village) -> None:
    case, needles = planted(village)
    at_the_centre(village, case)
    key, now = village.key(case), datetime.now(UTC)
    with village.centre.writing("asking") as connection:
        obeying.ask(village.centre, ID, key.outbox, key.seq, True, connection, now)
    assert village.count(cases, case) == 0
    sent: list[bytes] = []
    send_erasures(village.centre, lambda topic, order: sent.append(order), now)
    assert erase_by_order(village.device, sent[0])
    assert not erase_by_order(village.device, b"rubbish")
    village.drain()
    village.obey()
    assert traces(village.home, needles) == traces(village.centre_home, needles) == set()


@pytest.mark.parametrize("cut", ["files", "rows"])
def test_given_power_cuts_in_the_middle_of_an_erasure_then_it_is_finished_at_the_next_start(
    village: Village, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    case, needles = planted(village)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if cut == "files":
            patch.setattr(type(village.device.privacy), "_unlink", dies)
        else:
            patch.setattr(type(village.device.privacy.shelf), "erase", dies)
        with pytest.raises(KeyboardInterrupt):
            village.device.privacy.erase(case, True, "kiosk")
    village.device.close()
    village.device = Device(village.config)
    village.device.forget_old()
    assert traces(village.home, needles) == set()
    village.drain()
    assert village.count(erasures, case) == 1


def test_given_a_damaged_database_that_was_replaced_then_an_erasure_reaches_it_too(village: Village) -> None:
    case, needles = planted(village)
    village.device.store.close()
    village.device.rescue()
    village.device = Device(village.config)
    assert any(".damaged-" in path for _, path in traces(village.home, needles))
    village.device.privacy.erase(case, True, "service")
    assert traces(village.home, needles) == set()


@pytest.fixture
def crossing(village: Village) -> tuple[Village, str, str, list[bytes]]:
    """Everything that ever crosses of one case that is erased and one that is not, as single batches."""
    case, _ = planted(village)
    other = village.ask(2)
    village.device.privacy.allow(other, Consent.PHOTO, "parent", "hi-IN")
    payloads = village.waiting()
    tombstones_before = set(payloads)
    village.device.privacy.erase(case, True, "kiosk")
    payloads += [payload for payload in village.waiting() if payload not in tombstones_before]
    return village, case, other, payloads


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_given_any_order_and_any_repeats_then_the_erased_case_is_gone_and_the_other_is_whole(
    crossing: tuple[Village, str, str, list[bytes]], data: st.DataObject
) -> None:
    village, case, other, payloads = crossing
    order = data.draw(st.permutations(payloads)) + data.draw(st.lists(st.sampled_from(payloads)))
    village.centre.close()
    shutil.rmtree(village.centre_home)
    village.ledger.unlink(missing_ok=True)
    village.open_centre()
    village.bring(order)
    assert [village.count(table, case) for table in (cases, files, blocks, consents)] == [0, 0, 0, 0]
    assert [village.count(table, other) for table in (cases, files, consents)] == [1, 1, 1]
    assert village.count(erasures, case) == 1 and village.count(erasures, other) == 0
