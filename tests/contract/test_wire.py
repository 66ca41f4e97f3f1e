"""Messages survive the wire; anything else from the other side is a clear WireError and nothing worse."""

import random

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract import samples, topics, wire
from pikvani_contract.errors import ContractError, WireError
from pikvani_contract.messages import SCHEMA, AlarmBody, Ask, Batch, Blocks, Receipt, Record, Status, UpdateOrder


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_given_a_batch_then_it_comes_back_equal(seed: int, records: int) -> None:
    batch = samples.case_batch(random.Random(seed), records)
    again = wire.unpack(wire.pack(batch), Batch)
    assert again == batch
    assert [wire.unpack_body(r) for r in again.records] == [wire.unpack_body(r) for r in batch.records]


def test_given_fifty_results_then_each_costs_at_most_fifty_bytes() -> None:
    rng = random.Random(99)
    sizes = [len(wire.pack(samples.case_batch(rng, 50))) / 50 for _ in range(20)]
    assert sum(sizes) / len(sizes) <= 50


@given(st.binary(max_size=2_000))
def test_given_any_bytes_then_only_a_wire_error_comes_out(payload: bytes) -> None:
    for kind in (Batch, Receipt, Status, Ask, Blocks, UpdateOrder):
        try:
            wire.unpack(payload, kind)
        except WireError as error:
            assert str(error)


@given(st.integers(0, 500), st.integers(0, 5_000), st.integers(0, 255))
def test_given_one_byte_changed_then_it_is_a_message_or_a_wire_error(seed: int, where: int, value: int) -> None:
    payload = bytearray(wire.pack(samples.case_batch(random.Random(seed), 3)))
    payload[where % len(payload)] = value
    try:
        batch = wire.unpack(bytes(payload), Batch)
        for record in batch.records:
            wire.unpack_body(record)
    except WireError:
        pass


def test_given_a_decompression_bomb_then_it_is_refused_before_memory_is_spent() -> None:
    bomb = bytes([wire.ZSTD_DICTIONARY_1]) + zstandard.ZstdCompressor().compress(bytes(200 * 2**20))
    assert len(bomb) < wire.MAX_PAYLOAD_BYTES
    with pytest.raises(WireError, match="allowed size"):
        wire.unpack(bomb, Batch)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "empty"),
        (b"\x09abc", "codec 9"),
        (b"\x00" * 300_000, "over the"),
        (b"\x01junk", "torn or foreign"),
    ],
)
def test_given_a_hopeless_payload_then_the_error_says_what_is_wrong(payload: bytes, words: str) -> None:
    with pytest.raises(WireError, match=words):
        wire.unpack(payload, Batch)


def test_given_a_message_from_a_newer_version_then_its_extra_fields_are_passed_over() -> None:
    receipt = Receipt(SCHEMA, b"12345678", 5, [(2, 3)], 1)
    newer = [*msgspec.to_builtins(receipt, builtin_types=(bytes,)), "a field of next year"]
    assert wire.unpack(b"\x00" + msgspec.msgpack.encode(newer), Receipt) == receipt


def test_given_an_unknown_kind_then_only_that_record_is_refused() -> None:
    record = Record(1, 0, 0, 0, "weather", msgspec.Raw(wire.pack_body(AlarmBody("x"))))
    with pytest.raises(WireError, match="'weather' is unknown"):
        wire.unpack_body(record)


def test_given_topics_then_device_ids_go_in_and_come_out_and_bad_ones_do_not() -> None:
    topic = topics.device("village-7", topics.UP_BATCH)
    assert topic == "pikvani/v1/d/village-7/up/batch"
    assert topics.device_of(topic) == "village-7"
    assert topics.every_device(topics.UP_BATCH, "ingest") == "$share/ingest/pikvani/v1/d/+/up/batch"
    for bad in ("+", "a/b", "", "x" * 60, "Über", "-a-"):
        with pytest.raises(ContractError):
            topics.device(bad, topics.UP_BATCH)
    for foreign in ("pikvani/v1/d/village-7/up/else", "other/v1/d/a-b-c/up/batch", "pikvani/v1/d/village-7"):
        with pytest.raises(ContractError):
            topics.device_of(foreign)
