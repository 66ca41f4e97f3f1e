"""What else travels over the one connection: orders, blocks of updates, and what they cost of the month's budget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.device.conftest import write_sample_package

from pikvani_contract import topics
from pikvani_contract.clock import ClockTrust, ManualClock
from pikvani_contract.messages import SCHEMA, UpdateOrder, UpdateReport
from pikvani_contract.model.manifest import load_package
from pikvani_contract.model.packing import packed_bytes
from pikvani_contract.wire import pack, unpack
from pikvani_device.adapters.broker_memory import MemoryBroker, MemoryHub
from pikvani_device.app import Device
from pikvani_device.app.link import keep_order
from pikvani_device.app.update import order_fact
from pikvani_device.config import parse_config
from pikvani_device.store import Store, open_store
from pikvani_device.sync.publisher import Publisher, PublisherSettings, Running
from pikvani_device.update.slots import Slots

ID = "village-7"
BLOCK = topics.device(ID, topics.DOWN_BLOCK)


def order(number: int, version: str = "1.1.0") -> bytes:
    return pack(UpdateOrder(SCHEMA, number, "take", "leaf", version, bytes(32)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "device.sqlite3", ManualClock())


def kept(store: Store) -> UpdateOrder | None:
    found = store.fact(order_fact("leaf"))
    return unpack(bytes.fromhex(found), UpdateOrder) if found else None


KNOWN = ("leaf", "advice")


def test_the_highest_order_is_kept_whatever_comes_again_or_late(store: Store, tmp_path: Path) -> None:
    assert [keep_order(store, order(n), KNOWN) for n in (5, 5, 3, 7, 6)] == [True, False, False, True, False]
    store.close()
    again = open_store(tmp_path / "device.sqlite3", ManualClock())
    found = kept(again)
    assert found is not None and found.number == 7


def test_orders_about_each_package_are_kept_apart_and_those_about_strangers_passed_over(store: Store) -> None:
    def about(package: str, number: int) -> bytes:
        return pack(UpdateOrder(SCHEMA, number, "take", package, "1.1.0", bytes(32)))

    assert keep_order(store, about("leaf", 9), KNOWN)
    assert keep_order(store, about("advice", 7), KNOWN)
    assert not keep_order(store, about("kernel", 11), KNOWN)
    found = kept(store)
    assert found is not None and (found.package, found.number) == ("leaf", 9)


@given(st.binary(max_size=300))
def test_rubbish_is_no_order(payload: bytes) -> None:
    class Facts:
        def fact(self, name: str) -> str | None:
            return None

        def set_fact(self, name: str, value: str) -> None:
            assert unpack(bytes.fromhex(value), UpdateOrder)

    keep_order(Facts(), payload, KNOWN)  # type: ignore[arg-type]


def linked(store: Store, clock: ManualClock, budget: int = 0) -> tuple[Publisher, MemoryBroker, MemoryHub, list[bytes]]:
    hub, heard = MemoryHub(), []
    broker = MemoryBroker(hub, ("", b""))
    settings = PublisherSettings(monthly_budget_bytes=budget, reserve_percent=25)
    publisher = Publisher(
        store, broker, clock, ID, lambda: Running("0", "m", "r"), settings, listeners={BLOCK: heard.append}
    )
    publisher.start()
    return publisher, broker, hub, heard


def test_blocks_are_heard_at_once_and_disturb_no_receipt(store: Store) -> None:
    publisher, _, hub, heard = linked(store, ManualClock())
    hub.send(BLOCK, b"a block")
    assert heard == [b"a block"], "without waiting for a turn of the publisher"
    publisher.step()


def test_what_an_update_costs_is_kept_without_any_receipt_and_ends_at_the_reserve(store: Store) -> None:
    clock = ManualClock(trust=ClockTrust.SYNCED)
    publisher, _, hub, _ = linked(store, clock, budget=1_000_000)
    assert publisher.allows_update(700_000) and not publisher.allows_update(800_000)
    for _ in range(20):
        hub.send(BLOCK, bytes(30_000))
    publisher.step()
    used = json.loads(store.fact("sync.usage") or "{}")["used_bytes"]
    assert used >= 600_000
    assert not publisher.allows_update(200_000)
    again, _, _, _ = linked(store, clock, budget=1_000_000)
    assert not again.allows_update(200_000), "a restart does not forget what was used"


def test_a_proof_waits_in_the_outbox_like_a_case(store: Store) -> None:
    publisher, _, hub, _ = linked(store, ManualClock())
    sent: list[bytes] = []
    hub.listen(topics.device(ID, topics.UP_BATCH), lambda topic, payload: sent.append(payload))
    store.enqueue("update", UpdateReport("committed", "leaf", "1.1.0", "1.0.0", 7, cases=30))
    assert [waiting.lane.name for waiting in store.waiting()] == ["UPDATE"]
    clock_turns = 10
    for _ in range(clock_turns):
        publisher._clock.advance(1_000)  # type: ignore[attr-defined]
        publisher.step()
    assert sent and publisher.busy


def test_the_status_names_the_model_that_answers_though_another_part_switched_it(tmp_path: Path) -> None:
    packages = {v: write_sample_package(tmp_path / v, version=v) for v in ("1.0.0", "1.1.0")}
    config = f'[device]\ndata_dir = "{tmp_path / "device"}"\n[model]\ndir = "{packages["1.0.0"]}"\n'
    device = Device(parse_config(f'{config}[runtime]\nadapter = "fake"\n'.encode(), "test"))
    publisher = device.build_publisher()
    assert publisher._running().model == "sample@1.0.0"
    (tmp_path / "new.tar").write_bytes(packed_bytes(load_package(packages["1.1.0"])))
    slots = Slots(device.update_dir / "slots")
    slots.install(tmp_path / "new.tar")
    slots.activate()
    assert publisher._running().model == "sample@1.1.0"
    device.close()
