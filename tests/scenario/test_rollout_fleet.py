"""A hundred simulated devices under a roll-out. A thousand, and more kinds of bad: `scripts/bench rollout`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.simulation.rollout import kept, simulate

from pikvani_server.rollout.plan import Plan

PLAN = Plan(steps=(10, 50, 100))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ["refuses much", "fails self-test"])
def test_a_bad_version_stops_within_the_canary_and_one_step_and_everybody_is_back(version: str, tmp_path: Path) -> None:
    outcome = simulate(tmp_path, version, 100, PLAN)
    assert outcome.state == "halted", outcome
    assert outcome.exposed <= 50 and kept(outcome, PLAN), outcome
    assert outcome.back == outcome.ran and outcome.unverified == 0


@pytest.mark.timeout(300)
def test_a_sound_version_reaches_everybody_who_is_alive(tmp_path: Path) -> None:
    plan = Plan(steps=(20, 100))
    outcome = simulate(tmp_path, "sound", 40, plan)
    assert kept(outcome, plan), outcome
    assert outcome.on_new == outcome.ran >= 34 and outcome.silent == 40 - outcome.ran
