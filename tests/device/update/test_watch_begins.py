"""A watch counts from its own beginning: what was seen of a version before it came to answer is no evidence."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.device.conftest import write_sample_package
from tests.device.update.test_engine import order
from tests.device.update.test_parts import Home, revised
from tests.device.update.village import Village

from pikvani_contract.messages import UpdateOrder
from pikvani_contract.model.packing import packed_bytes
from pikvani_contract.packages import load_any
from pikvani_contract.samples import case_body
from pikvani_contract.wire import pack
from pikvani_device.app import Device
from pikvani_device.app.update import order_fact
from pikvani_device.app.voice import shipped_speech
from pikvani_device.config import load_config
from pikvani_device.update import surroundings
from pikvani_device.update.state import Phase, StateFile
from pikvani_device.update.watching import Evidence, Seen


@pytest.fixture
def village(tmp_path: Path) -> Village:
    return Village(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.device.close()


@pytest.mark.parametrize(
    "bad", [Evidence([Seen("refuse", "", 50)] * 29), Evidence([], errors=9)], ids=["refusals", "failures"]
)
def test_given_a_version_taken_a_second_time_then_its_watch_counts_from_its_own_beginning(
    village: Village, bad: Evidence
) -> None:
    # given a version that was bad here once, and went back
    village.rules = surroundings.Rules(watch_cases=20, by_order=True)
    village.seen("1.0.0", 40)
    village.release("1.1.0")
    village.ordered = order(village, 5, "1.1.0")
    village.engine().run()
    village.cases["1.1.0"] = bad
    assert village.engine().watch().phase == Phase.ROLLED_BACK
    # when a person orders it again, and it is good
    village.earlier["1.1.0"], village.cases["1.1.0"] = bad, Evidence([])
    village.ordered = order(village, 6, "1.1.0")
    assert village.engine().run().order == 6
    assert village.engine().run().phase == Phase.WATCHING
    # then the cases of the first watch neither send it back nor prove it
    village.clock_ms += 100 * 86_400_000
    assert village.engine().watch().phase == Phase.WATCHING
    village.seen("1.1.0", 20)
    assert village.engine().watch().phase == Phase.COMMITTED
    said = village.told[-1]
    assert (said.what, said.cases, said.errors, said.unanswered) == ("committed", 20, 0, 0)


def test_given_a_clock_that_is_set_right_during_a_watch_then_the_leap_is_no_time_that_passed(village: Village) -> None:
    # given a version that came while the clock was that of the last shutdown
    village.rules = surroundings.Rules(watch_cases=20)
    village.clock_sure = False
    village.release("1.1.0")
    village.engine().run()
    village.seen("1.1.0", 1)
    # when it leaps by a month
    village.clock_ms += 30 * 86_400_000
    village.clock_sure = True
    # then the watch lasts its hours from there
    assert village.engine().watch().phase == Phase.WATCHING
    village.clock_ms += village.rules.watch_ms - 1
    assert village.engine().watch().phase == Phase.WATCHING
    village.clock_ms += 1
    assert village.engine().watch().phase == Phase.COMMITTED


def test_given_a_clock_nothing_ever_confirms_then_its_hours_count_all_the_same(village: Village) -> None:
    village.clock_sure = False
    village.release("1.1.0")
    village.engine().run()
    village.seen("1.1.0", 1)
    village.clock_ms += village.rules.watch_ms
    assert village.engine().watch().phase == Phase.COMMITTED


def test_given_a_watch_that_an_older_software_began_then_it_counts_from_the_first_look_of_this_one(
    village: Village,
) -> None:
    village.release("1.1.0")
    village.engine().run()
    kept = village.folder / "device" / "state.json"
    kept.write_text(kept.read_text().replace(',"mark":"since 1.1.0 came"', ""))
    assert StateFile(kept.parent).load().mark == ""
    assert village.engine().watch().mark == "since 1.1.0 came"
    village.seen("1.1.0", 20)
    assert village.engine().watch().phase == Phase.COMMITTED


def test_given_a_package_taken_a_second_time_then_failures_and_cases_of_before_are_no_evidence(home: Home) -> None:
    # given a model and a speech package that failed farmers here, and went back
    home.config.write_text(home.config.read_text() + 'follow = "orders"\n')
    home.device.close()
    home.device = Device(load_config(home.config))
    speech = revised(shipped_speech(), home.folder / "speech", "9.0.0")
    model = write_sample_package(home.folder / "model", version="9.0.0")
    numbers = iter(range(1, 9))

    def take(name: str, package: Path) -> Phase:
        digest = hashlib.sha256(packed_bytes(load_any(package))).digest()
        order = UpdateOrder(1, next(numbers), "take", name, "9.0.0", digest)
        home.device.store.set_fact(order_fact(name), pack(order).hex())
        home.run(name)  # hears the order
        return home.run(name)[0]

    def serve(count: int) -> None:
        for _ in range(count):
            home.device.store.record_case(msgspec.structs.replace(case_body(random.Random(1)), model="sample@9.0.0"))

    for name, package in (("sample", model), ("speech", speech)):
        home.release(package)
        assert take(name, package) == Phase.WATCHING
        serve(2)
        for _ in range(5):
            home.device.count_failure(f"{name}@9.0.0")
        assert home.run(name)[0] == Phase.ROLLED_BACK

    # when a person orders them again
    # then each watch counts from its own beginning: two cases of three are not enough, whatever came before
    for name, package in (("sample", model), ("speech", speech)):
        assert take(name, package) == Phase.WATCHING
        serve(2)
        assert home.run(name)[0] == Phase.WATCHING
        serve(1)
        assert home.run(name)[0] == Phase.COMMITTED
        assert (home.told()[-1].cases, home.told()[-1].errors) == (3, 0)
