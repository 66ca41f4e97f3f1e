"""Roll-outs in a database: started, judged, halted, taken back; each act with its entry in the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from tests.server.rollout.made_fleet import MadeFleet, name

from pikvani_contract import topics
from pikvani_contract.messages import UpdateOrder
from pikvani_contract.wire import unpack
from pikvani_server.cli import cli
from pikvani_server.rollout import acting, queries, rows
from pikvani_server.rollout.advancing import advance
from pikvani_server.rollout.comparing import compare
from pikvani_server.rollout.judging import Next
from pikvani_server.rollout.plan import Plan, RolloutError
from pikvani_server.rollout.sending import RESEND, send_orders
from pikvani_server.store import Store, audit, open_store
from pikvani_server.store.rows import DeviceStatus

SHA = "ab" * 32
NEW = "leaf@2.0.0"


class Post:
    """What was sent to devices."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.orders: dict[str, UpdateOrder] = {}
        self.count = 0

    def __call__(self, topic: str, payload: bytes) -> None:
        self.orders[topics.device_of(topic)] = unpack(payload, UpdateOrder)
        self.count += 1

    def send(self, fleet: MadeFleet) -> int:
        return send_orders(self.store, self, fleet.now)


@pytest.fixture
def fleet(store: Store) -> MadeFleet:
    return MadeFleet(store, 100)


@pytest.fixture
def post(store: Store) -> Post:
    return Post(store)


def begin(fleet: MadeFleet, **plan: object) -> int:
    return acting.start(fleet.store, "leaf", "2.0.0", SHA, Plan(**plan), "asha", fleet.now)


def actions(store: Store) -> list[str]:
    assert audit.verify(store).sound
    rows_found = store.read("reading the audit log", sa.select(audit.audit_log))
    return [row["action"] for row in rows_found]


def step_on(fleet: MadeFleet, post: Post, number: int, what: Callable[[str], str]) -> None:
    """Everybody who was ordered reports, and the step's time passes."""
    post.orders.clear()
    post.send(fleet)
    fleet.later(1)
    for device_id, order in post.orders.items():
        fleet.report(device_id, what(device_id), "2.0.0", order.number)
    fleet.later(24)
    advance(fleet.store, number, fleet.now)


def test_a_sound_version_reaches_everybody_step_by_step(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet)
    assert advance(fleet.store, number, fleet.now).next == Next.PROMOTE
    reached = []
    for _ in range(5):
        reached.append(queries.one(fleet.store, number)["exposed"])
        step_on(fleet, post, number, lambda device_id: "committed")
    assert reached == [1, 5, 20, 50, 100]
    shown = queries.one(fleet.store, number)
    assert (shown["state"], shown["states"]["committed"]) == ("done", 100)
    assert [step["states"] for step in shown["steps"]][-1] == {"committed": 50}
    assert actions(fleet.store) == ["rollout.start", *["rollout.promote"] * 5, "rollout.finish"]
    assert all(order.action == "take" and order.sha256.hex() == SHA for order in post.orders.values())


def test_a_device_that_comes_later_takes_what_the_others_have(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet, steps=(100,), soak_hours=0)
    advance(fleet.store, number, fleet.now)
    step_on(fleet, post, number, lambda device_id: "committed")
    assert queries.one(fleet.store, number)["state"] == "done"
    fleet.store.record_status([DeviceStatus("village-new", fleet.now, True, {"model": "leaf@1.0.0"})])
    for _ in range(2):
        assert rows.unfinished(fleet.store) == [number]
        advance(fleet.store, number, fleet.now)
    post.orders.clear()
    post.send(fleet)
    assert list(post.orders) == ["village-new"]
    assert actions(fleet.store)[-1] == "rollout.follow"
    half = acting.start(fleet.store, "leaf", "2.1.0", SHA, Plan(steps=(50,), soak_hours=0), "asha", fleet.now)
    assert rows.unfinished(fleet.store) == [half], "the newest roll-out alone says what a newcomer takes"


def test_delivery_is_no_proof(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    step_on(fleet, post, number, lambda device_id: "watching")
    fleet.later(40)
    assert advance(fleet.store, number, fleet.now).next == Next.WAIT
    assert queries.one(fleet.store, number)["exposed"] == 10


def test_a_version_that_devices_send_back_is_halted_and_everybody_is_ordered_back(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    post.send(fleet)
    ordered = sorted(post.orders)
    took = {device_id: order.number for device_id, order in post.orders.items()}
    for device_id in ordered[:3]:
        fleet.report(device_id, "rolled_back", "2.0.0", took[device_id], detail="9 of 12 were not answered")
    fleet.report(ordered[3], "committed", "2.0.0", took[ordered[3]])
    fleet.later(0.5)
    verdict = advance(fleet.store, number, fleet.now)
    assert verdict.next == Next.HALT and "3 of 10" in verdict.reason
    post.orders.clear()
    post.send(fleet)
    assert sorted(post.orders) == ordered[3:], "who went back by itself need not be told"
    assert all(o.action == "back" and o.number > took[d] for d, o in post.orders.items())
    for device_id, order in post.orders.items():
        what = "rolled_back" if device_id == ordered[3] else "not_taken"
        fleet.report(device_id, what, "2.0.0", order.number)
    fleet.later(0.5)
    advance(fleet.store, number, fleet.now)
    shown = queries.one(fleet.store, number)
    assert shown["state"] == "halted" and shown["states"] | {"rolled_back": 3, "back": 7} == shown["states"]
    assert rows.unfinished(fleet.store) == []
    assert actions(fleet.store)[-1] == "rollout.halt"
    assert queries.devices(fleet.store, number)[0]["detail"] == "9 of 12 were not answered"


def test_a_version_that_answers_less_is_halted_by_its_cases_though_no_device_goes_back(
    fleet: MadeFleet, post: Post
) -> None:
    for k in range(100):
        fleet.cases(name(k), "leaf@1.0.0", 8)
    fleet.later(24)
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    post.send(fleet)
    fleet.later(12)
    for k in range(100):
        new = name(k) in post.orders
        fleet.cases(name(k), NEW if new else "leaf@1.0.0", 10, unanswered=0.7 if new else 0.1)
    verdict = advance(fleet.store, number, fleet.now)
    assert verdict.next == Next.HALT and "not answered" in verdict.reason


@pytest.mark.parametrize(("first", "second", "halted"), [(0.7, 0.1, False), (0.1, 0.7, True)])
def test_a_version_rolled_out_a_second_time_is_judged_by_what_it_does_now(
    fleet: MadeFleet, post: Post, first: float, second: float, halted: bool
) -> None:
    for k in range(100):
        fleet.cases(name(k), "leaf@1.0.0", 8)
    for unanswered in (first, second):
        fleet.later(24)
        number = begin(fleet, steps=(10, 100), soak_hours=48)
        advance(fleet.store, number, fleet.now)
        post.orders.clear()
        post.send(fleet)
        fleet.later(12)
        # Of the first time there is much more than of the second.
        for k in range(100):
            new = name(k) in post.orders
            count = 10 if number == 2 else 40
            fleet.cases(name(k), NEW if new else "leaf@1.0.0", count, unanswered=unanswered if new else 0.1)
        verdict = advance(fleet.store, number, fleet.now)
        if number == 1:
            assert (verdict.next == Next.HALT) == (first > 0.5)
            if verdict.next != Next.HALT:
                acting.abort(fleet.store, number, "asha", "once more, later", fleet.now)
            for device, order in post.orders.items():
                fleet.report(device, "rolled_back", "2.0.0", order)
            advance(fleet.store, number, fleet.later(1))
    assert (verdict.next == Next.HALT) == halted, verdict


def test_a_season_that_changes_for_all_halts_nobody(fleet: MadeFleet, post: Post) -> None:
    for k in range(100):
        fleet.cases(name(k), "leaf@1.0.0", 8)
    fleet.later(24)
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    post.send(fleet)
    for _ in range(3):
        fleet.later(6)
        for k in range(100):
            fleet.cases(name(k), NEW if name(k) in post.orders else "leaf@1.0.0", 8, unanswered=0.6, latency_ms=900)
        assert advance(fleet.store, number, fleet.now).next == Next.WAIT
    assert queries.one(fleet.store, number)["looks"] >= 2


def test_the_dead_are_counted_out_visibly_and_come_back_when_they_speak(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    post.send(fleet)
    names = sorted(post.orders)
    for device_id in names[:7]:
        fleet.report(device_id, "committed", "2.0.0", post.orders[device_id].number)
    fleet.later(73)
    assert advance(fleet.store, number, fleet.now).next == Next.PROMOTE
    shown = queries.one(fleet.store, number)
    assert shown["steps"][0]["states"] == {"committed": 7, "timed_out": 3} and shown["silent"] == 3
    fleet.report(names[8], "committed", "2.0.0", post.orders[names[8]].number)
    fleet.later(1)
    advance(fleet.store, number, fleet.now)
    assert queries.one(fleet.store, number)["silent"] == 2


def test_orders_are_sent_again_while_nothing_is_heard_and_numbers_rise(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    assert (post.send(fleet), post.send(fleet)) == (10, 0)
    first = {device_id: order.number for device_id, order in post.orders.items()}
    fleet.now += RESEND + timedelta(seconds=1)
    assert post.send(fleet) == 10
    assert {d: o.number for d, o in post.orders.items()} == first, "the same order, so that a device may pass it over"
    acting.abort(fleet.store, number, "asha", "thought better of it", fleet.now - timedelta(days=400))
    assert post.send(fleet) == 10
    assert all(order.number > first[device_id] for device_id, order in post.orders.items()), "even if a clock went back"


def test_people_pause_resume_and_abort_and_every_act_is_in_the_log(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    acting.pause(fleet.store, number, "asha", "Diwali", fleet.now)
    with pytest.raises(RolloutError, match="is paused"):
        acting.pause(fleet.store, number, "asha", "", fleet.now)
    step_on(fleet, post, number, lambda device_id: "committed")
    assert queries.one(fleet.store, number)["exposed"] == 10
    acting.resume(fleet.store, number, "asha", "", fleet.now)
    advance(fleet.store, number, fleet.now)
    assert queries.one(fleet.store, number)["exposed"] == 100
    with pytest.raises(RolloutError, match="is open"):
        begin(fleet)
    assert acting.abort(fleet.store, number, "asha", "farmers complain", fleet.now) == 100
    with pytest.raises(RolloutError, match="aborted already"):
        acting.abort(fleet.store, number, "asha", "", fleet.now)
    with pytest.raises(RolloutError, match="no roll-out 99"):
        acting.resume(fleet.store, 99, "asha", "", fleet.now)
    said = [f"rollout.{word}" for word in ("start", "promote", "pause", "resume", "promote", "abort")]
    assert actions(fleet.store) == said
    assert begin(fleet) == number + 1


def test_a_paused_roll_out_still_halts_what_regresses(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    acting.pause(fleet.store, number, "asha", "", fleet.now)
    step_on(fleet, post, number, lambda device_id: "rolled_back")
    assert queries.one(fleet.store, number)["state"] == "halted"


def test_reports_that_repeat_lag_or_belong_elsewhere_change_nothing(fleet: MadeFleet, post: Post) -> None:
    number = begin(fleet, steps=(10, 100))
    advance(fleet.store, number, fleet.now)
    post.send(fleet)
    one, *_ = sorted(post.orders)
    order = post.orders[one].number
    stranger = next(name(k) for k in range(100) if name(k) not in post.orders)
    fleet.report(stranger, "rolled_back", "2.0.0", order)
    fleet.report(one, "rolled_back", "2.0.0", order - 1)
    fleet.report(one, "rolled_back", "3.0.0", order)
    fleet.report(one, "committed", "2.0.0", order)
    fleet.report(one, "watching", "2.0.0", order)
    fleet.report(one, "nonsense", "2.0.0", order)
    fleet.later(1)
    advance(fleet.store, number, fleet.now)
    assert {s: c for s, c in queries.one(fleet.store, number)["states"].items() if c} == {"ordered": 9, "committed": 1}


def test_two_models_are_compared_by_devices_and_not_by_cases(fleet: MadeFleet) -> None:
    for k in range(100):
        # Villages are unlike: of one model on both halves, cases alone would call a difference.
        fleet.cases(name(k), NEW if k % 2 else "leaf@1.0.0", 30, unanswered=0.9 if k % 10 < 2 else 0.1)
    fleet.cases(name(0), NEW, 30)
    since, until = fleet.now - timedelta(days=1), fleet.later(1)
    found = compare(fleet.store, "leaf@1.0.0", NEW, since, until)
    assert (found.devices, found.both) == ((49, 50), 1)
    assert {metric.name: metric.p > 0.01 for metric in found.metrics} == {"unanswered": True, "latency_ms": True}
    for k in range(1, 100, 2):
        fleet.cases(name(k), NEW, 30, unanswered=0.6, latency_ms=900)
    found = compare(fleet.store, "leaf@1.0.0", NEW, since, fleet.later(1))
    assert all(metric.p < 0.01 for metric in found.metrics)
    with pytest.raises(RolloutError, match="are needed"):
        compare(fleet.store, "leaf@1.0.0", "leaf@9.9.9", since, until)


def test_the_commands_say_what_they_did_and_refuse_in_one_line(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'c.sqlite3'}")
    store.migrate()
    fleet = MadeFleet(store, 50)
    number = begin(fleet, steps=(10, 100))
    advance(store, number, fleet.now)
    store.close()

    def run(*words: str) -> str:
        result = CliRunner().invoke(cli, ["rollout", *words, "--db", f"sqlite:///{tmp_path / 'c.sqlite3'}"])
        assert result.exception is None or isinstance(result.exception, RolloutError | SystemExit), result.output
        return result.output or str(result.exception)

    assert "5 devices reached: 5 ordered" in run("status")
    shown = json.loads(run("status", str(number), "--json", "--devices"))
    assert len(shown["devices"]) == 5 and shown["acts"][0]["actor"] == "asha"
    assert "is paused" in run("pause", str(number), "--by", "asha", "--because", "Diwali")
    assert "goes on" in run("resume", str(number))
    assert "5 devices are ordered back" in run("abort", str(number))
    assert "aborted already" in run("abort", str(number))
    assert "no roll-out 77" in run("status", "77")
    assert "have the tag canary" in run("tag", "canary", name(1), name(2))
    assert "are needed" in run("compare", "leaf@1.0.0", NEW)
    assert "not PACKAGE@VERSION" in run("start", "leaf")
    assert "name the signed repository" in run("start", NEW)
