"""The fleet's sums: any order, repeats, revisions and late days give the same bytes, equal to the pooled raw data."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from tests.server.drift.made_days import settle

from pikvani_contract.messages import SketchBody
from pikvani_contract.sketch import FEATURES, Sketch, encode_sketch
from pikvani_server.drift import rows
from pikvani_server.drift.statistics import ks_distance, ks_of_histograms, psi
from pikvani_server.store import Store, open_store
from pikvani_server.store.schema import sketches
from pikvani_server.store.schema_learning import places, rollups

MODEL = "leaf@1.0.0"
NOW = datetime(2026, 8, 1, tzinfo=UTC)
BINS = FEATURES["confidence"]
Said = tuple[str, SketchBody]


def body(day: date, values: NDArray[np.float64], revision: int | None = None) -> SketchBody:
    sketch = Sketch(
        cases=len(values),
        classes={"maize/rust": len(values)},
        histograms={"confidence": BINS.histogram(values)},
    )
    return SketchBody(MODEL, day.isoformat(), revision or len(values), encode_sketch(sketch))


def fleet_sums(store: Store, bodies: Sequence[Said], first_seq: int) -> dict[tuple[str, str, str], bytes]:
    """What the centre keeps of exactly these sketches, taken in in this order: bytes by scope, name and day."""
    with store.writing("emptying") as connection:
        connection.execute(sa.delete(sketches))
        connection.execute(sa.delete(rollups))
    settle(store, bodies, NOW, first_seq)
    for day in sorted({said.day for _, said in bodies}):
        assert rows.sum_day(store, MODEL, date.fromisoformat(day)) == 0
    found = store.read("testing", sa.select(rollups))
    return {(row["scope"], row["name"], row["day"]): bytes(row["data"]) for row in found}


def in_any_order(bodies: Sequence[Said], seed: int) -> list[Said]:
    """Shuffled, a third of them twice."""
    chance = random.Random(seed)
    shuffled = [*bodies, *chance.sample(list(bodies), len(bodies) // 3)]
    chance.shuffle(shuffled)
    return shuffled


@pytest.fixture
def store(tmp_path: Path):
    made = open_store(f"sqlite:///{tmp_path / 'centre.sqlite3'}")
    made.migrate()
    with made.writing("placing") as connection:
        where = [{"device_id": f"village-{n}", "district": ("Akola", "Latur")[n % 2]} for n in range(4)]
        connection.execute(sa.insert(places), [row | {"updated_at": NOW} for row in where])
    yield made
    made.close()


def test_a_hundred_random_orders_with_repeats_give_the_same_bytes(store: Store) -> None:
    # given three revisions of three days of four devices, two of them equal in revision and unlike in bytes
    bodies = []
    for device in range(4):
        for day in (date(2026, 7, 1), date(2026, 7, 2), date(2026, 7, 9)):
            for revision, seed in ((5, device), (9, device + day.day), (9, device + day.day + 100)):
                values = np.random.default_rng(seed).beta(4, 2, size=revision)
                bodies.append((f"village-{device}", body(day, values, revision)))
    whole = fleet_sums(store, bodies, 1)
    # when they come in another order, a third of them twice, then every sum is the same to the byte
    for seed in range(100):
        assert fleet_sums(store, in_any_order(bodies, seed), 1_000 * (seed + 1)) == whole
    assert {key[:2] for key in whole} == {("fleet", ""), ("district", "Akola"), ("district", "Latur")}
    assert sum(sketch.cases for sketch in rows.sums(store, "fleet", "", MODEL).values()) == 4 * 3 * 9


def pooled_and_merged(
    store: Store, count: int, devices: int, orders: int
) -> tuple[list[NDArray[np.float64]], list[tuple[int, ...]], bool]:
    """A reference and a current window of `count` raw values, their merged histograms, and whether no order matters."""
    rng = np.random.default_rng(11)
    windows = [rng.beta(4, 2, size=count), rng.beta(3.6, 2.2, size=count)]
    days = date(2026, 7, 1), date(2026, 7, 15)
    bodies = [
        (f"village-{number}", body(day, part))
        for day, window in zip(days, windows, strict=True)
        for number, part in enumerate(np.array_split(window, devices))
    ]
    whole = fleet_sums(store, bodies, 1)
    same = all(
        fleet_sums(store, in_any_order(bodies, seed), (seed + 1) * 4 * len(bodies)) == whole for seed in range(orders)
    )
    merged = rows.sums(store, "fleet", "", MODEL)
    return windows, [merged[day].histograms["confidence"] for day in days], same


def test_half_a_million_rows_merged_equal_the_pooled_raw_data(store: Store) -> None:
    (reference, current), merged, same = pooled_and_merged(store, 500_000, 40, 2)
    # then PSI is exactly that of the pooled data in the same bins, and KS lies within its stated bound
    assert same
    assert psi(*merged) == psi(BINS.histogram(reference), BINS.histogram(current))
    distance, bound = ks_of_histograms(*merged)
    assert distance <= ks_distance(reference, current) <= distance + bound
