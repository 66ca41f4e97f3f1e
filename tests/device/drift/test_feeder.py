"""The feeder: a case is counted once in the day's sketch, and a restart goes on where it stopped."""

import random

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.messages import CaseBody
from pikvani_contract.model.manifest import ReferenceSketch
from pikvani_contract.samples import case_body
from pikvani_contract.sketch import FEATURES, decode_sketch, merge
from pikvani_device.drift.feeder import DecidedCase, Feeder, sketch_of

REFERENCE = ReferenceSketch(10, (0.0,) * 8, (1.0,) * 8, (0.1,) * 10, {"maize/rust": 1.0})
DAY = "2026-07-01"


CASE = CaseBody("answer", "", "maize", "maize/rust", 9_000, [], "leaf@1.0.0", "onnx", 1, 100, [5_000, 2_500, 9_999])


def test_a_case_with_everything_is_in_one_bin_of_every_feature() -> None:
    case = DecidedCase(CASE, {"maize/rust": 0.9, "maize/healthy": 0.1}, np.zeros(8))
    sketch = sketch_of(case, REFERENCE)
    assert set(sketch.histograms) == set(FEATURES)
    assert all(sum(counts) == 1 for counts in sketch.histograms.values())
    assert (sketch.cases, sketch.classes, sketch.refusals) == (1, {"maize/rust": 1}, {})
    assert sketch.histograms["confidence"][18] == 1
    assert sketch.histograms["leaf_share"][19] == 1


def test_what_a_case_lacks_is_left_out() -> None:
    sketch = sketch_of(DecidedCase(msgspec.structs.replace(CASE, quality=[])), REFERENCE)
    assert set(sketch.histograms) == {"confidence"}
    unusable = DecidedCase(CASE, {}, np.full(8, np.nan))
    assert not any(name.startswith("projection") for name in sketch_of(unusable, REFERENCE).histograms)


def test_a_refusal_is_counted_by_its_reason() -> None:
    refused = msgspec.structs.replace(CASE, decision="refuse", reason="unsure")
    assert sketch_of(DecidedCase(refused), REFERENCE).refusals == {"unsure": 1}


def test_only_what_changed_is_said_again_with_a_higher_revision() -> None:
    feeder = Feeder()
    feeder.add(DecidedCase(CASE), DAY, REFERENCE)
    (first,) = feeder.take_changed()
    assert feeder.take_changed() == []
    feeder.add(DecidedCase(CASE), DAY, REFERENCE)
    feeder.add(DecidedCase(CASE), "2026-06-30", REFERENCE)
    late, second = feeder.take_changed()
    assert (first.revision, second.revision, late.day) == (1, 2, "2026-06-30")


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30), st.integers(0, 30))
def test_a_restart_anywhere_changes_nothing(confidences: list[int], at: int) -> None:
    # given a feeder that is stopped after some cases, its last words being kept
    cases = [DecidedCase(msgspec.structs.replace(CASE, confidence=c)) for c in confidences]
    feeder = Feeder()
    for case in cases[:at]:
        feeder.add(case, DAY, REFERENCE)
    said = feeder.take_changed()
    # when another goes on
    feeder = Feeder()
    for body in said:
        feeder.resume(body)
    for case in cases[at:]:
        feeder.add(case, DAY, REFERENCE)
    said = feeder.take_changed() or said
    # then it says what one feeder would have said
    (body,) = said
    assert decode_sketch(body.data) == merge(sketch_of(case, REFERENCE) for case in cases)
    assert body.revision == len(cases)


def test_memory_is_bounded_once_days_are_said() -> None:
    feeder = Feeder()
    for month in range(1, 13):
        feeder.add(DecidedCase(CASE), f"2026-{month:02d}-01", REFERENCE)
        assert len(feeder.take_changed()) == 1
    assert len(feeder) == 8


def test_the_contracts_sample_case_is_counted() -> None:
    assert sketch_of(DecidedCase(case_body(random.Random(1))), REFERENCE).cases == 1
