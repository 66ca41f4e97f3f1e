"""The feeder and the traits: a case is counted once, in the bins the contract names."""

import random

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.messages import CaseBody
from pikvani_contract.model.manifest import ReferenceSketch
from pikvani_contract.samples import case_body
from pikvani_contract.sketch import FEATURES, Sketch, decode_sketch
from pikvani_device.drift.feeder import Feeder
from pikvani_device.drift.traits import NAMES, bins_of, place, traits_of

REFERENCE = ReferenceSketch(10, (0.0,) * 8, (1.0,) * 8, (0.1,) * 10, {"maize/rust": 1.0})
DAY = "2026-07-01"
CASE = CaseBody("answer", "", "maize", "maize/rust", 9_000, [], "leaf@1.0.0", "onnx", 1, 100, [5_000, 2_500, 9_999])
TRAITS = traits_of({"maize/rust": 0.9, "maize/healthy": 0.1}, np.zeros(8), REFERENCE)


def counted(*cases: tuple[CaseBody, bytes | None]) -> Sketch:
    feeder = Feeder()
    for body, traits in cases:
        feeder.add(body, traits, DAY)
    (said,) = feeder.take_changed()
    assert said.revision == len(cases)
    return decode_sketch(said.data)


def test_a_case_with_everything_is_in_one_bin_of_every_feature() -> None:
    sketch = counted((CASE, TRAITS))
    assert set(sketch.histograms) == set(FEATURES)
    assert all(sum(counts) == 1 for counts in sketch.histograms.values())
    assert (sketch.cases, sketch.classes, sketch.refusals) == (1, {"maize/rust": 1}, {})
    assert sketch.histograms["confidence"][18] == 1
    assert sketch.histograms["leaf_share"][19] == 1


def test_what_a_case_lacks_is_left_out() -> None:
    assert set(counted((msgspec.structs.replace(CASE, quality=[]), None)).histograms) == {"confidence"}
    unusable = traits_of({}, np.full(8, np.nan), REFERENCE)
    assert bins_of(unusable) == {}


@given(st.binary(max_size=9))
def test_damaged_traits_are_no_traits_and_never_a_bin_that_is_not_there(data: bytes) -> None:
    assert all(0 <= at < FEATURES[name].count for name, at in bins_of(data).items())


@given(st.sampled_from(NAMES), st.floats(allow_nan=False))
def test_one_number_is_placed_as_the_contract_places_many(name: str, value: float) -> None:
    bins = FEATURES[name]
    assert place(bins, value) == int(bins.place(np.array([value]))[0])


def test_a_refusal_is_counted_by_its_reason() -> None:
    refused = msgspec.structs.replace(CASE, decision="refuse", reason="unsure")
    assert counted((refused, None)).refusals == {"unsure": 1}


def test_only_what_changed_is_said_again_with_a_higher_revision() -> None:
    feeder = Feeder()
    feeder.add(CASE, None, DAY)
    (first,) = feeder.take_changed()
    assert feeder.take_changed() == []
    feeder.add(CASE, None, DAY)
    feeder.add(CASE, None, "2026-06-30")
    late, second = feeder.take_changed()
    assert (first.revision, second.revision, late.day) == (1, 2, "2026-06-30")


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30), st.integers(0, 30))
def test_a_restart_anywhere_changes_nothing(confidences: list[int], at: int) -> None:
    # given a feeder that is stopped after some cases, its last words being kept
    cases = [(msgspec.structs.replace(CASE, confidence=c), TRAITS) for c in confidences]
    feeder = Feeder()
    for body, traits in cases[:at]:
        feeder.add(body, traits, DAY)
    said = feeder.take_changed()
    # when another goes on
    feeder = Feeder()
    for words in said:
        feeder.resume(words)
    for body, traits in cases[at:]:
        feeder.add(body, traits, DAY)
    said = feeder.take_changed() or said
    # then it says what one feeder would have said
    (words,) = said
    assert (decode_sketch(words.data), words.revision) == (counted(*cases), len(cases))


def test_the_contracts_sample_case_is_counted() -> None:
    assert counted((case_body(random.Random(1)), None)).cases == 1
