"""A picture and a voice note that a farmer agreed to send, over a link that is cut, from a device that is killed."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.faults.harness import Keeper, production_broker
from tests.faults.link_proxy import LinkProxy, Shape
from tests.support.mosquitto import MISSING

from pikvani_contract.consent import Consent
from pikvani_contract.samples import case_body
from pikvani_device.adapters.clock_linux import LinuxClock
from pikvani_device.store import open_store
from pikvani_device.store.consents import BLOCK_BYTES, ConsentShelf, Sent

pytestmark = pytest.mark.needs_mosquitto

ID = "village-7"
SEED = 20261125
LINK = Shape(bits_per_s=200_000, latency_s=0.02)
FIRST, LATER = 40, 10
FILES = {"thumbnail": 6 * BLOCK_BYTES - 100, "voice": 8 * BLOCK_BYTES - 100}
PIECES = 14


@dataclass(frozen=True)
class Arrived:
    """What the centre has committed just now."""

    pieces: int
    whole: int
    cases: int


class Road:
    """A device whose farmer agreed, a link, Mosquitto as in production, and a centre that takes in."""

    def __init__(self, folder: Path) -> None:
        rng = random.Random(SEED)
        self.folder = folder
        self.files = {what: rng.randbytes(size) for what, size in FILES.items()}
        self.mosquitto, self.tls, table = production_broker(folder, [ID])
        self.mosquitto.start()
        self.proxy = LinkProxy(("127.0.0.1", self.mosquitto.port), LINK, SEED)
        (folder / "device").mkdir()
        store = open_store(folder / "device" / "device.sqlite3", LinuxClock())
        cases = [store.record_case(case_body(rng)).case_id for _ in range(FIRST)]
        self.case = cases[0]
        sent = [Sent(what, data) for what, data in self.files.items()]
        ConsentShelf(store).give(self.case, Consent.PHOTO | Consent.VOICE, "self", "2026-11", "mr-IN", sent)
        store.close()
        config, self.centre = folder / "centre.toml", folder / "centre.sqlite3"
        config.write_text(f'[database]\nurl = "sqlite:///{self.centre}"\n{table}')
        ingest = [sys.executable, "-m", "pikvani_server.cli", "ingest", "--config", str(config)]
        self.keepers = [Keeper(ingest, folder / "server.log")]

    def start(self) -> None:
        """The device begins once the centre listens, or its first batches would wait for their time-out."""
        log = self.folder / "server.log"
        self.wait(lambda: log.exists() and "ready " in log.read_text(), "a centre that takes in")
        light = [sys.executable, "-m", "tests.faults.light_device", "--dir", str(self.folder / "device"), "--id", ID]
        light += ["--port", str(self.proxy.port), "--tls", str(self.tls), "--seed", str(SEED)]
        self.device = Keeper([*light, "--results", str(FIRST + LATER), "--rate", "4"], self.folder / "device.log")
        self.keepers.append(self.device)

    def read(self, query: str) -> list[tuple] | None:
        """Rows at the centre; None while its tables are not there."""
        try:
            with closing(sqlite3.connect(f"file:{self.centre}?mode=ro", uri=True)) as centre:
                return centre.execute(query).fetchall()
        except sqlite3.OperationalError:
            return None

    def arrived(self) -> Arrived:
        rows = self.read(
            """SELECT (SELECT COUNT(*) FROM blocks), (SELECT COUNT(completed_at) FROM files),
               (SELECT COUNT(*) FROM cases)"""
        )
        return Arrived(*rows[0]) if rows else Arrived(0, 0, 0)

    def pieces(self, count: int) -> Arrived:
        """Wait until so many pieces are at the centre, and what else is there then."""
        found = self.arrived()
        deadline = time.monotonic() + 60
        while found.pieces < count:
            assert time.monotonic() < deadline, f"{found} after a minute\n{self.logs()}"
            time.sleep(0.03)
            self.device.tend()
            found = self.arrived()
        return found

    def wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, f"still not: {what}\n{self.logs()}"
            time.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-1_500:] for path in self.folder.glob("*.log"))

    def drained(self) -> bool:
        self.device.tend()
        return self.device.done

    def close(self) -> None:
        for keeper in self.keepers:
            keeper.stop()
        self.proxy.close()
        self.mosquitto.stop()


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    if MISSING:
        pytest.skip(MISSING)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # Mosquitto reads its files as a user of its own
    road = Road(tmp_path)
    try:
        road.start()
        yield road
    finally:
        road.close()


@pytest.mark.timeout(180)
def test_given_a_device_killed_and_a_link_cut_while_pieces_travel_then_they_arrive_whole_once_and_after_results(
    road: Road,
) -> None:
    first = road.pieces(1)
    assert first.cases >= FIRST, "a piece came before results that waited"
    faults = [(2, road.device.kill), (5, road.proxy.cut), (8, road.device.kill)]
    for pieces, fault in faults:
        seen = road.pieces(pieces)
        fault()
        assert seen.pieces < PIECES and seen.whole < len(FILES), "it was whole before the fault came"
        time.sleep(0.3)
        road.proxy.mend()
    assert seen.cases > FIRST, "results recorded later did not overtake the pieces that waited"
    road.wait(road.drained, "an empty outbox")

    assert road.arrived() == Arrived(PIECES, len(FILES), FIRST + LATER)
    for what, whole in road.files.items():
        pieces = road.read(f"SELECT outbox, seq, data FROM blocks WHERE what = '{what}' ORDER BY offset_bytes") or []
        assert {f"{outbox.hex()}-{seq}" for outbox, seq, _ in pieces} == {road.case}
        assert b"".join(data for _, _, data in pieces) == whole
    assert road.read("SELECT purposes FROM consents") == [(int(Consent.PHOTO | Consent.VOICE),)]
    assert road.read("SELECT COUNT(*) FROM dead_letters") == [(0,)]
    # Two pieces and the results of a batch may be on the road when it ends; nothing else goes twice.
    ((duplicates,),) = road.read("SELECT SUM(duplicates) FROM totals") or [(None,)]
    assert 0 <= duplicates <= len(faults) * 2 + LATER
