"""How sure to be of a field's photograph of a crop that was learnt in laboratories, fitted on made evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from pikvani_contract.model.manifest import Manifest, load_package
from pikvani_contract.model.posterior import Evidence, decide
from pikvani_models.fitting import fit
from pikvani_models.measuring import Seen
from pikvani_models.records import Record
from pikvani_models.registry import BY_NAME, NONE

LEAF = Path(__file__).resolve().parents[2] / "models" / "packages" / "leaf"
SIDES = {"pv_corn_lab": 1.0, "blackgram_field": -1.0, "corn_plantdoc_field": -1.0, "ood_background": -1.0}
"""The first number of the embedding: a laboratory's or not."""


@pytest.fixture(scope="module")
def neutral() -> Manifest:
    shipped = load_package(LEAF).manifest
    return structs.replace(shipped, confidence=structs.replace(shipped.confidence, elsewhere=None))


def made(manifest: Manifest, source: str, count: int, right: float, rng: np.random.Generator) -> list[Seen]:
    """Photographs of a source of which the share `right` is named as it should be, all just as loudly."""
    folders, seen = sorted(BY_NAME[source].classes), []
    for number in range(count):
        folder = folders[number % len(folders)]
        label = BY_NAME[source].label(folder)
        crop = label.split("/")[0]
        others = [each for each in manifest.labels if each.startswith(f"{crop}/") and each != label]
        named = label if not others or rng.random() < right else str(rng.choice(others))
        logits = rng.normal(0, 0.5, len(manifest.labels))
        logits[manifest.labels.index(named)] += 6
        embedding = rng.normal(0, 0.3, manifest.outputs.embedding)
        embedding[0] += SIDES[source]
        evidence = Evidence(logits, embedding, np.zeros((6, 6, len(manifest.labels)), np.float32))
        seen.append(
            Seen(Record(f"{number}.jpg", source, folder, label, f"{source}/{number}", "val"), evidence, evidence)
        )
    return seen


def sure(manifest: Manifest, seen: list[Seen]) -> float:
    return float(np.mean([decide(manifest, [s.first], s.record.label.split("/")[0]).confidence for s in seen]))


def test_given_proxies_that_are_often_wrong_then_their_kind_is_believed_as_often_as_they_are_right(
    neutral: Manifest,
) -> None:
    rng = np.random.default_rng(3)
    laboratory, field = made(neutral, "pv_corn_lab", 120, 0.97, rng), made(neutral, "blackgram_field", 120, 0.97, rng)
    strangers = made(neutral, "ood_background", 60, 1.0, rng)
    assert {s.record.label for s in strangers} == {NONE}
    proxies = made(neutral, "corn_plantdoc_field", 180, 0.4, rng)

    fitted = fit(neutral, [*laboratory, *field, *strangers], proxies, made(neutral, "blackgram_field", 100, 0.9, rng))

    assert fitted.confidence.elsewhere is not None and fitted.confidence.elsewhere.crops == ("maize",)
    right = float(np.mean([s.record.label == decide(fitted, [s.first], "maize").label for s in proxies]))
    believed = sure(fitted, made(neutral, "corn_plantdoc_field", 180, 0.4, rng))
    assert believed == pytest.approx(right, abs=0.08)
    assert min(sure(fitted, laboratory), sure(fitted, field)) > believed + 0.3, "the others are believed as ever"


def test_given_few_proxies_then_nothing_is_fitted_on_them(neutral: Manifest) -> None:
    rng = np.random.default_rng(4)
    val = made(neutral, "pv_corn_lab", 100, 0.9, rng) + made(neutral, "blackgram_field", 100, 0.9, rng)
    val += made(neutral, "ood_background", 60, 1.0, rng)
    worn = made(neutral, "blackgram_field", 60, 0.9, rng)
    assert fit(neutral, val, made(neutral, "corn_plantdoc_field", 20, 0.4, rng), worn).confidence.elsewhere is None
