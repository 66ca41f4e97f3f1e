"""The fleet's merge: any order, repeats, late days and restarts give the same sketch, equal to the pooled raw data."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.messages import SketchBody
from pikvani_contract.sketch import FEATURES, Sketch, encode_sketch
from pikvani_server.drift.fleet_sketches import SketchKey, fleet_of
from pikvani_server.drift.statistics import ks_distance, ks_of_histograms, psi

ROWS = 1_000_000


def everything(_: SketchKey) -> bool:
    return True


def body(day: int, revision: int, seed: int) -> SketchBody:
    rng = np.random.default_rng(seed)
    values = FEATURES["confidence"].histogram(rng.beta(4, 2, size=revision))
    sketch = Sketch(cases=revision, classes={"maize/rust": revision}, histograms={"confidence": values})
    return SketchBody("leaf@1.0.0", f"2026-07-{day:02d}", revision, encode_sketch(sketch))


def test_a_hundred_random_orders_with_repeats_give_the_same_fleet() -> None:
    # given three revisions of ten days of five devices, two of them equal in revision and unlike in bytes
    rows = [
        (f"village-{d}", body(day, revision, seed))
        for d in range(5)
        for day in range(1, 11)
        for revision, seed in ((5, d), (9, d + day), (9, d + day + 100))
    ]
    whole = fleet_of(rows)
    for seed in range(100):
        # when they come in another order, a third of them twice
        chance = random.Random(seed)
        shuffled = rows + chance.sample(rows, len(rows) // 3)
        chance.shuffle(shuffled)
        fleet = fleet_of(shuffled)
        # then everything is the same
        assert fleet.keys() == whole.keys()
        assert fleet.merged(everything) == whole.merged(everything)
        assert fleet.merged_by(lambda k: k.device, everything) == whole.merged_by(lambda k: k.device, everything)
    assert whole.merged(everything).cases == 5 * 10 * 9


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(1, 6)), max_size=12), st.randoms())
def test_any_records_in_any_order_give_the_fullest_of_each_key(
    records: list[tuple[int, int, int]], chance: random.Random
) -> None:
    rows = [(f"village-{d}", body(day, revision, d)) for d, day, revision in records]
    shuffled = rows + rows
    chance.shuffle(shuffled)
    fullest: dict[tuple[int, int], int] = {}
    for device, day, revision in records:
        fullest[device, day] = max(revision, fullest.get((device, day), 0))
    assert fleet_of(shuffled).merged(everything).cases == sum(fullest.values())


def test_a_million_rows_merged_equal_the_pooled_raw_data() -> None:
    # given a reference and a current window of a million raw values each, over 40 devices
    rng = np.random.default_rng(11)
    reference, current = rng.beta(4, 2, size=ROWS), rng.beta(3.6, 2.2, size=ROWS)
    bins = FEATURES["confidence"]
    merged = []
    for window in (reference, current):
        rows = []
        for device, part in enumerate(np.array_split(window, 40)):
            sketch = Sketch(cases=len(part), histograms={"confidence": bins.histogram(part)})
            rows.append((f"village-{device}", SketchBody("leaf@1.0.0", "2026-07-01", 1, encode_sketch(sketch))))
        merged.append(fleet_of(rows).merged(everything).histograms["confidence"])
    # then PSI is exactly that of the pooled data in the same bins, and KS lies within its stated bound
    assert psi(*merged) == psi(bins.histogram(reference), bins.histogram(current))
    distance, bound = ks_of_histograms(*merged)
    assert distance <= ks_distance(reference, current) <= distance + bound
