"""How much several photographs of one leaf may say together is fitted, so that six of one leaf are no proof."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pikvani_contract.model import Manifest, load_package
from pikvani_contract.model.manifest import Linear, Thresholds
from pikvani_contract.model.posterior import Evidence, decide, fusion_exponent
from pikvani_models.fitting import FUSION_EXPONENTS, RISK, fit_fusion
from pikvani_models.records import Record

FOLDER = Path(__file__).parents[2] / "models" / "packages" / "leaf"
LABELS = ("rice/blast", "rice/brown_spot")
Case = tuple[Record, list[Evidence]]


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """Confidence is the posterior alone; an answer from 0.9."""
    given = load_package(FOLDER).manifest
    plain = Linear((1.0, 0.0, 0.0), 0.0)
    sure = msgspec.structs.replace(given.confidence, temperature=1.0, known=plain, open=plain, elsewhere=None)
    decision = msgspec.structs.replace(
        given.decision, overall=Thresholds(0.9, 0.45), crops={}, fusion_exponent=0.5, repeats=None
    )
    return msgspec.structs.replace(given, confidence=sure, decision=decision)


def _case(manifest: Manifest, truth: str, said: str, height: float, rng: np.random.Generator) -> Case:
    """Six nearly equal pictures of one leaf that all say the same."""
    logits = np.full(len(manifest.labels), -20.0)
    logits[[manifest.labels.index(label) for label in LABELS]] = 0.0
    logits[manifest.labels.index(said)] = height
    centre = np.array(manifest.refusal.centres[manifest.labels.index(said)])
    maps = np.zeros((1, 1, len(manifest.labels)), np.float32)
    evidence = [Evidence(logits + rng.normal(0, 0.01, len(logits)), centre, maps) for _ in range(6)]
    return Record("x.jpg", "rice_aldrin_field", "blast", truth, "g", "val"), evidence


def _cases(manifest: Manifest, height: float, right: int, wrong: int) -> list[Case]:
    rng = np.random.default_rng(3)
    truths = ["rice/blast"] * right + ["rice/brown_spot"] * wrong
    return [_case(manifest, truth, "rice/blast", height, rng) for truth in truths]


def _answered(manifest: Manifest, cases: list[Case], count: int) -> int:
    return sum(decide(manifest, given[:count], "rice").decision == "answer" for _, given in cases)


def test_given_leaves_that_are_told_rightly_then_photographs_say_the_more_the_more_there_are(
    manifest: Manifest,
) -> None:
    cases = _cases(manifest, height=1.5, right=19, wrong=1)
    fitted = fit_fusion(manifest, [cases], [])
    assert fitted.decision.repeats.exponent == FUSION_EXPONENTS[0]
    assert (_answered(fitted, cases, 1), _answered(fitted, cases, 6)) == (0, 20)


def test_given_leaves_one_in_three_of_which_misleads_then_six_pictures_of_one_are_not_believed(
    manifest: Manifest,
) -> None:
    cases = _cases(manifest, height=1.5, right=20, wrong=10)
    fitted = fit_fusion(manifest, [cases], [])
    assert fitted.decision.repeats.exponent > FUSION_EXPONENTS[0]
    assert _answered(fitted, cases, 3) == _answered(fitted, cases, 6) == 0


def test_given_two_groups_then_the_worse_one_decides(manifest: Manifest) -> None:
    good, bad = _cases(manifest, 1.5, 20, 0), _cases(manifest, 1.5, 20, 10)
    both = fit_fusion(manifest, [good, bad], []).decision.repeats.exponent
    assert both == fit_fusion(manifest, [bad], []).decision.repeats.exponent
    assert fit_fusion(manifest, [good, []], [[]]).decision.repeats.exponent == FUSION_EXPONENTS[0]


def test_given_leaves_that_mislead_even_singly_then_six_count_as_one(manifest: Manifest) -> None:
    cases = _cases(manifest, height=4.0, right=2, wrong=8)
    assert RISK < 0.8
    assert fit_fusion(manifest, [cases], []).decision.repeats.exponent == FUSION_EXPONENTS[-1] == 1.0


def test_given_leaves_that_differ_then_they_prove_more_than_pictures_of_one(manifest: Manifest) -> None:
    bad = _cases(manifest, height=1.5, right=20, wrong=10)
    record, alike = _cases(manifest, height=1.5, right=1, wrong=0)[0]
    leaves = [replace(e, embedding=e.embedding + i * np.ones(len(e.embedding))) for i, e in enumerate(alike)]
    fitted = fit_fusion(manifest, [bad], [[(record, leaves[:3])] * 5])
    rule = fitted.decision.repeats
    assert rule is not None and rule.apart == pytest.approx(4 / 3, abs=1e-3), "mean of distances 1, 1 and 2"
    assert fusion_exponent(fitted, leaves[:3]) == pytest.approx(0.5, abs=1e-3)
    assert fusion_exponent(fitted, alike[:3]) == rule.exponent > 0.5
    assert decide(fitted, leaves, "rice").decision == "answer"
    assert decide(fitted, alike, "rice").decision != "answer"
