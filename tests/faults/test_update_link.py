"""An update over a village link: what it costs, and what broken links cost. All of it: `scripts/bench update`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bench.update import Road, check_bytes, with_cuts
from tests.device.conftest import write_sample_package
from tests.faults.link_proxy import Shape
from tests.support.mosquitto import MISSING

from pikvani_contract.model.manifest import load_package

pytestmark = pytest.mark.needs_mosquitto

QUICK = Shape(bits_per_s=1_000_000, latency_s=0.02, stall_share=0.1, stall_s=0.1)
MODEL = random.Random(8).randbytes(150_000)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    if MISSING:
        pytest.skip(MISSING)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)  # Mosquitto reads its files as a user of its own
    road = Road(tmp_path, QUICK, load_package(write_sample_package(tmp_path / "old", model=MODEL, version="1.0.0")))
    yield road
    road.close()


@pytest.mark.timeout(240)
def test_given_a_link_that_breaks_then_a_check_is_small_and_no_byte_of_the_difference_comes_twice(
    road: Road, tmp_path: Path
) -> None:
    assert check_bytes(road) <= 700
    rng = random.Random(9)
    changed = bytes(byte if rng.random() < 0.5 else rng.randrange(256) for byte in MODEL)
    new = load_package(write_sample_package(tmp_path / "new", model=changed, version="1.1.0"))
    found = with_cuts(road, road.old, "1.1.0", road.release(new, road.old), cuts=5)
    assert found["cuts"] == 5
    assert found["needed_bytes"] > 75_000
    assert found["fetched_ratio"] <= 1.05
