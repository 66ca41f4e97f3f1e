"""This device's identity: asked for once, believed only from its centre, whole after a power cut at any instruction."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from tests.support.enrolling import TestCentre, quick_store

from pikvani_contract import cards, enrolment
from pikvani_contract.enrolment import Answer, Reply, pack, unpack
from pikvani_device.enrolment.folder import IdentityFolder
from pikvani_device.enrolment.identity import AnswerError, Identity
from pikvani_device.enrolment.talking import IdentityTalk
from pikvani_device.errors import DeviceError
from pikvani_server.enrolment import queries

NOW = datetime.now(UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def centre(tmp_path: Path) -> TestCentre:
    return TestCentre(quick_store(tmp_path / "centre.sqlite3"), tmp_path)


class Village:
    def __init__(self, centre: TestCentre, place: Path, card: cards.Card | None = None) -> None:
        self.centre, self.place = centre, place
        self.card = card or centre.cards()[0]
        place.mkdir(exist_ok=True)
        (place / "card.json").write_bytes(cards.as_json(self.card))
        self.trust = (centre.authority.folder / "root.pem").read_bytes()

    def start(self) -> Identity:
        """The device's process after a boot."""
        found = Identity(
            IdentityFolder(self.place / "identity"), self.card.device, self.place / "card.json", self.trust, b"board"
        )
        found.recover()
        return found

    def enrol(self, identity: Identity, now: datetime = NOW) -> bool:
        request = identity.wanted(now)
        return request is not None and identity.take(self.centre.ask(request), NOW_MS)


@pytest.fixture
def village(centre: TestCentre, tmp_path: Path) -> Village:
    return Village(centre, tmp_path / "device")


def usable(identity: Identity) -> bool:
    """Whether key and certificate in use belong together."""
    key = load_pem_private_key(identity.folder.key_file.read_bytes(), None)
    return (
        x509.load_pem_x509_certificate(identity.folder.certificate_file.read_bytes()).public_key() == key.public_key()
    )


def test_given_a_new_card_when_it_asks_and_is_answered_then_it_is_certified_and_its_claim_is_gone(
    village: Village,
) -> None:
    identity = village.start()
    assert not identity.enrolled
    assert village.enrol(identity)
    assert identity.enrolled and usable(identity) and identity.wanted(NOW) is None
    assert identity.folder.certificate_file.read_bytes().count(b"BEGIN CERTIFICATE") == 2
    assert village.card.claim not in (village.place / "card.json").read_text()
    assert all((p.stat().st_mode & 0o077) == 0 for p in (village.place / "identity").rglob("*") if not p.is_symlink())


def test_given_a_request_that_waits_when_the_power_goes_then_the_same_key_asks_again(village: Village) -> None:
    first = village.start().wanted(NOW)
    assert village.start().wanted(NOW) == first


def test_given_two_thirds_of_its_life_when_time_is_known_then_it_asks_with_a_new_key_and_else_not(
    village: Village,
) -> None:
    identity = village.start()
    village.enrol(identity)
    assert identity.wanted(NOW + timedelta(days=59)) is None
    assert identity.wanted(None) is None
    before = identity.folder.key_file.read_bytes()
    assert village.enrol(identity, NOW + timedelta(days=61))
    assert usable(identity) and identity.folder.key_file.read_bytes() != before


def test_given_answers_that_are_not_ours_then_none_is_installed(
    village: Village, centre: TestCentre, tmp_path: Path
) -> None:
    identity = village.start()
    request = identity.wanted(NOW)
    assert request is not None
    good = centre.ask(request)
    other = Village(centre, tmp_path / "other", centre.cards(1, batch="b2")[0])
    asked = other.start().wanted(NOW)
    assert asked is not None
    stranger = TestCentre(quick_store(tmp_path / "x.sqlite3"), tmp_path / "stranger")
    (foreign,) = stranger.signer.chain_of(next(iter(stranger.signer.authorities())))
    wrong = [
        centre.ask(asked),
        msgspec.structs.replace(good, request=b"0" * 16),
        msgspec.structs.replace(good, certificate=b"rubbish"),
        msgspec.structs.replace(good, certificate=b""),
        msgspec.structs.replace(good, chain=[]),
        msgspec.structs.replace(good, chain=[foreign.public_bytes(Encoding.DER)]),
        msgspec.structs.replace(good, certificate=centre.ask(asked).certificate),
    ]
    for answer in wrong:
        with pytest.raises(AnswerError):
            identity.take(answer, NOW_MS)
        assert not identity.enrolled
    assert identity.take(good, NOW_MS)


def test_given_the_districts_authority_on_the_card_then_an_answer_needs_no_chain_and_fits_a_small_code(
    village: Village, centre: TestCentre
) -> None:
    village.trust += (centre.authority.folder.parent / "centre" / "pune.pem").read_bytes()
    identity = village.start()
    request = identity.wanted(NOW)
    assert request is not None
    answer = msgspec.structs.replace(centre.ask(request), chain=[])
    # Version 18 at error correction L holds 1,046 letters of the alphanumeric set.
    assert len(enrolment.as_text(answer)) < 1_046
    assert identity.take(answer, NOW_MS)


def test_given_a_refusal_then_it_is_remembered_and_a_new_card_is_a_new_beginning(
    village: Village, centre: TestCentre
) -> None:
    centre.now += timedelta(days=365)
    identity = village.start()
    assert not village.enrol(identity)
    assert identity.folder.state().refused == "expired_claim"
    keeping_revoke(centre, village.card.device)
    fresh = centre.cards(1, batch="b1")[0]
    (village.place / "card.json").write_bytes(cards.as_json(fresh))
    assert village.enrol(village.start())
    assert village.start().folder.state().refused == ""


def keeping_revoke(centre: TestCentre, device: str) -> None:
    from pikvani_server.enrolment import keeping

    keeping.revoke(centre.store, device, "written anew", "test", centre.now)


def test_given_a_card_of_another_device_or_a_damaged_one_then_one_line_says_so(village: Village) -> None:
    identity = village.start()
    path = village.place / "card.json"
    for data in (b"{", cards.as_json(msgspec.structs.replace(village.card, device="pune-b1-0077"))):
        path.write_bytes(data)
        with pytest.raises(DeviceError, match=r"card\.json"):
            identity.wanted(NOW)
    path.unlink()
    with pytest.raises(DeviceError, match=r"card\.json"):
        identity.wanted(NOW)


# --- power cuts ----------------------------------------------------------------------------------------------


class _Cut(BaseException):
    """The power went."""


@pytest.fixture
def cut_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Counts what touches the disk and stops everything at number `at`."""
    count = {"done": 0, "at": -1}

    def counted(real):
        def call(*args, **kwargs):
            if count["done"] == count["at"]:
                raise _Cut
            count["done"] += 1
            return real(*args, **kwargs)

        return call

    for owner, name in [
        (os, "fsync"),
        (os, "open"),
        (Path, "rename"),
        (Path, "replace"),
        (Path, "symlink_to"),
        (Path, "unlink"),
        (Path, "mkdir"),
        (shutil, "rmtree"),
    ]:
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    yield count
    monkeypatch.undo()


def test_given_a_power_cut_at_any_step_of_enrolling_and_renewing_then_it_heals_with_one_whole_identity(
    centre: TestCentre, tmp_path: Path, cut_after: dict[str, int]
) -> None:
    """Each step on the disk is the last one once; then the device starts again, and all must come right."""
    born = Village(centre, tmp_path / "born", centre.cards(60)[0])
    steps = _steps(born, cut_after, tmp_path / "count", renew=False)
    renewing = _steps(born, cut_after, tmp_path / "count2", renew=True)
    assert steps > 25 and renewing > 25
    made = iter(centre.cards(steps + renewing + 2, batch="cut"))
    for renew, total in ((False, steps), (True, renewing)):
        for at in range(total):
            cut_after["at"] = -1
            village = Village(centre, tmp_path / f"{renew}-{at}", next(made))
            centre.now = when = NOW
            if renew:
                assert village.enrol(village.start())
                centre.now = when = NOW + timedelta(days=61)
            before = village.start().folder.key_file.read_bytes() if renew else b""
            cut_after |= {"done": 0, "at": at}
            with contextlib.suppress(_Cut):
                village.enrol(village.start(), when)
            cut_after["at"] = -1
            identity = village.start()
            assert not renew or usable(identity)
            if identity.wanted(when) is not None:
                assert village.enrol(identity, when), f"step {at} of {total}, renewing {renew}"
            assert identity.enrolled and usable(identity) and identity.wanted(when) is None
            assert identity.folder.key_file.read_bytes() != before
            shutil.rmtree(village.place)
    assert not queries.suspected(centre.store)


def _steps(village: Village, cut_after: dict[str, int], place: Path, renew: bool) -> int:
    counted = Village(village.centre, place, village.centre.cards(1, batch=place.name)[0])
    if renew:
        counted.enrol(counted.start())
    cut_after["done"] = 0
    assert counted.enrol(counted.start(), NOW + timedelta(days=61) if renew else NOW)
    return cut_after["done"]


# --- over the link -------------------------------------------------------------------------------------------


def test_given_the_link_then_who_it_is_is_said_on_each_connection_and_a_renewal_travels_with_it(
    village: Village, centre: TestCentre
) -> None:
    identity = village.start()
    village.enrol(identity)
    talk = IdentityTalk(identity)
    for connection in range(3):
        report = talk.due(1_000 * connection, connection)
        assert report is not None and talk.due(1_000 * connection + 1, connection) is None
        reply = centre.desk.hear(village.card.device, report)
        assert reply is not None
        talk.arrived(pack(reply))
        assert identity.folder.spoken().token == reply.token.hex()
    centre.now = NOW + timedelta(days=61)
    assert identity.wanted(centre.now) is not None
    report = talk.due(4_000, 2)
    assert report is not None
    reply = centre.desk.hear(village.card.device, report)
    assert reply is not None and unpack(reply.answer, Answer).certificate
    talk.arrived(pack(reply))
    before = identity.folder.generation
    (answer,) = identity.folder.take_answers()
    assert identity.take(unpack(answer, Answer), NOW_MS)
    assert identity.folder.generation != before
    assert not queries.suspected(centre.store)


def test_given_a_reply_that_was_lost_then_the_same_report_goes_again_after_a_minute_also_after_a_power_cut(
    village: Village, centre: TestCentre
) -> None:
    identity = village.start()
    village.enrol(identity)
    report = IdentityTalk(identity).due(0, 0)
    again = IdentityTalk(village.start()).due(0, 0)
    assert report == again
    talk = IdentityTalk(identity)
    assert talk.due(0, 0) and talk.due(30_000, 0) is None and talk.due(60_000, 0)
    talk.arrived(b"rubbish")
    talk.arrived(pack(Reply(1, b"another nonce", b"t")))
    assert identity.folder.spoken().token == ""
