"""A fleet under a roll-out: the device's own updater and state machine, the centre's own ingest, tests and orders.

Only the wire (in memory, with the real payloads), cases, self-test and clock are made up; hours pass as fast
as they can be worked through. Prints a table: how far each kind of version came, and who runs what afterwards.

    scripts/bench rollout [--devices 1000] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from tests.device.conftest import write_sample_package
from tests.support.block_centre import MemoryCentre
from tests.support.tuf_repository import TufRepository

from pikvani_contract import topics
from pikvani_contract.clock import ClockTrust, Moment
from pikvani_contract.messages import SCHEMA, Batch, Body, Lane, Record, UpdateOrder, UpdateReport
from pikvani_contract.model.manifest import Package, load_package
from pikvani_contract.model.packing import package_target, packed_bytes
from pikvani_contract.samples import case_body
from pikvani_contract.wire import pack, pack_body, unpack
from pikvani_device.adapters.broker_memory import MemoryHub
from pikvani_device.app.link import keep_order
from pikvani_device.app.update import order_fact
from pikvani_device.update.engine import Engine
from pikvani_device.update.state import Phase
from pikvani_device.update.surroundings import Rules, Tested
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_device.update.watching import Evidence, Seen
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import Arrived, read_batch
from pikvani_server.rollout import acting, queries, rows
from pikvani_server.rollout.advancing import advance
from pikvani_server.rollout.plan import Plan
from pikvani_server.rollout.sending import send_orders
from pikvani_server.store import open_store
from pikvani_server.store.rows import DeviceStatus

OLD, NEW = "1.0.0", "1.1.0"
_BASE_DAYS = 4
_WATCHED = 400


@dataclass(frozen=True)
class Version:
    """What a new version is like in the field.

    Attributes:
        unanswered: share of cases it does not answer, on top of the village's own.
        slower: factor on the time of a case.
        crashes: share of cases in which the runtime fails.
        fails_test: share of devices on which its self-test fails.
        is_bad: whether it must be stopped.
    """

    unanswered: float = 0.0
    slower: float = 1.0
    crashes: float = 0.0
    fails_test: float = 0.0
    is_bad: bool = True


VERSIONS = {
    "sound": Version(is_bad=False),
    "refuses much": Version(unanswered=0.5),
    "twice as slow": Version(slower=2.2),
    "runtime fails": Version(crashes=0.25),
    "fails self-test": Version(fails_test=0.9),
    "a little worse": Version(unanswered=0.18),
}


@dataclass
class Outcome:
    """How far a version came.

    Attributes:
        state: of the roll-out at the end.
        reason: the last one given.
        exposed: devices that were ordered to take it, in all.
        ran: devices it ever answered on.
        hours: from the start to the end of the roll-out.
        on_new: devices on which it answers at the end, of those that are alive.
        back: devices that took it and answer with the old version again.
        silent: devices counted out because they said nothing.
        unverified: devices that answered with anything but one of the two signed versions, at any time.
    """

    version: str
    devices: int
    state: str
    reason: str
    exposed: int
    exposed_percent: float
    ran: int
    hours: float
    on_new: int
    back: int
    silent: int
    unverified: int
    seconds: float


class World:
    """One centre, one repository, one hub, many devices."""

    def __init__(self, folder: Path, count: int, kind: Version, seed: int) -> None:
        self.folder, self.kind, self.rng = folder, kind, random.Random(seed)
        self.now = datetime(2026, 11, 24, 2, tzinfo=UTC)
        self.repository = TufRepository(folder / "repository", now=self.now + timedelta(days=60))
        self.old = load_package(write_sample_package(folder / "old", 3, version=OLD))
        self.new = load_package(write_sample_package(folder / "new", 3, version=NEW))
        for package in (self.old, self.new):
            version = package.manifest.version
            target = self.repository.add_target(package_target("sample", version), packed_bytes(package))
            target.unrecognized_fields["custom"] = {"package": "sample", "version": version, "stage": "production"}
        self.repository.publish_all()
        self.sha256 = self.repository.targets.targets[package_target("sample", NEW)].hashes["sha256"]
        self.hub = MemoryHub(seed)
        self.blocks = MemoryCentre(self.repository.folder, self.hub)
        self.store = open_store(f"sqlite:///{folder / 'centre.sqlite3'}")
        self.store.migrate()
        self._arrived: list[Arrived] = []
        self.hub.listen(None, self._take)
        self.devices = [SimDevice(self, number) for number in range(count)]
        self.store.record_status(
            DeviceStatus(device.id, self.now, True, {"model": f"sample@{OLD}", "app": "0.1.0"})
            for device in self.devices
        )

    def _take(self, topic: str, payload: bytes) -> None:
        if topic.endswith(topics.UP_BATCH):
            item = read_batch(topic, payload, self.now_ms)
            assert isinstance(item, Arrived), item
            self._arrived.append(item)

    @property
    def now_ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def hour(self, numbers: list[int]) -> None:
        """One hour in the villages, then one pass at the centre."""
        self.now += timedelta(hours=1)
        for device in self.devices:
            device.live(self.now)
        group, self._arrived = self._arrived, []
        for start in range(0, len(group), 500):
            commit_group(self.store, group[start : start + 500], self.now_ms)
        for number in numbers:
            advance(self.store, number, self.now)
        send_orders(self.store, self.hub.send, self.now)
        for device in self.devices:
            device.update()

    def close(self) -> None:
        self.store.close()


class SimDevice:
    """One appliance: real engine, slots and trust; made-up cases. It is its engine's surroundings."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.id = world, f"village-{number:04d}"
        self.rng = random.Random(f"{world.rng.random()}/{number}")
        self.rate = self.rng.uniform(0.4, 1.4)
        self.own_unanswered = self.rng.uniform(0.05, 0.2)
        self.dead = self.rng.random() < 0.04
        self.tests = self.rng.random()
        self.facts: dict[str, str] = {}
        self.seen: dict[str, list[Seen]] = {OLD: [], NEW: []}
        self.errors: Counter[str] = Counter()
        self.answers = OLD
        self.ever: set[str] = {OLD}
        self._records: dict[Lane, list[Record]] = {Lane.RESULT: [], Lane.UPDATE: []}
        self._seq: Counter[Lane] = Counter()
        self._engine: Engine | None = None
        self._obeyed = 0
        world.hub.listen(topics.device(self.id, topics.DOWN_COMMAND), lambda topic, payload: self._ordered(payload))

    # -- what the store of a device does here

    def fact(self, name: str) -> str | None:
        return self.facts.get(name)

    def set_fact(self, name: str, value: str) -> None:
        self.facts[name] = value

    def _ordered(self, payload: bytes) -> None:
        if not self.dead:
            keep_order(self, payload, ("sample",))  # type: ignore[arg-type]

    def _queue(self, lane: Lane, kind: str, body: Body) -> None:
        self._seq[lane] += 1
        record = Record(self._seq[lane], self.world.now_ms, 0, 2, kind, msgspec.Raw(pack_body(body)))
        self._records[lane].append(record)

    # -- an hour

    def live(self, now: datetime) -> None:
        """Farmers ask by day; what happened goes up, unless the device is dead."""
        daylight = 1 <= now.hour <= 13
        for _ in range(_poisson(self.rng, self.rate) if daylight else 0):
            self._case()
        for lane, records in self._records.items():
            if records and not self.dead:
                outbox = self.id.encode()[-7:] + bytes([lane])
                batch = Batch(SCHEMA, outbox, int(lane), 1, 0, self.world.now_ms, 0, 2, list(records))
                self.world.hub.send(topics.device(self.id, topics.UP_BATCH), pack(batch))
                records.clear()

    def _case(self) -> None:
        kind = self.world.kind if self.answers == NEW else Version()
        if self.rng.random() < kind.crashes:
            self.errors[self.answers] += 1
            return
        missed = self.rng.random() < min(0.95, self.own_unanswered + kind.unanswered)
        latency_ms = max(1, round(400 * kind.slower * self.rng.lognormvariate(0, 0.25)))
        body = msgspec.structs.replace(
            case_body(self.rng),
            model=f"sample@{self.answers}",
            decision="refuse" if missed else "answer",
            reason="not_sure" if missed else "",
            latency_ms=latency_ms,
        )
        self._queue(Lane.RESULT, "case", body)
        self.seen[self.answers].append(Seen(body.decision, body.condition, float(latency_ms)))

    def update(self) -> None:
        """What the update part of the appliance does every minute, every hour here."""
        if self._engine is None and order_fact("sample") not in self.facts:
            return  # a device that was never ordered anything has nothing to do
        engine = self.engine
        before = engine.state.order
        engine.obey()
        engine.watch()
        if engine.state.order != before or (engine.ordered and engine.state.phase != Phase.WATCHING):
            engine.run()
        self.answers = engine.active().manifest.version
        self.ever.add(self.answers)

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            folder = self.world.folder / "devices" / self.id
            plant_root(folder / "trusted", self.world.repository.first_root)
            self._folder = folder
            self._fetcher = self.world.blocks.fetcher(self.id)
            rules = Rules(by_order=True, watch_cases=30)
            self._engine = Engine(folder, self.world.old, self, rules)
        return self._engine

    # -- surroundings of the engine

    def look(self) -> TrustedRepository:
        moment = Moment(self.id, 0, self.world.now_ms, ClockTrust.SYNCED)
        return TrustedRepository(self._folder / "trusted", self._fetcher, moment)

    def self_test(self, candidate: Package, active: Package) -> Tested:
        passed = self.tests >= self.world.kind.fails_test
        return Tested(passed, "as drawn" if passed else "5 of 8 golden cases differ")

    def mark(self, package: Package) -> str:
        version = package.manifest.version
        return f"{len(self.seen[version])} {self.errors[version]}"

    def evidence(self, package: Package, since: str = "0 0") -> Evidence:
        cases, errors = map(int, since.split())
        version = package.manifest.version
        return Evidence(self.seen[version][cases:][-_WATCHED:], self.errors[version] - errors)

    def may_fetch(self, size: int) -> bool:
        return True

    def now_ms(self) -> int:
        return self.world.now_ms

    def clock_is_sure(self) -> bool:
        return True

    def order(self) -> UpdateOrder | None:
        kept = self.facts.get(order_fact("sample"))
        return unpack(bytes.fromhex(kept), UpdateOrder) if kept else None

    def tell(self, report: UpdateReport) -> None:
        self._queue(Lane.UPDATE, "update", report)


def simulate(
    folder: Path, name: str, count: int, plan: Plan, seed: int = 1, days: int = 30, say: Callable[[str], None] = print
) -> Outcome:
    """Roll one version out over a fleet until the roll-out has ended and everybody has settled."""
    began_s = time.monotonic()
    world = World(folder, count, VERSIONS[name], seed)
    try:
        for _ in range(_BASE_DAYS * 24):
            world.hour([])
        number = acting.start(world.store, "sample", NEW, world.sha256, plan, "simulation", world.now)
        started = world.now
        for _ in range(days * 24):
            world.hour([number])
            state = rows.get(world.store, number).state
            settled = number not in rows.unfinished(world.store)
            # Only the dead have not said that they are back, and never will.
            late = world.now - started > timedelta(hours=plan.dead_hours * 3)
            if state in ("done", "paused") or (state == "halted" and (settled or late)):
                break
        shown = queries.one(world.store, number)
        ended = shown["ended_at"] or world.now
        versions = {OLD, NEW}
        took = [device for device in world.devices if NEW in device.ever]
        return Outcome(
            name,
            count,
            shown["state"],
            shown["reason"],
            shown["exposed"],
            round(100 * shown["exposed"] / count, 2),
            len(took),
            round((ended - started).total_seconds() / 3600, 1),
            sum(device.answers == NEW for device in world.devices),
            sum(device.answers == OLD for device in took),
            shown["silent"],
            sum(not device.ever <= versions for device in world.devices),
            round(time.monotonic() - began_s, 1),
        )
    finally:
        world.close()


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as a person reads them."""
    head = ("version", "ends", "exposed", "ran on", "back", "on new", "hours", "why")
    lines = [
        (o.version, o.state, f"{o.exposed} ({o.exposed_percent:g}%)", o.ran, o.back, o.on_new, o.hours, o.reason)
        for o in outcomes
    ]
    widths = [max(len(str(row[k])) for row in (head, *lines)) for k in range(len(head))]
    return "\n".join("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in (head, *lines))  # fmt: skip


def kept(outcome: Outcome, plan: Plan) -> bool:
    """What the issue asks: a bad version stops within the canary and one step, and everybody is back."""
    if outcome.unverified:
        return False
    if not VERSIONS[outcome.version].is_bad:
        return outcome.state == "done" and outcome.back == 0
    most = math.ceil(outcome.devices * plan.steps[min(1, len(plan.steps) - 1)] / 100)
    return outcome.state == "halted" and outcome.exposed <= most and outcome.on_new == 0


def _poisson(rng: random.Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench rollout", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--versions", default=",".join(VERSIONS), help="which, with commas between")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    plan, outcomes = Plan(), []
    for name in options.versions.split(","):
        place = tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        try:
            outcomes.append(simulate(Path(place), name, options.devices, plan, options.seed))
        finally:
            shutil.rmtree(place, ignore_errors=True)
        print(f"[bench] {outcomes[-1]}", file=sys.stderr, flush=True)
    found: dict[str, Any] = {"outcomes": [asdict(o) for o in outcomes], "kept": all(kept(o, plan) for o in outcomes)}
    print(json.dumps(found) if options.json else table(outcomes))
    return 0 if found["kept"] else 1


if __name__ == "__main__":
    sys.exit(main())
