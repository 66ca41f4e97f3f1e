"""A centre worth looking at: a small simulated fleet with drift, labels, a roll-out and a proposal, on loopback."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from tests.simulation.__main__ import simulate
from tests.simulation.world import DISTRICTS
from tests.support import browser, centre

from pikvani_server.drift import computing
from pikvani_server.fleet import counts
from pikvani_server.fleet.counts import INDIA
from pikvani_server.jobs import Jobs
from pikvani_server.review import queue, results
from pikvani_server.rollout import acting
from pikvani_server.rollout.plan import Plan
from pikvani_server.store import Store, open_store
from pikvani_server.store.schema import devices
from pikvani_server.store.schema_learning import drift_alarms, proposals
from pikvani_server.store.schema_rollout import rollout_devices


@contextmanager
def centre_stage(villages: int = 48, days: int = 42, cases_a_day: float = 4.0) -> Iterator[tuple[str, Store]]:
    """The address of the pages and the store behind them."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pikvani-centre-", dir=memory) as folder:
        store = open_store(f"sqlite:///{folder}/centre.sqlite3")
        store.migrate()
        try:
            fill(store, villages, days, cases_a_day)
            with browser.served(centre.build(store)) as url:
                yield url, store
        finally:
            store.close()


def fill(store: Store, villages: int, days: int, cases_a_day: float) -> None:
    """Everything a page can show."""
    now = datetime.now(UTC)
    simulate(store, villages, days, road="light", cases_a_day=cases_a_day, thumbnails=True)
    queue.fill(store, now)
    _label(store, now)
    counts.run_pass(store, now)
    today = now.astimezone(INDIA).date()
    computing.run_pass(store, today, now, results.checked_by_model(store))
    results.concept_pass(store, today, now)
    _trouble(store, now)
    _roll_out(store, now)
    jobs = Jobs(store)
    for kind in ("review", "drift", "counts"):
        jobs.put(kind, now)
    if (job := jobs.claim(now, ("drift",))) is not None:
        jobs.fail(job, "the disk of the centre was full", now)
    reasons = json.dumps(["214 new labels; the model named 61 of them wrongly", "reckoned gain 0.041 of accuracy"])
    with store.writing("proposing") as connection:
        row = {"model": "leaf@1.0.0", "reasons": reasons, "proposed_at": now - timedelta(hours=5)}
        built = {"state": "built", "candidate": "candidates/proposal-1/candidate", "log": "gates passed"}
        connection.execute(sa.insert(proposals).values(**row, **built))


def alarm_number(store: Store, scope: str = "district") -> int:
    """An alarm to look into, of a scope if there is one."""
    order = (drift_alarms.c.scope != scope, drift_alarms.c.level, drift_alarms.c.id)
    found = store.read("looking for an alarm", sa.select(drift_alarms.c.id).order_by(*order).limit(1))
    return int(found[0]["id"])


def _label(store: Store, now: datetime) -> None:
    """Two people name some cases, mostly alike."""
    chance = random.Random(3)
    for number in range(90):
        item = queue.next_item(store, "asha", now)
        if item is None:
            return
        key = queue.CaseKey(item["device_id"], bytes(item["outbox"]), item["seq"])
        said = item["condition"] if chance.random() < 0.8 else item["condition"].split("/")[0] + "/healthy"
        queue.give_label(store, key, "asha", said, now)
        if number % 8:
            again = said if chance.random() < 0.9 else item["condition"].split("/")[0] + "/rust"
            queue.give_label(store, key, "ravi", again, now)


def _trouble(store: Store, now: datetime) -> None:
    """Some devices are silent, slow, or do not know what time it is."""
    with store.writing("making trouble") as connection:
        for number, change in (
            *((n, {"last_seen_at": now - timedelta(days=3 + n), "online": False}) for n in range(3, 45, 11)),
            (5, {"queue_records": 4_210, "queue_bytes": 390_000, "shed_records": 12, "shed_bytes": 900}),
            (8, {"budget_used_bytes": 48_000_000, "budget_bytes": 50_000_000}),
            (9, {"clock_trust": 0}),
            (10, {"app": "0.0.9"}),
        ):
            connection.execute(sa.update(devices).where(devices.c.id == f"sim-{number:06d}").values(**change))
        kept = sa.update(devices).where(devices.c.budget_used_bytes < 1_000_000)
        connection.execute(kept.values(budget_used_bytes=sa.func.length(devices.c.id) * 900_000))


def _roll_out(store: Store, now: datetime) -> None:
    plan = Plan(districts=(DISTRICTS[0][0], DISTRICTS[2][0]), soak_hours=24)
    number = acting.start(store, "leaf", "1.2.0", "ab" * 32, plan, "asha", now - timedelta(days=3))
    states = ["committed"] * 9 + ["watching"] * 3 + ["ordered"] * 2 + ["rolled_back", "timed_out"]
    with store.writing("rolling out") as connection:
        for place, state in enumerate(states):
            row = {"rollout_id": number, "device_id": f"sim-{place:06d}", "step": place // 6, "state": state}
            times = {"ordered_at": now - timedelta(days=2), "reported_at": now - timedelta(hours=place)}
            detail = "3 of 30 cases not answered" if state == "rolled_back" else ""
            connection.execute(sa.insert(rollout_devices).values(**row, take_number=place + 1, detail=detail, **times))
    acting.pause(store, number, "asha", "rain in Yavatmal: wait until phones are back", now - timedelta(hours=4))
