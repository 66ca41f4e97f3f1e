"""A device without camera and model: the real store, publisher and MQTT client, recording made-up results.

Run as a process by the fault harness, which kills it at random; started again it goes on where its store stands.
Ends with exit code 0 when it has recorded what it should and its outbox is empty.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from pathlib import Path

from pikvani_contract import topics
from pikvani_contract.clock import ClockTrust, Moment
from pikvani_contract.samples import case_body
from pikvani_device.adapters.broker_paho import PahoBroker, TlsFiles
from pikvani_device.adapters.clock_linux import LinuxClock
from pikvani_device.errors import StoreError
from pikvani_device.store import Store, open_store
from pikvani_device.sync.publisher import Publisher, PublisherSettings, Running, offline_status

BOOT_SHARE = 0.5
"""How many starts count as a reboot, with a wall clock of its own mind."""


class LyingClock:
    """The machine's clock as a board without battery would tell it: another boot, another decade."""

    def __init__(self, rng: random.Random) -> None:
        self._real = LinuxClock()
        self._boot = f"{self._real.now().boot_id}-{rng.getrandbits(32):x}" if rng.random() < BOOT_SHARE else None
        self._lie_ms = rng.choice((0, 0, -10 * 365 * 86_400_000, 10 * 365 * 86_400_000))

    def now(self) -> Moment:
        moment = self._real.now()
        trust = ClockTrust.UNTRUSTED if self._lie_ms else moment.trust
        return Moment(self._boot or moment.boot_id, moment.mono_ms, moment.wall_ms + self._lie_ms, trust)


def recorded(store: Store) -> int:
    return store._read("SELECT COUNT(*) FROM records WHERE kind = 'case'")[0][0]


def record_when_there_is_room(store: Store, rng: random.Random) -> None:
    """A farmer who is told that the card is full asks again."""
    while True:
        try:
            store.record_case(case_body(rng))
        except StoreError as error:
            print(error, flush=True)
            time.sleep(0.3)
        else:
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--id", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls", type=Path, help="folder with ca.pem, ID.pem and ID.key")
    parser.add_argument("--results", type=int, required=True)
    parser.add_argument("--rate", type=float, default=50.0, help="results a second")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(f"{options.seed}:{time.time_ns()}")
    clock = LyingClock(rng)
    store = open_store(options.dir / "device.sqlite3", clock)
    will = (topics.device(options.id, topics.UP_STATUS), offline_status())
    tls = None
    if options.tls:
        tls = TlsFiles(options.tls / "ca.pem", options.tls / f"{options.id}.pem", options.tls / f"{options.id}.key")
    broker = PahoBroker("127.0.0.1", options.port, options.id, will, tls, keepalive_s=20)
    settings = PublisherSettings(batch_records=50, batch_age_s=1, receipt_timeout_s=8, status_interval_s=60)
    publisher = Publisher(store, broker, clock, options.id, lambda: Running("0", "none", "none"), settings)
    stop = threading.Event()
    link = threading.Thread(target=publisher.run, args=(stop,))
    link.start()
    try:
        for _ in range(options.results - recorded(store)):
            record_when_there_is_room(store, rng)
            time.sleep(rng.expovariate(options.rate))
        while store.waiting():
            time.sleep(0.2)
    finally:
        stop.set()
        link.join(10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
