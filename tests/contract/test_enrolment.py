"""The bytes of enrolment: what a request proves, and what becomes of bytes that were cut, changed or made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract import cards, certificates, enrolment
from pikvani_contract.enrolment import Answer, Reply, Report, Request
from pikvani_contract.errors import ContractError, WireError

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CARD = cards.make_cards("b1", "pune", 1, NOW)[0]
KEY = certificates.new_key()
REQUEST = enrolment.prove_claim(
    Request(1, CARD.device, certificates.make_request(KEY, CARD.device), b"m" * 16, 1, "b1"), CARD.seed()
)
PUBLIC = bytes.fromhex(cards.claim_of(CARD).key)


def test_given_a_request_when_it_goes_as_text_then_it_comes_back_however_it_was_typed() -> None:
    text = enrolment.as_text(REQUEST)
    pasted = "\r\n".join(text[i : i + 40] for i in range(0, len(text), 40)).lower() + " \n"
    assert enrolment.from_text(pasted, Request) == REQUEST


def test_given_a_request_then_its_text_fits_a_qr_code_a_phone_reads_off_a_screen() -> None:
    # Version 20 at error correction L holds 1,249 letters of the alphanumeric set.
    assert len(enrolment.as_text(REQUEST)) < 1_249


@given(st.data())
def test_given_a_changed_or_cut_text_then_it_is_refused_in_one_line(data: st.DataObject) -> None:
    text = enrolment.as_text(REQUEST)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567:!é"))
    changed = data.draw(st.sampled_from([text[:at], text[:at] + letter + text[at + 1 :], text[:at] + text[at + 1 :]]))
    if changed == text:
        return
    with pytest.raises(WireError) as refused:
        enrolment.from_text(changed, Request)
    assert "\n" not in str(refused.value)


@given(st.binary(max_size=300), st.sampled_from([Request, Answer, Report, Reply]))
def test_given_any_bytes_then_unpack_gives_a_message_or_one_line(payload: bytes, kind: type) -> None:
    try:
        assert isinstance(enrolment.unpack(payload, kind), kind)
    except WireError as error:
        assert len(str(error).splitlines()) == 1


@given(st.binary(max_size=400))
def test_given_any_bytes_as_signing_request_then_a_contract_error(der: bytes) -> None:
    with pytest.raises(ContractError):
        certificates.read_request(der)


@pytest.mark.parametrize(
    "change", [{"device": "pune-b1-0002"}, {"counter": 2}, {"machine": b"x" * 16}, {"batch": "b2"}, {"csr": b"x"}]
)
def test_given_any_part_changed_then_the_proof_no_longer_holds(change: dict[str, object]) -> None:
    assert enrolment.claim_proven(REQUEST, PUBLIC)
    assert not enrolment.claim_proven(msgspec.structs.replace(REQUEST, **change), PUBLIC)


def test_given_another_cards_claim_then_the_proof_does_not_hold() -> None:
    other = cards.make_cards("b1", "pune", 1, NOW)[0]
    assert not enrolment.claim_proven(REQUEST, bytes.fromhex(cards.claim_of(other).key))


def test_given_what_the_centre_holds_then_no_request_can_be_made_of_it() -> None:
    # The public half taken for a seed makes another claim, not this one.
    forged = enrolment.prove_claim(msgspec.structs.replace(REQUEST, proof=b""), PUBLIC)
    assert not enrolment.claim_proven(forged, PUBLIC)


def test_given_a_renewal_then_only_the_key_in_use_proves_it() -> None:
    root_key, used = certificates.new_key(), certificates.new_key()
    root = certificates.make_root(root_key, "root", NOW, timedelta(days=9))
    certificate = certificates.make_leaf(root, root_key, used.public_key(), CARD.device, NOW, timedelta(days=1))
    asked = msgspec.structs.replace(REQUEST, claim=b"", proof=b"", previous=b"p" * 32)
    assert enrolment.identity_proven(enrolment.prove_identity(asked, used), certificate)
    assert not enrolment.identity_proven(enrolment.prove_identity(asked, KEY), certificate)


def test_given_two_hundred_cards_then_no_two_share_a_secret_or_an_id() -> None:
    made = cards.make_cards("b9", "pune", 200, NOW)
    assert len({c.seed() for c in made}) == len({c.device for c in made}) == len({cards.claim_of(c).id for c in made})
    assert all(CARD.seed() != c.seed() for c in made)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"device": 3}', b"\xff", cards.as_json(CARD)[:-20]])
def test_given_a_damaged_card_file_then_one_line_says_so(data: bytes) -> None:
    with pytest.raises(ContractError, match="card\\.json"):
        cards.read_card(data, "card.json")


def test_given_a_batch_that_names_a_device_twice_then_it_is_refused() -> None:
    claim = cards.claim_of(CARD)
    with pytest.raises(ContractError, match="twice"):
        cards.read_batch(cards.as_json(cards.Batch(batch="b1", claims=[claim, claim])), "batch.json")


def test_given_a_leaf_asked_to_outlive_its_issuer_then_it_does_not() -> None:
    key = certificates.new_key()
    root = certificates.make_root(key, "root", NOW, timedelta(days=10))
    leaf = certificates.make_leaf(root, key, key.public_key(), "pune-1", NOW, timedelta(days=90))
    assert leaf.not_valid_after_utc == root.not_valid_after_utc
    assert certificates.issued_by(leaf, root) and not certificates.issued_by(root, leaf)
