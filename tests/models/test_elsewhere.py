"""How sure to be of a field's photograph of a crop that was learnt in laboratories, fitted on made evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from pikvani_contract.model.manifest import Elsewhere, Linear, Manifest, load_package
from pikvani_contract.model.posterior import Evidence, decide, likeness
from pikvani_models.fitting import fit, relearnt
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


def test_given_another_network_whose_embedding_is_turned_then_laboratory_and_field_are_told_apart_anew(
    neutral: Manifest,
) -> None:
    rng = np.random.default_rng(5)
    model = Linear((0.2,), -0.5)
    rule = Elsewhere(("maize",), (1.0,) * neutral.outputs.embedding, 0.0, 0.0, model, model)
    given = structs.replace(neutral, confidence=structs.replace(neutral.confidence, elsewhere=rule))
    turned: dict[str, list[Seen]] = {name: [] for name in ("pv_corn_lab", "blackgram_field")}
    for name, rows in turned.items():
        for s in made(neutral, name, 100, 0.9, rng):
            first = replace(s.first, embedding=-s.first.embedding[::-1])
            rows.append(replace(s, first=first, every=first))

    told = relearnt(given, [s for rows in turned.values() for s in rows]).confidence.elsewhere

    assert told is not None and (told.known, told.open, told.crops) == (model, model, ("maize",))
    below = {name: np.mean([likeness(told, s.first) < told.below for s in rows]) for name, rows in turned.items()}
    assert below["pv_corn_lab"] < 0.1 and below["blackgram_field"] > 0.95
