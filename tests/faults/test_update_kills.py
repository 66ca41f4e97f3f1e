"""An update cut at any step leaves a device that answers. All steps: `python tests/faults/update_kills.py`."""

import pytest
from tests.faults.update_kills import run


@pytest.mark.timeout(300)
def test_given_an_update_cut_at_every_ninth_step_then_the_device_answers_and_the_update_ends() -> None:
    found = run(every=9, say=lambda line: None)
    assert found.points >= 110
    assert found.unverified == []
    assert {"1.0.0", "1.1.0"} <= set(found.versions)
