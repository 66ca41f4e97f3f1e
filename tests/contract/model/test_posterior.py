"""From outputs to a decision: what the farmer knows narrows the naming, what the model doubts lowers the confidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pikvani_contract.model import Evidence, Manifest, PackageError, decide
from pikvani_contract.model.inference import look
from pikvani_contract.model.manifest import Elsewhere, Linear, Repeats
from pikvani_contract.model.posterior import apartness, fusion_exponent, map_focus

from .conftest import small_manifest

MANIFEST = small_manifest(())


def seen(*logits: float) -> Evidence:
    return Evidence(np.array(logits, float), np.zeros(3), np.zeros((2, 2, 4), np.float32))


def test_given_a_clear_photograph_then_it_answers() -> None:
    diagnosis = decide(MANIFEST, [seen(0, 9, 0, -3)], "cotton")
    assert (diagnosis.decision, diagnosis.reason, diagnosis.label) == ("answer", "sure", "cotton/leaf_curl_virus")


def test_given_a_crop_then_only_its_conditions_are_named() -> None:
    diagnosis = decide(MANIFEST, [seen(1, 0, 9, 0)], "cotton")
    assert diagnosis.label == "cotton/healthy"
    assert set(diagnosis.probabilities) == {"cotton/healthy", "cotton/leaf_curl_virus"}


def test_given_a_leaf_of_another_crop_then_confidence_falls_below_that_of_the_right_crop() -> None:
    fitting, strange = seen(6, 0, 0, -2), seen(6, 0, 12, -2)
    assert decide(MANIFEST, [strange], "cotton").confidence < decide(MANIFEST, [fitting], "cotton").confidence


@pytest.mark.parametrize("crop", ["maize", None])
def test_given_a_crop_learnt_in_laboratories_then_a_photograph_from_a_field_is_believed_less(crop: str | None) -> None:
    less, least = Linear((0.2,), -0.5), Linear((0.2,), -1.5)
    rule = Elsewhere(("maize",), (1.0, 0.0, 0.0), 0.0, 0.5, less, least)
    unlike = structs.replace(MANIFEST, confidence=structs.replace(MANIFEST.confidence, elsewhere=rule))

    def shown(logits: tuple[float, ...], *likeness: float) -> list[Evidence]:
        return [replace(seen(*logits), embedding=np.array([value, 0.0, 0.0])) for value in likeness]

    rust, curl = (0.0, 0.0, 4.0, -3.0), (0.0, 4.0, 0.0, -3.0)
    inside, outside = decide(unlike, shown(rust, 1.0), crop), decide(unlike, shown(rust, 0.0), crop)
    assert inside == decide(MANIFEST, shown(rust, 1.0), crop), "like the laboratory's it is believed as ever"
    assert outside.confidence < inside.confidence and outside.label == inside.label
    below, above = (decide(unlike, shown(rust, 0.0, second), crop).confidence for second in (0.9, 1.1))
    assert below < above, "of a case's photographs the mean counts"
    asked = "cotton" if crop else None
    assert decide(unlike, shown(curl, 0.0), asked) == decide(MANIFEST, shown(curl, 0.0), asked), (
        "other crops are as ever"
    )


def test_given_no_leaf_then_it_refuses_and_still_says_what_was_nearest() -> None:
    diagnosis = decide(MANIFEST, [seen(0, 1, 0, 12)])
    assert (diagnosis.decision, diagnosis.reason) == ("refuse", "not_a_leaf")
    assert diagnosis.label == "cotton/leaf_curl_virus"


def test_given_agreeing_photographs_then_a_case_is_surer_than_one_of_them() -> None:
    one = seen(0, 1.5, 0, -1)
    assert decide(MANIFEST, [one] * 4, "cotton").confidence > decide(MANIFEST, [one], "cotton").confidence


def test_given_several_photographs_of_one_leaf_then_they_prove_less_than_as_many_leaves() -> None:
    rule = Repeats(alike=0.6, apart=1.0, exponent=1.0)
    careful = structs.replace(MANIFEST, decision=structs.replace(MANIFEST.decision, repeats=rule))

    def shown(distance: float) -> list[Evidence]:
        """Three photographs, each pair `distance` from each other."""
        sides = np.eye(3) * distance * np.sqrt(1.5)
        return [replace(seen(0, 1.5, 0, -1), embedding=side) for side in sides]

    assert apartness(shown(0.8)) == pytest.approx(0.8)
    assert apartness(shown(0.8)[:1]) == 0.0
    exponents = [fusion_exponent(careful, shown(d)) for d in (0.0, 0.6, 0.8, 1.0, 3.0)]
    assert exponents == pytest.approx([1.0, 1.0, 0.75, 0.5, 0.5])
    alike, between, apart = (decide(careful, shown(d), "cotton") for d in (0.1, 0.8, 2.0))
    assert alike.probabilities["cotton/leaf_curl_virus"] == pytest.approx(
        decide(careful, shown(0.1)[:1], "cotton").probabilities["cotton/leaf_curl_virus"]
    ), "three of one leaf say what one says"
    assert alike.label == between.label == apart.label
    said = [d.probabilities["cotton/leaf_curl_virus"] for d in (alike, between, apart)]
    assert said == sorted(said) and said[0] < said[2]


def test_given_spoken_symptoms_then_they_can_turn_the_name() -> None:
    close = seen(1.0, 0.8, 0, -2)
    assert decide(MANIFEST, [close], "cotton").label == "cotton/healthy"
    assert decide(MANIFEST, [close], "cotton", {"cotton/healthy": 0.1}).label == "cotton/leaf_curl_virus"


def test_given_a_full_case_that_is_unsure_then_it_does_not_ask_for_more() -> None:
    unsure = [seen(0.2, 0.3, 0, -3)] * 6
    assert decide(MANIFEST, unsure, "cotton").decision in {"answer", "refuse"}


@pytest.mark.parametrize("count", [0, 7])
def test_given_no_or_too_many_photographs_then_the_error_says_how_many(count: int) -> None:
    with pytest.raises(PackageError, match="give 1 to 6"):
        decide(MANIFEST, [seen(0, 0, 0, 0)] * count)


def test_given_an_unknown_crop_then_the_error_lists_the_known_ones() -> None:
    with pytest.raises(PackageError, match="cotton, maize"):
        decide(MANIFEST, [seen(0, 0, 0, 0)], "soybean")


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.lists(st.floats(-60, 60), min_size=4, max_size=4), min_size=1, max_size=6),
    st.sampled_from([None, "cotton", "maize"]),
)
def test_any_outputs_give_a_proper_posterior(rows: list[list[float]], crop: str | None) -> None:
    diagnosis = decide(MANIFEST, [seen(*row) for row in rows], crop)
    assert 0.0 <= diagnosis.confidence <= 1.0
    assert sum(diagnosis.probabilities.values()) == pytest.approx(1.0)
    assert diagnosis.label in diagnosis.probabilities
    assert not diagnosis.label.startswith("none/")


def test_given_heat_in_one_corner_then_the_focus_is_there() -> None:
    maps = np.zeros((4, 4, 4), np.float32)
    maps[0, 3, 1] = 5.0
    assert map_focus(maps, 1) == (0.875, 0.125)


class CountingRuntime:
    """Answers with fixed logits and counts how often it was asked."""

    def __init__(self, *logits: float) -> None:
        self.calls, self.logits = 0, np.array([logits], np.float32)

    def __call__(self, view: np.ndarray) -> dict[str, np.ndarray]:
        self.calls += 1
        assert view.shape == (1, 64, 64, 3)
        maps = np.broadcast_to(self.logits[:, None, None, :], (1, 2, 2, self.logits.shape[1]))
        return {"logits": self.logits, "maps": maps, "embedding": np.zeros((1, 3), np.float32)}


@pytest.mark.parametrize(("logits", "views"), [((0, 9, 0, -3), 1), ((0.2, 0.3, 0.1, 0), 2)])
def test_a_second_view_is_taken_only_in_doubt(manifest: Manifest, logits: tuple[float, ...], views: int) -> None:
    runtime = CountingRuntime(*logits)
    evidence = look(manifest, np.zeros((70, 100, 3), np.uint8), runtime, "cotton")
    assert (runtime.calls, evidence.views) == (views, views)


def test_given_outputs_of_another_shape_then_the_package_is_refused(manifest: Manifest) -> None:
    with pytest.raises(PackageError, match="logits has shape"):
        look(manifest, np.zeros((70, 100, 3), np.uint8), CountingRuntime(0, 1, 2), "cotton")
