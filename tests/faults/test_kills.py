"""Random kills over all processes on a village link, and full cards: the set sent is the set stored.

A longer soak is a command:

python -m tests.faults.harness --kills 2000 --minutes 90
"""

import tempfile
from pathlib import Path

import pytest
from tests.faults.harness import Plan, run
from tests.support import mosquitto, postgres

SEED = 20261123


@pytest.mark.needs_mosquitto
@pytest.mark.needs_postgres
@pytest.mark.timeout(1_000)
def test_given_two_hundred_kills_then_nothing_is_lost_and_nothing_is_twice() -> None:
    missing = mosquitto.MISSING or postgres.MISSING
    if missing:
        pytest.skip(missing)
    plan = Plan(devices=20, results_per_device=1_000, kills=200, pause_s=0.9, rate=6.0, seed=SEED, deadline_s=900)
    with tempfile.TemporaryDirectory(prefix="pikvani-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # Mosquitto reads its files as a user of its own
        outcome = run(plan, Path(folder))
    print(outcome)
    assert sum(outcome.kills.values()) == plan.kills
    assert (outcome.lost, outcome.duplicates, outcome.invented) == (0, 0, 0), outcome
    assert outcome.sent == outcome.stored == plan.devices * plan.results_per_device, outcome
    assert outcome.fills > 0 or outcome.no_small_disk, "no card was ever full"
