"""The desk: what a card may ask, what it is refused and why, and how a copied card is found out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import postgres
from tests.support.enrolling import TestCard, TestCentre, quick_store

from pikvani_contract import certificates, enrolment
from pikvani_contract.enrolment import REASONS
from pikvani_server.admin.districts import TILES
from pikvani_server.enrolment import keeping, queries, rules
from pikvani_server.errors import ServerError
from pikvani_server.store import Store, open_store
from pikvani_server.store.schema_learning import places


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        found = quick_store(tmp_path / "centre.sqlite3")
    else:
        if postgres.MISSING:
            pytest.skip(postgres.MISSING)
        found = open_store(request.getfixturevalue("postgres_server").new_database())
    found.migrate()
    yield found
    found.close()


@pytest.fixture
def centre(store: Store, tmp_path: Path) -> TestCentre:
    return TestCentre(store, tmp_path)


def reasons(centre: TestCentre, kind: str = "refused") -> set[tuple[str, str]]:
    return {(row["device_id"], row["reason"]) for row in queries.events(centre.store, kind)}


def test_given_a_card_when_it_asks_then_it_gets_a_certificate_of_its_district_for_its_own_key(
    centre: TestCentre,
) -> None:
    card = TestCard(centre.cards()[0])
    answer = centre.ask(card.request())
    card.take(answer)
    leaf = x509.load_der_x509_certificate(answer.certificate)
    middle = x509.load_der_x509_certificate(answer.chain[0])
    assert certificates.issued_by(leaf, middle) and certificates.issued_by(middle, centre.authority.root)
    assert queries.devices(centre.store)[0]["district"] == "pune"
    # and the pages and their map know where it stands
    (place,) = centre.store.read("reading places", sa.select(places))
    assert place["district"] == "Pune"
    assert rules.name_of_district("mumbai-suburban") in {tile.name for tile in TILES}
    assert queries.pending(centre.store, centre.now) == []


def test_given_the_answer_was_lost_when_the_same_card_asks_again_then_it_gets_the_same_answer(
    centre: TestCentre,
) -> None:
    card = TestCard(centre.cards()[0])
    first = centre.ask(card.request())
    assert centre.ask(card.request(new_key=False)).certificate == first.certificate
    assert len(queries.events(centre.store, "enrolled")) == 1


def test_given_an_enrolled_card_in_use_when_its_request_is_replayed_then_it_is_refused(centre: TestCentre) -> None:
    card = TestCard(centre.cards()[0])
    request = card.request()
    card.take(centre.ask(request)).report(centre)
    assert centre.ask(request).reason == "replayed"
    assert reasons(centre) == {(card.card.device, "replayed")}


def test_given_a_copied_card_when_both_ask_then_the_second_is_refused_and_the_device_is_suspected(
    centre: TestCentre,
) -> None:
    card = TestCard(centre.cards()[0])
    copy = card.clone(b"board-2")
    card.take(centre.ask(card.request()))
    assert centre.ask(copy.request()).reason == "claim_used"
    assert [row["device_id"] for row in queries.suspected(centre.store)] == [card.card.device]
    assert (card.card.device, "claim_used") in reasons(centre)
    # The first one goes on.
    assert card.report(centre) is not None


def test_given_an_expired_claim_then_it_is_refused(centre: TestCentre) -> None:
    card = TestCard(centre.cards(days=1)[0])
    centre.now += timedelta(days=2)
    assert centre.ask(card.request()).reason == "expired_claim"
    assert queries.pending(centre.store, centre.now)[0]["expired"]


def test_given_a_claim_under_another_batch_or_device_then_it_is_refused_and_seen(centre: TestCentre) -> None:
    one, two = (TestCard(card) for card in centre.cards(2))
    assert centre.ask(one.request(batch="b2")).reason == "wrong_batch"
    one.card = msgspec.structs.replace(one.card, device=two.card.device)
    assert centre.ask(one.request()).reason == "wrong_device"
    assert {reason for _, reason in reasons(centre)} == {"wrong_batch", "wrong_device"}
    assert not queries.devices(centre.store)


def test_given_a_card_of_a_batch_the_centre_never_saw_then_it_is_unknown(centre: TestCentre) -> None:
    from pikvani_contract import cards

    stranger = TestCard(cards.make_cards("b1", "pune", 1, centre.now + timedelta(days=1))[0])
    assert centre.ask(stranger.request()).reason == "unknown_claim"


def test_given_a_request_changed_on_the_way_then_its_proof_fails(centre: TestCentre) -> None:
    card = TestCard(centre.cards()[0])
    stolen = certificates.make_request(certificates.new_key(), card.card.device)
    assert centre.ask(msgspec.structs.replace(card.request(), csr=stolen)).reason == "bad_proof"


def test_given_no_authority_for_the_district_then_the_claim_is_not_spent(centre: TestCentre) -> None:
    card = TestCard(centre.cards(district="nashik")[0])
    assert centre.ask(card.request()).reason == "no_authority"
    assert len(queries.pending(centre.store, centre.now)) == 1


@settings(max_examples=30)
@given(payload=st.binary(max_size=600))
def test_given_any_bytes_then_the_desk_refuses_in_an_answer(tmp_path_factory: pytest.TempPathFactory, payload) -> None:
    centre = _shared(tmp_path_factory)
    assert centre.desk.ask(payload, "https").reason == "malformed"
    assert centre.desk.hear("pune-b1-0001", payload) is None


_made: list[TestCentre] = []


def _shared(factory: pytest.TempPathFactory) -> TestCentre:
    if not _made:
        folder = factory.mktemp("desk")
        _made.append(TestCentre(quick_store(folder / "centre.sqlite3"), folder))
    return _made[0]


def test_given_a_flood_of_strangers_then_the_table_of_events_does_not_grow_with_it(centre: TestCentre) -> None:
    from pikvani_contract import cards

    for number in range(40):
        stranger = TestCard(cards.make_cards(f"x{number}", "pune", 1, centre.now + timedelta(days=1))[0])
        centre.ask(stranger.request())
    rows = queries.refused(centre.store)
    assert len(rows) == 1 and rows[0]["times"] == 40


def test_given_two_hundred_cards_when_every_attack_is_tried_on_each_then_all_are_refused(
    tmp_path: Path,
) -> None:
    """200 identities: 200 keys, no shared secret, and not one replayed, copied, expired or misplaced claim taken."""
    centre = TestCentre(quick_store(tmp_path / "centre.sqlite3"), tmp_path)
    cards = [TestCard(card, f"board-{n}".encode()) for n, card in enumerate(centre.cards(200))]
    for card in cards:
        request = card.request()
        assert centre.ask(card.clone().request(batch="b2")).reason == "wrong_batch"
        card.take(centre.ask(request))
        assert centre.ask(card.clone(b"copy").request()).reason == "claim_used"
        card.report(centre)
        assert centre.ask(request).reason == "replayed"
    late = [TestCard(card) for card in centre.cards(200, batch="b3", days=1)]
    centre.now += timedelta(days=2)
    assert {centre.ask(card.request()).reason for card in late} == {"expired_claim"}

    publics = {c.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for c in cards}
    secrets = [c.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for c in cards]
    numbers = [c.key.private_numbers().private_value.to_bytes(32, "big") for c in cards]
    assert len(publics) == len(set(numbers)) == 200
    # Byte scan: no eight bytes of a private key stand among another's, or in the centre's database.
    database = (tmp_path / "centre.sqlite3").read_bytes() + (tmp_path / "centre.sqlite3-wal").read_bytes()
    joined = b"\0".join(numbers)
    for number, text in zip(numbers, secrets, strict=True):
        for at in range(25):
            assert joined.count(number[at : at + 8]) == 1
            assert number[at : at + 8] not in database
        assert text not in database
    assert queries.counts(centre.store, centre.now) == {
        "enrolled": 200,
        "revoked": 0,
        "ended": 0,
        "pending": 200,
        "suspected": 200,
        "refusals": 800,
    }


# --- renewal -------------------------------------------------------------------------------------------------


@pytest.fixture
def enrolled(centre: TestCentre) -> TestCard:
    card = TestCard(centre.cards()[0])
    card.take(centre.ask(card.request())).report(centre)
    return card


def test_given_a_certificate_near_its_end_when_it_is_renewed_then_the_key_is_new(
    centre: TestCentre, enrolled: TestCard
) -> None:
    old_key, old = enrolled.key, enrolled.certificate
    centre.now += timedelta(days=60)
    enrolled.take(centre.ask(enrolled.renewal(), "mqtt"))
    assert enrolled.key is not old_key and enrolled.certificate != old
    assert len(queries.events(centre.store, "renewed")) == 1


def test_given_a_certificate_that_ended_months_ago_when_it_asks_with_its_key_then_it_is_renewed_all_the_same(
    centre: TestCentre, enrolled: TestCard
) -> None:
    centre.now += timedelta(days=200)
    enrolled.take(centre.ask(enrolled.renewal()))


def test_given_the_answer_to_a_renewal_was_lost_then_the_same_request_gets_it_again(
    centre: TestCentre, enrolled: TestCard
) -> None:
    first = centre.ask(enrolled.renewal())
    assert centre.ask(enrolled.renewal(new_key=False)).certificate == first.certificate
    enrolled.take(first)


def test_given_a_copy_that_renews_first_then_the_other_is_refused_and_the_device_suspected(
    centre: TestCentre, enrolled: TestCard
) -> None:
    copy = enrolled.clone()
    copy.take(centre.ask(copy.renewal()))
    assert centre.ask(enrolled.renewal()).reason == "old_identity"
    assert queries.suspected(centre.store)


def test_given_another_devices_key_then_it_renews_nobody_else(centre: TestCentre, enrolled: TestCard) -> None:
    other = TestCard(centre.cards(2, batch="b2")[1])
    other.take(centre.ask(other.request()))
    forged = msgspec.structs.replace(other.renewal(), device=enrolled.card.device)
    assert centre.ask(forged).reason == "malformed"
    csr = certificates.make_request(certificates.new_key(), enrolled.card.device)
    crossed = msgspec.structs.replace(other.renewal(), device=enrolled.card.device, csr=csr)
    assert centre.ask(enrolment.prove_identity(crossed, other.key)).reason == "unknown_identity"
    assert centre.desk.ask(enrolment.pack(other.renewal()), "mqtt", enrolled.card.device).reason == "malformed"


# --- reports -------------------------------------------------------------------------------------------------


def test_given_an_honest_device_whose_replies_get_lost_at_any_time_then_it_is_never_suspected(
    centre: TestCentre, enrolled: TestCard
) -> None:
    for number, tries in enumerate([1, 2, 1, 3]):
        for last in [*[False] * (tries - 1), True]:
            # Until a reply comes the same report goes again, also when only the reply was lost.
            enrolled.report(centre, f"nonce-{number}".encode(), keep=last)
    assert not queries.suspected(centre.store)


def test_given_a_copy_that_lies_about_its_board_when_both_report_then_it_is_found_out(
    centre: TestCentre, enrolled: TestCard
) -> None:
    copy = enrolled.clone()
    copy.report(centre, b"of the copy")
    assert not queries.suspected(centre.store)
    enrolled.report(centre, b"of the device")
    assert queries.suspected(centre.store)[0]["device_id"] == enrolled.card.device


@given(turns=st.lists(st.booleans(), min_size=1, max_size=12))
@settings(max_examples=40)
def test_given_two_cards_with_one_key_in_any_order_then_the_second_to_speak_betrays_them(
    tmp_path_factory: pytest.TempPathFactory, turns: list[bool]
) -> None:
    centre = _shared(tmp_path_factory)
    card = TestCard(centre.cards(1, batch=f"r{next(_numbers)}")[0])
    card.take(centre.ask(card.request())).report(centre, b"0")
    copy = card.clone()
    for number, first in enumerate(turns):
        (card if first else copy).report(centre, f"{first}-{number}".encode())
    found = [row["device_id"] for row in queries.suspected(centre.store)]
    assert (card.card.device in found) == (len(set(turns)) == 2)


_numbers = itertools.count()


@pytest.mark.parametrize("changes", [{"machine": b"another board"}, {"counter": 0}])
def test_given_another_board_or_a_count_that_goes_back_then_the_device_is_suspected_until_a_person_clears_it(
    centre: TestCentre, enrolled: TestCard, changes: dict
) -> None:
    enrolled.report(centre, b"n2", **changes)
    assert queries.suspected(centre.store)
    keeping.clear(centre.store, enrolled.card.device, "the board was changed", "test", centre.now)
    assert not queries.suspected(centre.store)


def test_given_a_device_that_went_back_to_its_older_certificate_then_it_is_suspected(
    centre: TestCentre, enrolled: TestCard
) -> None:
    before = enrolled.certificate
    enrolled.take(centre.ask(enrolled.renewal())).report(centre, b"n2")
    enrolled.certificate = before
    enrolled.report(centre, b"n3")
    assert queries.suspected(centre.store)


# --- what people do ------------------------------------------------------------------------------------------


def test_given_a_stolen_device_when_it_is_revoked_then_nothing_of_it_is_taken_any_more(
    centre: TestCentre, enrolled: TestCard
) -> None:
    keeping.revoke(centre.store, enrolled.card.device, "stolen", "test", centre.now)
    assert centre.ask(enrolled.renewal()).reason == "revoked"
    assert centre.ask(enrolled.request()).reason == "revoked"
    assert enrolled.report(centre) is None
    assert queries.devices(centre.store, state="revoked")[0]["revoked_reason"] == "stolen"
    with pytest.raises(ServerError, match="already"):
        keeping.revoke(centre.store, enrolled.card.device, "again", "test", centre.now)


def test_given_a_card_that_got_lost_in_the_post_when_it_is_revoked_then_its_claim_is_withdrawn(
    centre: TestCentre,
) -> None:
    card = TestCard(centre.cards()[0])
    keeping.revoke(centre.store, card.card.device, "lost", "test", centre.now)
    assert centre.ask(card.request()).reason == "withdrawn_claim"


def test_given_a_new_card_for_a_village_then_it_inherits_the_place(centre: TestCentre, enrolled: TestCard) -> None:
    keeping.move(centre.store, enrolled.card.device, "Kothrud", "", "test", centre.now)
    new = TestCard(centre.cards(1, batch="b2")[0])
    keeping.replace(centre.store, enrolled.card.device, new.card.device, "test", centre.now)
    keeping.revoke(centre.store, enrolled.card.device, "broken", "test", centre.now)
    new.take(centre.ask(new.request()))
    rows = {row["device_id"]: row for row in queries.devices(centre.store)}
    assert rows[new.card.device]["village"] == "Kothrud"


def test_given_a_device_that_moved_district_then_the_new_authority_signs_its_next_certificate(
    store: Store, tmp_path: Path
) -> None:
    centre = TestCentre(store, tmp_path, ("pune", "nashik"))
    card = TestCard(centre.cards()[0])
    card.take(centre.ask(card.request()))
    keeping.move(store, card.card.device, "Sinnar", "nashik", "test", centre.now)
    answer = centre.ask(card.renewal())
    assert "nashik" in certificates.common_name(x509.load_der_x509_certificate(answer.chain[0]).subject)


def test_given_a_batch_that_is_entered_twice_or_names_a_taken_device_then_nothing_is_doubled(
    centre: TestCentre,
) -> None:
    from pikvani_contract import cards

    made = centre.cards(3)
    whole = cards.Batch(batch="b1", claims=[cards.claim_of(card) for card in made])
    assert keeping.add_batch(centre.store, whole, "test", centre.now) == 0
    with pytest.raises(ServerError, match="another claim"):
        other = msgspec.structs.replace(whole, batch="b9", claims=[_other(made[0])])
        keeping.add_batch(centre.store, other, "test", _now())


def _other(card):
    from pikvani_contract import cards

    fresh = cards.make_cards("zz", "pune", 1, _now())[0]
    return cards.claim_of(msgspec.structs.replace(fresh, device=card.device))


def _now() -> datetime:
    return datetime.now(UTC)


def test_every_reason_has_a_meaning_and_every_refusal_is_one_of_them() -> None:
    source = (Path(enrolment.__file__).parents[2] / "sync-server/pikvani_server/enrolment/rules.py").read_text()
    import re

    assert set(re.findall(r'Verdict\("refuse", "(\w+)"', source)) <= set(REASONS)
