"""A memory card decays under an update: what answers has passed its test here, and the next update mends the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.device.update.village import Village

from pikvani_device.update import surroundings
from pikvani_device.update.state import Phase


@pytest.fixture
def village(tmp_path: Path) -> Village:
    """A device that keeps 1.1.0 and was born with 1.0.0."""
    made = Village(tmp_path)
    made.release("1.1.0")
    made.seen("1.1.0", 20)
    engine = made.engine()
    assert engine.run().phase == Phase.WATCHING
    assert engine.watch().phase == Phase.COMMITTED
    return made


def damage(village: Village, version: str) -> None:
    """Other bytes in the model of a version, in whichever slot it lies."""
    for slot in ("a", "b"):
        folder = village.folder / "device" / "slots" / slot
        if f'"{version}"' in (folder / "manifest.json").read_text():
            (folder / "model.onnx").write_bytes(b"decayed")


def test_given_a_candidate_that_failed_its_test_when_the_slot_in_use_decays_then_the_birth_answers(
    village: Village,
) -> None:
    village.release("1.2.0")
    village.tested = surroundings.Tested(False, "it ends the process")
    assert village.engine().run().phase == Phase.IDLE
    damage(village, "1.1.0")
    assert village.answers() == "1.0.0"


def test_given_a_model_that_was_sent_back_when_the_slot_in_use_decays_then_it_does_not_come_again(
    village: Village,
) -> None:
    village.release("1.2.0")
    village.engine().run()
    village.engine().roll_back("it names one thing only")
    assert village.answers() == "1.1.0"
    damage(village, "1.1.0")
    assert village.answers() == "1.0.0"


def test_given_the_one_before_when_the_slot_in_use_decays_then_it_answers_and_stays_through_a_failed_update(
    village: Village,
) -> None:
    damage(village, "1.1.0")
    assert village.answers() == "1.0.0"
    village.release("1.2.0")
    village.tested = surroundings.Tested(False, "too slow")
    village.engine().run()
    assert village.answers() == "1.0.0"


def test_given_no_sound_slot_then_the_birth_answers_and_the_next_update_is_taken(village: Village) -> None:
    damage(village, "1.1.0")
    damage(village, "1.0.0")
    assert village.answers() == "1.0.0"
    village.release("1.2.0")
    assert village.engine().run().phase == Phase.WATCHING
    assert village.answers() == "1.2.0"
    village.engine().roll_back("somebody said so")
    assert village.answers() == "1.0.0"


def test_given_a_name_of_the_slot_that_nobody_can_read_then_the_device_answers_and_the_next_update_is_taken(
    village: Village,
) -> None:
    (village.folder / "device" / "slots" / "current").write_bytes(b"\xff\xff\xff")
    assert village.answers() == "1.0.0"
    village.release("1.2.0")
    assert village.engine().run().phase == Phase.WATCHING
    assert village.answers() == "1.2.0"
