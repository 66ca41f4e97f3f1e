"""An update over the one connection: asked for by the device, resumed after any cut, and no byte twice."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.device.update.conftest import at
from tests.support.block_centre import QUICK, MemoryCentre
from tests.support.peers import wait_for
from tests.support.tuf_repository import NOW, TufRepository

from pikvani_contract import topics
from pikvani_contract.messages import SCHEMA, Ask, Blocks, Piece, Want
from pikvani_contract.wire import pack
from pikvani_device.adapters.broker_memory import MemoryHub
from pikvani_device.adapters.fetcher_mqtt import MqttFetcher, MqttFetcherSettings
from pikvani_device.adapters.fetcher_relay import RelayFetcher
from pikvani_device.errors import DeviceError
from pikvani_device.sync.relay import Relay
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_server.rollout.blocks import BLOCK_BYTES, RepositoryFiles, answers

DATA = random.Random(4).randbytes(200_001)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r" / "metadata").mkdir(parents=True)
    (tmp_path / "r" / "targets").mkdir()
    (tmp_path / "r" / "metadata" / "timestamp.json").write_bytes(b"{}")
    (tmp_path / "r" / "targets" / "big").write_bytes(DATA)
    return tmp_path / "r"


class CuttingHub(MemoryHub):
    """Loses every `every`-th block and the wire with it, `cuts` times; the wire is back once all was answered."""

    def __init__(self, cuts: int, every: int) -> None:
        super().__init__()
        self.cuts, self.every, self.count = cuts, every, 0
        self.centre: MemoryCentre | None = None

    def send(self, topic: str, payload: bytes, retain: bool = False) -> None:
        assert self.centre is not None
        broker = self.centre.brokers["village-1"]
        if topic.endswith(topics.DOWN_BLOCK):
            self.count += 1
            if self.cuts and self.count % self.every == 0:
                self.cuts -= 1
                broker.linked = False
        super().send(topic, payload, retain)
        if topic.endswith(topics.UP_ASK):
            broker.linked = True


@pytest.mark.parametrize("every", [2, 3, 7])
def test_given_a_hundred_cuts_then_the_file_comes_whole_and_no_byte_comes_twice(folder: Path, every: int) -> None:
    hub = CuttingHub(100, every)
    centre = hub.centre = MemoryCentre(folder, hub)
    fetcher = centre.fetcher()
    assert b"".join(fetcher.fetch("targets/big")) == DATA
    assert hub.cuts <= max(0, 100 - len(DATA) // BLOCK_BYTES // every)
    assert fetcher.received_bytes == len(DATA)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0, 0.3), st.floats(0, 0.3))
def test_given_blocks_lost_and_repeated_then_the_file_comes_whole(seed: int, lose: float, repeat: float) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "targets").mkdir()
        (Path(place) / "targets" / "f").write_bytes(DATA[:30_000])
        centre = MemoryCentre(Path(place), MemoryHub(seed, lose, repeat))
        quick = MqttFetcherSettings(answer_s=0.01, patience_s=30, ask_bytes=4_096, window_bytes=8_192)
        assert b"".join(centre.fetcher(settings=quick).fetch("targets/f", 11)) == DATA[11:30_000]


def test_given_a_link_then_never_more_than_the_window_is_on_its_way(folder: Path) -> None:
    centre = MemoryCentre(folder)
    centre.answering = False
    fetcher = centre.fetcher(settings=msgspec_free(window=20_000, ask=8_000))
    pieces = fetcher.fetch("targets/big")
    thread = threading.Thread(target=lambda: next(pieces, None), daemon=True)
    thread.start()
    while not centre.asked:
        time.sleep(0.01)
    assert [want.length for ask in centre.asked[:1] for want in ask.wants] == [8_000]
    first = centre.asked[0]
    for blocks in answers(centre.files, first):
        centre.hub.send(topics.device("village-1", topics.DOWN_BLOCK), pack(blocks))
    thread.join(5)
    threading.Thread(target=lambda: list(pieces), daemon=True).start()
    assert wait_for(lambda: len({ask.number for ask in centre.asked}) > 1)
    time.sleep(0.3)  # long enough for asks past the window, were there any
    later = [ask for ask in centre.asked if ask.number != first.number]
    assert sum(want.length for ask in later[:10] for want in ask.wants[:1] if ask.wants[0].offset >= 8_000) > 0
    assert max(want.offset + want.length for ask in later for want in ask.wants) <= 8_000 + 20_000


def msgspec_free(window: int, ask: int) -> MqttFetcherSettings:
    return MqttFetcherSettings(window_bytes=window, ask_bytes=ask, answer_s=600, patience_s=600)


def test_given_a_spent_budget_then_nothing_is_asked_and_the_reason_is_said(folder: Path) -> None:
    centre = MemoryCentre(folder)
    centre.fetcher()
    broker = centre.brokers["village-1"]
    left = [50_000]

    def allows(size: int) -> bool:
        left[0] -= size
        return left[0] >= 0

    fetcher = MqttFetcher(broker, "village-2", allows, settings=QUICK)
    centre.hub.listen(topics.device("village-2", topics.DOWN_BLOCK), lambda topic, payload: fetcher.arrived(payload))
    got = bytearray()
    with pytest.raises(OSError, match="budget"):
        for piece in fetcher.fetch("targets/big"):
            got += piece
    assert 0 < len(got) <= 66_000 and bytes(got) == DATA[: len(got)]
    asked = len(centre.asked)
    with pytest.raises(OSError, match="budget"):
        list(fetcher.fetch("metadata/timestamp.json"))
    assert len(centre.asked) == asked


def test_given_a_silent_centre_then_a_fetch_asks_again_and_then_ends_with_a_reason(folder: Path) -> None:
    centre = MemoryCentre(folder)
    centre.answering = False
    with pytest.raises(OSError, match="nothing came over the link"):
        list(centre.fetcher().fetch("targets/big"))
    assert 2 <= len(centre.asked) <= 5


def test_given_answers_nobody_asked_for_then_they_are_passed_over(folder: Path) -> None:
    centre = MemoryCentre(folder)
    fetcher = centre.fetcher()
    fetcher.arrived(b"\x00rubbish")
    fetcher.arrived(pack(Blocks(SCHEMA, 1, [Piece(0, 5, 0, b"aaaaa")])))
    centre.answering = False
    pieces = fetcher.fetch("targets/big")
    holder: list[bytes] = []
    thread = threading.Thread(target=lambda: holder.append(next(pieces)), daemon=True)
    thread.start()
    while not centre.asked:
        time.sleep(0.01)
    number = centre.asked[0].number
    for offset in range(500):
        # A liar who answers beyond what was asked must not fill the memory.
        fetcher.arrived(pack(Blocks(SCHEMA, number, [Piece(0, len(DATA), 1_000_000 + offset * 4096, bytes(4096))])))
    assert sum(map(len, fetcher._transfers[number][0].pieces.values())) == 0
    fetcher.arrived(pack(Blocks(SCHEMA, number, [Piece(0, len(DATA), 0, DATA[:100])])))
    thread.join(5)
    assert holder == [DATA[:100]]


def test_given_answers_without_a_byte_for_ever_then_a_fetch_ends_all_the_same(folder: Path) -> None:
    centre = MemoryCentre(folder)
    centre.answering = False
    fetcher = centre.fetcher()
    over = threading.Event()

    def lie() -> None:
        while not over.wait(0.01):
            for ask in list(centre.asked):
                fetcher.arrived(pack(Blocks(SCHEMA, ask.number, [Piece(0, len(DATA), 0, b"")])))

    liar = threading.Thread(target=lie)
    liar.start()
    try:
        with pytest.raises(OSError, match="nothing came over the link"):
            list(fetcher.fetch("targets/big"))
    finally:
        over.set()
        liar.join()


def test_given_pieces_that_overlap_then_no_more_is_kept_than_a_window_holds(folder: Path) -> None:
    centre = MemoryCentre(folder)
    centre.answering = False
    fetcher = centre.fetcher()
    thread = threading.Thread(target=lambda: next(fetcher.fetch("targets/big"), None), daemon=True)
    thread.start()
    while not centre.asked:
        time.sleep(0.01)
    number, want = centre.asked[0].number, centre.asked[0].wants[0]
    for offset in range(1, want.length):
        fetcher.arrived(pack(Blocks(SCHEMA, number, [Piece(0, len(DATA), offset, DATA[offset : want.length])])))
    assert sum(map(len, fetcher._transfers[number][0].pieces.values())) <= QUICK.window_bytes + want.length
    fetcher.arrived(pack(Blocks(SCHEMA, number, [Piece(0, len(DATA), 0, DATA[: want.length])])))
    thread.join(5)


def test_a_check_with_nothing_new_is_one_ask_and_one_answer_of_at_most_700_bytes(tmp_path: Path) -> None:
    repository = TufRepository(tmp_path / "r")
    plant_root(tmp_path / "trusted", repository.first_root)
    centre = MemoryCentre(repository.folder)
    fetcher = centre.fetcher()
    TrustedRepository(tmp_path / "trusted", fetcher, at(NOW)).refresh()
    centre.asked.clear()
    before = centre.brokers["village-1"].bytes_on_wire
    TrustedRepository(tmp_path / "trusted", fetcher, at(NOW)).refresh()
    assert [[want.path for want in ask.wants] for ask in centre.asked] == [
        ["metadata/2.root.json", "metadata/timestamp.json"]
    ]
    assert centre.brokers["village-1"].bytes_on_wire - before <= 700


@pytest.mark.parametrize(
    "path",
    ["staged/targets.json", "metadata", "metadata/", "metadata/../staged/targets.json", "targets/../../secret",
     "targets/link", "targets/circle", "targets/pipe", "/etc/hostname", "targets//etc/hostname", "targets/a\0b",
     "targets/.aside", "targets/" + "x" * 390, "nothing", ""],
)  # fmt: skip
def test_the_centre_serves_nothing_but_metadata_and_targets(path: str, folder: Path, tmp_path: Path) -> None:
    import os

    (tmp_path / "secret").write_bytes(b"s")
    (folder / "staged").mkdir()
    (folder / "staged" / "targets.json").write_bytes(b"s")
    (folder / "targets" / "link").symlink_to(tmp_path / "secret")
    (folder / "targets" / "circle").symlink_to("circle")
    (folder / "targets" / ".aside").write_bytes(b"s")
    os.mkfifo(folder / "targets" / "pipe")
    assert RepositoryFiles(folder).read(path, 0, 100) == (-1, b"")


@given(st.integers(0, 2**63 - 1), st.integers(1, 65_536))
def test_any_offset_and_length_is_answered_within_the_file(offset: int, length: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "targets").mkdir()
        (Path(place) / "targets" / "f").write_bytes(DATA)
        ask = Ask(SCHEMA, 3, [Want("targets/f", offset, length)])
        pieces = [piece for blocks in answers(RepositoryFiles(Path(place)), ask) for piece in blocks.pieces]
        assert b"".join(piece.data for piece in pieces) == DATA[offset : offset + length]
        assert {piece.size for piece in pieces} == {len(DATA)}


def test_given_no_part_that_holds_the_link_then_a_fetch_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="run --part sync"):
        list(RelayFetcher(tmp_path / "link.sock").fetch("metadata/timestamp.json"))


def test_given_a_relay_that_died_then_the_next_takes_its_place_but_two_do_not_hold_one_link(
    folder: Path, tmp_path: Path
) -> None:
    fetcher = MemoryCentre(folder).fetcher()
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    (deep / "link.sock").touch()
    relay = Relay(deep / "link.sock", fetcher.fetch)
    relay.start()
    assert b"".join(RelayFetcher(deep / "link.sock").fetch("targets/big", 5)) == DATA[5:]
    with pytest.raises(DeviceError, match="another process"):
        Relay(deep / "link.sock", fetcher.fetch).start()
    relay.stop()
    relay.stop()
    assert not (deep / "link.sock").exists()
