"""The publisher, stepped by hand against a centre in memory: nothing lost, nothing kept that was committed."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract import topics
from pikvani_contract.clock import ClockTrust, ManualClock
from pikvani_contract.messages import MAX_GAPS, SCHEMA, Batch, BlockBody, Lane, Receipt, Status
from pikvani_contract.samples import case_body
from pikvani_contract.sequences import SequenceSet
from pikvani_contract.wire import pack, unpack
from pikvani_device.adapters.broker_memory import MemoryBroker, MemoryHub
from pikvani_device.store import open_store
from pikvani_device.sync.budget import Budget
from pikvani_device.sync.publisher import Publisher, PublisherSettings, Running, offline_status

ID = "village-7"
STATUS = topics.device(ID, topics.UP_STATUS)


class Centre:
    """Commits what arrives, as the real one does, and answers with receipts."""

    def __init__(self, hub: MemoryHub) -> None:
        self.hub = hub
        self.committed: dict[bytes, SequenceSet] = {}
        self.batches: list[Batch] = []
        self.answers = True
        hub.listen(topics.device(ID, topics.UP_BATCH), self.take)

    def take(self, topic: str, payload: bytes) -> None:
        batch = unpack(payload, Batch)
        self.batches.append(batch)
        have = self.committed.setdefault(batch.outbox, SequenceSet())
        for record in batch.records:
            have.add(record.seq)
        if self.answers:
            upto, gaps = have.outline(MAX_GAPS)
            receipt = Receipt(SCHEMA, batch.outbox, upto, gaps, 1_800_000_000_000)
            self.hub.send(topics.device(ID, topics.DOWN_RECEIPT), pack(receipt))


class World:
    """A device's sync with everything around it."""

    def __init__(
        self, folder: Path, settings: PublisherSettings, lose: float = 0, repeat: float = 0, seed: int = 0
    ) -> None:
        self.clock = ManualClock()
        self.hub = MemoryHub(seed, lose, repeat)
        self.centre = Centre(self.hub)
        self.store = open_store(folder / f"{seed}.sqlite3", self.clock)
        self.broker = MemoryBroker(self.hub, (STATUS, offline_status()))
        self.learnt: list[int] = []
        self.publisher = Publisher(
            self.store,
            self.broker,
            self.clock,
            ID,
            lambda: Running("0.1.0", "leaf@1", "fake"),
            settings,
            self.learnt.append,
        )
        self.publisher.start()

    def record(self, count: int) -> None:
        for _ in range(count):
            self.store.record_case(case_body(random.Random(3)))

    def steps(self, count: int, ms: int = 1_000) -> None:
        for _ in range(count):
            self.publisher.step()
            self.clock.advance(ms)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, PublisherSettings(batch_records=10, batch_age_s=5, receipt_timeout_s=30))


def test_given_few_fresh_results_then_they_wait_for_company_but_not_long(world: World) -> None:
    world.record(3)
    world.steps(3)
    assert world.centre.batches == []
    world.steps(4)
    assert [len(b.records) for b in world.centre.batches] == [3]
    assert world.store.waiting() == []


def test_given_many_results_then_all_arrive_once_and_the_outbox_is_empty(world: World) -> None:
    world.record(257)
    world.steps(20)
    assert sum(len(b.records) for b in world.centre.batches) == 257
    assert world.store.waiting() == []
    assert all(c.synced for c in world.store.latest_cases(999))


def test_given_no_receipt_then_nothing_leaves_the_outbox_and_it_goes_again_later(world: World) -> None:
    world.centre.answers = False
    world.record(10)
    world.steps(45)
    assert len(world.centre.batches) == 2
    assert world.store.waiting()[0].oldest == 1
    world.centre.answers = True
    world.steps(120)
    assert world.store.waiting() == []


def test_given_the_link_is_cut_then_nothing_is_sent_and_everything_follows(world: World) -> None:
    world.broker.linked = False
    world.record(25)
    world.steps(30)
    assert world.centre.batches == []
    world.broker.linked = True
    world.steps(10)
    assert sum(len(b.records) for b in world.centre.batches) == 25


def test_given_a_thumbnail_queued_first_then_results_still_go_first(world: World) -> None:
    world.store.enqueue("block", BlockBody(b"12345678", 1, "thumbnail", bytes(32), 100, 0, bytes(100)))
    world.clock.advance(60_000)
    world.record(10)
    world.steps(10)
    assert [b.lane for b in world.centre.batches] == [Lane.RESULT, Lane.BULK]


def test_given_many_pieces_wait_then_a_new_result_has_at_most_two_of_them_before_it(world: World) -> None:
    for n in range(30):
        piece = random.Random(n).randbytes(8_192)
        world.store.enqueue("block", BlockBody(b"12345678", 1, "voice", bytes(32), 30 * 8_192, n * 8_192, piece))
    world.clock.advance(60_000)
    world.centre.answers = False
    world.steps(5)
    assert [len(batch.records) for batch in world.centre.batches] == [1, 1]
    world.record(10)
    world.steps(8)
    assert [batch.lane for batch in world.centre.batches] == [Lane.BULK, Lane.BULK, Lane.RESULT]
    world.centre.answers = True
    world.steps(200)
    assert world.store.waiting() == []
    assert sum(len(batch.records) for batch in world.centre.batches) <= 30 + 10 + 13, "only what was unanswered again"


def test_given_the_budget_is_spent_to_the_reserve_then_only_results_go(tmp_path: Path) -> None:
    world = World(tmp_path, PublisherSettings(batch_records=1, monthly_budget_bytes=3_000, reserve_percent=50))
    world.steps(1)
    for n in range(8):
        world.store.enqueue("block", BlockBody(b"12345678", 1, "thumbnail", bytes(32), 9_999, n, random.randbytes(400)))
    world.steps(80)
    assert any(w.lane == Lane.BULK for w in world.store.waiting())
    world.record(1)
    world.steps(10)
    assert not any(w.lane == Lane.RESULT for w in world.store.waiting())


def test_given_a_month_ends_then_the_budget_begins_anew_but_never_on_a_lying_clock() -> None:
    clock = ManualClock()
    budget = Budget(1_000, 20)
    budget.spend(900, clock.now())
    assert (budget.allowance(Lane.BULK), budget.allowance(Lane.RESULT)) == (-100, 100)
    clock.step_wall(clock.now().wall_ms + 40 * 86_400_000, ClockTrust.UNTRUSTED)
    budget.spend(50, clock.now())
    assert budget.usage.used_bytes == 950
    clock.step_wall(clock.now().wall_ms, ClockTrust.SYNCED)
    budget.spend(10, clock.now())
    assert budget.usage.used_bytes == 10


def test_given_a_connection_then_status_is_retained_and_says_what_waits(world: World) -> None:
    world.record(2)
    world.steps(1)
    said = unpack(world.hub.retained[STATUS], Status)
    assert said.online and said.model == "leaf@1" and said.lanes[0].records == 2
    world.steps(10)
    assert unpack(world.hub.retained[STATUS], Status).lanes == []


def test_given_a_receipt_then_its_time_is_learnt(world: World) -> None:
    world.record(10)
    world.steps(3)
    assert world.learnt == [1_800_000_000_000]


def test_given_nonsense_on_the_receipt_topic_then_it_is_passed_over(world: World) -> None:
    world.hub.send(topics.device(ID, topics.DOWN_RECEIPT), b"\x00nonsense")
    world.record(10)
    world.steps(3)
    assert world.store.waiting() == []


@given(seed=st.integers(0, 10_000), lose=st.sampled_from([0.0, 0.2, 0.5]), repeat=st.sampled_from([0.0, 0.3]))
def test_given_a_link_that_loses_and_repeats_then_in_the_end_the_centre_has_exactly_what_was_recorded(
    tmp_path_factory: pytest.TempPathFactory, seed: int, lose: float, repeat: float
) -> None:
    settings = PublisherSettings(batch_records=5, batch_age_s=1, receipt_timeout_s=3)
    world = World(tmp_path_factory.mktemp("w"), settings, lose, repeat, seed)
    rng = random.Random(seed)
    recorded = 0
    for _ in range(6):
        count = rng.randint(0, 9)
        world.record(count)
        recorded += count
        world.broker.linked = rng.random() < 0.7
        world.steps(rng.randint(1, 6))
        if rng.random() < 0.3:
            world.clock.reboot(rng.choice((0, 1_790_000_000_000, 4_000_000_000_000)))
            world.store.close()
            world = _restarted(world, settings)
    world.broker.linked = True
    for _ in range(4_000):
        if not world.store.waiting():
            break
        world.steps(1, ms=10_000)
    assert world.store.waiting() == []
    assert sum(len(s) for s in world.centre.committed.values()) == recorded
    assert len(world.store.latest_cases(999)) == recorded


def _restarted(old: World, settings: PublisherSettings) -> World:
    old.broker.stop()
    old.store = open_store(old.store.path, old.clock)
    old.broker = MemoryBroker(old.hub, (STATUS, offline_status()))
    old.publisher = Publisher(old.store, old.broker, old.clock, ID, lambda: Running("0", "m", "r"), settings)
    old.publisher.start()
    return old
