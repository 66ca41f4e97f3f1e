"""Who is reached, when a roll-out goes on, and when it stops: rules alone, no database."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_server.rollout.judging import Compared, Next, judge
from pikvani_server.rollout.plan import Candidate, Plan, RolloutError, checked, cohort, last_step
from pikvani_server.rollout.statistics import Difference, at_least, holm, permutation, spent, too_many_bad

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PLAN = Plan()
SAME = Difference(0.1, 0.1, -0.1, 0.1, 0.5, (10, 900))


def fleet(count: int) -> list[Candidate]:
    return [Candidate(f"village-{k}", ("Akola", "Pune")[k % 2], ("pi4", "jetson")[k % 3 > 1]) for k in range(count)]


@given(st.integers(0, 300), st.integers(0, 10**6))
def test_each_step_holds_the_one_before_and_exactly_its_percentage(count: int, salt: int) -> None:
    devices = fleet(count)
    before: set[str] = set()
    for step in range(last_step(PLAN) + 1):
        reached = cohort(PLAN, str(salt), devices, step)
        assert len(reached) == len(set(reached)) == -(-count * int(PLAN.steps[step]) // 100)
        assert before <= set(reached)
        before = set(reached)
    assert len(before) == count


@given(st.integers(20, 200), st.integers(1, 19))
def test_a_device_keeps_its_place_whoever_else_comes_or_goes(count: int, gone: int) -> None:
    devices = fleet(count)
    order = cohort(PLAN, "leaf@2.0.0", devices, last_step(PLAN))
    fewer = cohort(PLAN, "leaf@2.0.0", [d for d in devices if d.device_id != order[gone]], last_step(PLAN))
    assert fewer == [name for name in order if name != order[gone]]
    assert cohort(PLAN, "leaf@2.1.0", devices, 0) != order[: len(devices) // 100 + 1] or count < 40


def test_filters_and_canaries() -> None:
    devices = fleet(200)
    devices[7] = Candidate("village-7", "Pune", "pi4", frozenset({"canary"}))
    devices[8] = Candidate("village-8", "Akola", "pi4", frozenset({"canary"}))
    plan = Plan(steps=(10, 100), districts=("Pune",), kinds=("pi4",), canary_tag="canary")
    assert cohort(plan, "x", devices, 0) == ["village-7"]
    tenth, whole = cohort(plan, "x", devices, 1), cohort(plan, "x", devices, 2)
    assert tenth[0] == "village-7" and set(tenth) < set(whole) and last_step(plan) == 2
    by_id = {d.device_id: d for d in devices}
    assert {(by_id[n].district, by_id[n].kind) for n in whole} == {("Pune", "pi4")}
    with pytest.raises(RolloutError, match="do not rise"):
        checked(Plan(steps=(5, 5, 100)))


def ruled(hours: float = 25, step: int = 0, compared: Compared | None = None, plan: Plan = PLAN, **states: int) -> Next:
    return judge(plan, step, NOW - timedelta(hours=hours), NOW, states, compared).next


def test_a_roll_out_goes_on_only_on_proof() -> None:
    assert judge(PLAN, -1, NOW, NOW, {}, None).next == Next.PROMOTE
    assert ruled(committed=10) == Next.PROMOTE
    assert ruled(hours=1, committed=10) == Next.WAIT, "a step lasts its time"
    assert ruled(ordered=10) == Next.WAIT, "delivery is no proof"
    assert ruled(watching=10) == Next.WAIT
    assert ruled(watching=3, committed=7) == Next.WAIT
    assert ruled(watching=2, committed=8) == Next.PROMOTE
    assert ruled(step=4, committed=1000) == Next.FINISH


def test_the_dead_leave_the_denominator_but_not_without_a_limit() -> None:
    assert ruled(timed_out=4, committed=6) == Next.PROMOTE
    assert ruled(timed_out=6, committed=4) == Next.ASK
    assert ruled(timed_out=10) == Next.ASK


def test_what_goes_back_stops_or_asks() -> None:
    assert ruled(hours=0, rolled_back=3, watching=7) == Next.HALT, "at once, whatever the step's time"
    assert ruled(rolled_back=1, committed=9) == Next.PROMOTE
    assert ruled(failed=2, committed=8) == Next.ASK
    assert ruled(rolled_back=1) == Next.ASK, "one device of one is no statistic, and no success either"
    assert ruled(step=3, rolled_back=12, committed=488) == Next.PROMOTE
    assert ruled(step=3, rolled_back=40, committed=460) == Next.HALT


def test_what_cases_say_stops_only_when_it_is_sure_and_matters() -> None:
    worse = Difference(0.4, 0.1, 0.2, 0.4, 0.0001, (10, 900))
    little = Difference(0.13, 0.1, 0.02, 0.04, 0.0001, (300, 700))
    unsure = Difference(0.4, 0.1, -0.1, 0.5, 0.01, (10, 900))
    for found, expected in ((worse, Next.HALT), (little, Next.PROMOTE), (unsure, Next.PROMOTE)):
        assert ruled(compared=Compared(1, found, SAME), committed=10) == expected
    assert ruled(compared=Compared(1, SAME, Difference(0.5, 0, 0.3, 0.7, 0.0001, (10, 900))), committed=10) == Next.HALT


def test_looking_often_at_devices_that_go_back_does_not_halt_a_healthy_version_more_often() -> None:
    """A thousand roll-outs of a version as bad as the plan still calls healthy, looked at after every single report."""
    rng, halted = random.Random(1), 0
    level = PLAN.alpha / 2 / (last_step(PLAN) + 1)
    for _ in range(1_000):
        bad = [rng.random() < PLAN.bad_rate for _ in range(100)]
        halted += any(too_many_bad(sum(bad[: k + 1]), 100, PLAN.bad_rate, level) for k in range(100))
    assert halted / 1_000 <= 0.01


def test_the_permutation_test_keeps_its_level_on_unlike_devices_and_finds_what_is_there() -> None:
    rng = random.Random(2)
    ps = []
    for seed in range(60):
        draws = [rng.expovariate(1) for _ in range(120)]
        ps.append(permutation(draws[:12], draws[12:], seed).p)
    assert sum(p <= 0.1 for p in ps) <= 14
    assert min(ps) > 0.0001
    low, high = [rng.gauss(0, 1) for _ in range(200)], [rng.gauss(2, 1) for _ in range(10)]
    assert permutation(high, low, 1).p < 0.001
    assert permutation(low, high, 1).p > 0.99
    both = permutation(low, high, 1, two_sided=True)
    assert both.p < 0.001 and both.low <= both.difference <= both.high
    assert permutation([], high, 1).p == 1.0


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0.01, 0.99))
def test_the_binomial_tail_is_that_of_a_reference(k: int, n: int, p: float) -> None:
    from scipy.stats import binom

    if k <= n:
        assert at_least(k, n, p) == pytest.approx(binom.sf(k - 1, n, p), rel=1e-6, abs=1e-12)


def test_levels_are_spent_and_corrected_as_promised() -> None:
    assert sum(spent(0.01, look) for look in range(1, 10_000)) == pytest.approx(0.01, rel=1e-3)
    assert holm([0.01, 0.04]) == pytest.approx([0.02, 0.04])
    assert holm([0.04, 0.03]) == pytest.approx([0.06, 0.06])
