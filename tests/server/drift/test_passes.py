"""A pass over the store: the same verdicts and alarms in any order, and the culprit named."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from tests.server.drift.made_days import Fault, made_day, settle

from pikvani_contract.messages import SketchBody
from pikvani_contract.sketch import encode_sketch
from pikvani_server.drift import queries
from pikvani_server.drift.computing import PassSettings, run_pass
from pikvani_server.drift.rollups import total, without
from pikvani_server.store import Store, open_store
from pikvani_server.store.schema_learning import drift_alarms, places, verdicts

MODEL = "leaf@1.0.0"
FIRST = date(2026, 6, 1)
TODAY = date(2026, 8, 11)
NOW = datetime(2026, 8, 11, tzinfo=UTC)
STUCK = Fault(date(2026, 7, 20), stuck_share=0.7)
Said = tuple[str, SketchBody]


def said(devices: int = 8, culprit: int = 3, fault: Fault | None = STUCK) -> list[Said]:
    """What a district of villages says from June on; one of them is stuck on one class from 20 July."""
    found = []
    for number in range(devices):
        rng = np.random.default_rng([3, number])
        for back in range((TODAY - FIRST).days):
            day = FIRST + timedelta(days=back)
            sketch = made_day(rng, day, 0, 12, fault if number == culprit else None)
            body = SketchBody(MODEL, day.isoformat(), sketch.cases, encode_sketch(sketch))
            found.append((f"village-{number}", body))
    return found


def place(store: Store, devices: int = 8) -> None:
    with store.writing("testing") as connection:
        rows = [{"device_id": f"village-{n}", "district": "Akola", "updated_at": NOW} for n in range(devices)]
        connection.execute(sa.insert(places), rows)


def everything(store: Store) -> tuple[list[object], list[object]]:
    said = sa.select(*[c for c in verdicts.c if c.name != "judged_at"]).order_by(*verdicts.primary_key)
    raised = sa.select(*[c for c in drift_alarms.c if c.name not in ("id", "opened_at")])
    order = (drift_alarms.c.scope, drift_alarms.c.name, drift_alarms.c.first_window)
    return store.read("testing", said), store.read("testing", raised.order_by(*order))  # type: ignore[return-value]


@pytest.fixture
def new_store(tmp_path):
    made = []

    def new() -> Store:
        store = open_store(f"sqlite:///{tmp_path / f'centre-{len(made)}.sqlite3'}")
        store.migrate()
        place(store)
        made.append(store)
        return store

    yield new
    for store in made:
        store.close()


def test_the_stuck_village_alone_raises_an_alarm_of_the_right_kind(new_store) -> None:
    store = new_store()
    settle(store, said(), NOW)
    run_pass(store, TODAY, NOW)
    found = queries.alarms(store, scope="device")
    assert [(a["name"], a["kind"], a["level"], a["district"]) for a in found] == [
        ("village-3", "prediction", "alarm", "Akola")
    ]
    assert (found[0]["feature"], found[0]["label"]) == ("classes", "cotton/rust")
    # and from the alarm one comes to the village and the crop
    down = queries.drill_down(store, MODEL, found[0]["last_window"], "classes", "Akola")
    assert down["devices"][0]["name"] == "village-3"
    assert {crop["name"] for crop in down["crops"]} == {"cotton", "chickpea", "maize", "rice"}
    assert queries.device_crops(store, MODEL, found[0]["last_window"], "village-3")[0]["name"] == "cotton"


def test_any_order_with_repeats_late_days_and_passes_in_between_ends_the_same(new_store) -> None:
    # given one store that got everything at once
    bodies = said(5)
    whole = new_store()
    settle(whole, bodies, NOW)
    run_pass(whole, TODAY, NOW)
    for seed in range(2):
        # when another gets it in any order, a third twice, over some days, with a pass after each part
        chance = random.Random(seed)
        shuffled = bodies + chance.sample(bodies, len(bodies) // 3)
        chance.shuffle(shuffled)
        store = new_store()
        parts = 3
        for number in range(parts):
            at = NOW + timedelta(days=number)
            settle(store, shuffled[number::parts], at, 1 + number * 10_000)
            run_pass(store, TODAY, at)
        # then verdicts and alarms are the same
        assert everything(store) == everything(whole)


def test_a_pass_costs_what_came_and_not_all_history(new_store) -> None:
    store = new_store()
    bodies = said()
    settle(store, bodies, NOW - timedelta(days=1))
    first = run_pass(store, TODAY, NOW - timedelta(days=1))
    # given one village's one day that comes a day later
    device, late = bodies[40]
    fuller = SketchBody(MODEL, late.day, late.revision + 1, late.data)
    settle(store, [(device, fuller)], NOW, 50_000)
    second = run_pass(store, TODAY, NOW)
    assert first.days == (TODAY - FIRST).days
    # the overlap looks again at what came just before the cursor, which here is a day back
    assert second.days == first.days or second.days == 1
    settle(
        store, [(device, SketchBody(MODEL, late.day, late.revision + 2, late.data))], NOW + timedelta(days=1), 60_000
    )
    assert run_pass(store, TODAY, NOW + timedelta(days=1)).days == 1


def test_what_a_person_said_to_an_alarm_stays_while_it_lasts(new_store) -> None:
    store = new_store()
    bodies = said()
    early = [(device, body) for device, body in bodies if body.day < "2026-08-03"]
    settle(store, early, NOW - timedelta(days=8))
    run_pass(store, date(2026, 8, 3), NOW - timedelta(days=8))
    (before,) = queries.alarms(store, scope="device")
    assert queries.acknowledge(store, before["id"], "asha", "lens is being cleaned", NOW)
    settle(store, bodies, NOW, 10_000)
    run_pass(store, TODAY, NOW)
    (after,) = queries.alarms(store, scope="device")
    assert (after["id"], after["acknowledged_by"], after["note"]) == (before["id"], "asha", "lens is being cleaned")
    assert after["last_window"] > before["last_window"]


def test_rubbish_in_a_sketch_is_left_out_and_named(new_store) -> None:
    store = new_store()
    settle(store, [*said(2, fault=None), ("village-9", SketchBody(MODEL, "2026-07-01", 5, b"rubbish"))], NOW)
    settle(store, [("village-9", SketchBody(MODEL, "2026-99-99", 5, b"x"))], NOW, 50)
    done = run_pass(store, TODAY, NOW, settings=PassSettings(devices=False))
    assert done.unreadable == 1
    assert queries.models(store)[0]["cases"] == sum(body.revision for _, body in said(2, fault=None))


def test_taking_a_part_out_of_a_sum_gives_the_sum_of_the_others() -> None:
    rng = np.random.default_rng(1)
    one, two = made_day(rng, FIRST, 0, 30), made_day(rng, FIRST, 0, 50)
    assert without(total([one, two]), two) == total([one])


def test_pages_get_what_json_can_carry(new_store) -> None:
    import json

    store = new_store()
    settle(store, said(), NOW)
    run_pass(store, TODAY, NOW)
    end = queries.series(store, "fleet", "", MODEL)[-1]["window_end"]
    days = queries.daily(store, MODEL, since="2026-08-01")
    assert [row["day"] for row in days] == [f"2026-08-{n:02d}" for n in range(1, 11)]
    shown = (
        days,
        queries.window_histograms(store, MODEL, "district", "Akola", end, "classes"),
        queries.window_histograms(store, MODEL, "device", "village-3", end, "brightness"),
        queries.drill_down(store, MODEL, end, "brightness"),
        [row["details"] for row in queries.overview(store)],
    )
    assert json.loads(json.dumps(shown))
    assert queries.alarm_counts(store)["alarm"] >= 1
