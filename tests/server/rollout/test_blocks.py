"""The block service, without a broker: answers go to who asked, rubbish and greed get none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pikvani_contract import topics
from pikvani_contract.messages import SCHEMA, Ask, Blocks, Want
from pikvani_contract.wire import pack, unpack
from pikvani_server.link import BrokerAddress
from pikvani_server.rollout.blocks import BLOCK_BYTES, BlockService

DATA = bytes(range(256)) * 200


class Sent:
    def __init__(self) -> None:
        self.messages: list[tuple[str, Blocks]] = []

    def publish(self, topic: str, payload: bytes, once: bool = False) -> None:
        assert once, "what is asked for again when lost need not be kept by the broker"
        self.messages.append((topic, unpack(payload, Blocks)))


def service(folder: Path, monkeypatch: pytest.MonkeyPatch, **limits: int) -> tuple[BlockService, Sent]:
    (folder / "targets").mkdir()
    (folder / "targets" / "f").write_bytes(DATA)
    made, sent = BlockService(folder, BrokerAddress("127.0.0.1", 1), "test", **limits), Sent()
    monkeypatch.setattr(made.link, "publish", sent.publish)
    return made, sent


def ask(*wants: Want, number: int = 7) -> bytes:
    return pack(Ask(SCHEMA, number, list(wants)))


def test_a_long_piece_comes_in_blocks_to_who_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, sent = service(tmp_path, monkeypatch)
    made._serve(topics.device("village-1", topics.UP_ASK), ask(Want("targets/f", 100, 10_000)))
    assert {topic for topic, _ in sent.messages} == {topics.device("village-1", topics.DOWN_BLOCK)}
    pieces = [piece for _, blocks in sent.messages for piece in blocks.pieces]
    assert max(len(piece.data) for piece in pieces) <= BLOCK_BYTES
    assert b"".join(piece.data for piece in pieces) == DATA[100:10_100] and made.served_bytes == 10_000
    assert {blocks.number for _, blocks in sent.messages} == {7}


def test_small_answers_share_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, sent = service(tmp_path, monkeypatch)
    wants = (Want("metadata/2.root.json", 0, 100), Want("targets/f", 0, 100))
    made._serve(topics.device("village-1", topics.UP_ASK), ask(*wants))
    ((_, blocks),) = sent.messages
    assert [(piece.want, piece.size, len(piece.data)) for piece in blocks.pieces] == [(0, -1, 0), (1, len(DATA), 100)]


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x00\xc1", b"\x01" + b"\xff" * 40, b"\x63new"])
def test_rubbish_is_passed_over(payload: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, sent = service(tmp_path, monkeypatch)
    made._serve(topics.device("village-1", topics.UP_ASK), payload)
    made._serve("pikvani/v1/d/UPPER CASE/up/ask", ask(Want("targets/f", 0, 10)))
    assert sent.messages == []


def test_who_asks_for_too_much_waits_and_nobody_else_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, sent = service(tmp_path, monkeypatch, rate_bytes_s=1, burst_bytes=50_000)
    for _ in range(10):
        made._serve(topics.device("greedy-1", topics.UP_ASK), ask(Want("targets/f", 0, 20_000)))
    assert (made.served_bytes, made.throttled) == (40_000, 8)
    made._serve(topics.device("village-1", topics.UP_ASK), ask(Want("targets/f", 0, 20_000)))
    assert sent.messages[-1][0] == topics.device("village-1", topics.DOWN_BLOCK)
