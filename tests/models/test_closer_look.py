"""Which photographs are looked at closer, and that figures are measured as the device would see them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from pikvani_contract.model.manifest import Manifest, load_package
from pikvani_contract.model.posterior import Evidence, distance
from pikvani_models.fitting import CLOSER, CLOSER_SHARE, fit
from pikvani_models.measuring import Seen, answers, case_metrics, evidence_of
from pikvani_models.records import Record
from pikvani_models.registry import NONE

LEAF = Path(__file__).resolve().parents[2] / "models" / "packages" / "leaf"
RUST, ROT = "sugarcane/rust", "sugarcane/red_rot"


@pytest.fixture(scope="module")
def neutral() -> Manifest:
    shipped = load_package(LEAF).manifest
    decision = structs.replace(shipped.decision, closer_beyond={}, second_view_below=0.0)
    return structs.replace(shipped, decision=decision)


def taken(manifest: Manifest, source: str, label: str, number: int, away: float, named: str = "") -> Seen:
    """A photograph `away` from its label's centre that is named `named` at first, and rightly when looked at closer."""

    def said(name: str, views: int) -> Evidence:
        logits = np.zeros(len(manifest.labels))
        logits[manifest.labels.index(name)] = 9.0
        centre = np.zeros(manifest.outputs.embedding)
        if label != NONE:
            centre = np.array(manifest.refusal.centres[manifest.labels.index(label)])
        step = away / np.sqrt(np.array(manifest.refusal.precision))
        return Evidence(logits, centre + step, np.zeros((6, 6, len(manifest.labels)), np.float32), views)

    record = Record(f"{number}.jpg", source, "x", label, f"{source}/{number}", "val")
    return Seen(record, said(named or label, 1), said(label, 2))


def test_given_validation_photographs_then_one_in_ten_of_a_crop_is_far_enough_for_a_closer_look(
    neutral: Manifest,
) -> None:
    rng = np.random.default_rng(6)
    cane = [taken(neutral, "sugarcane_daphal_field", RUST, n, float(rng.uniform(0.1, 0.3))) for n in range(200)]
    gram = [taken(neutral, "blackgram_field", "blackgram/healthy", n, 0.2, "blackgram/anthracnose") for n in range(9)]
    scenes = [taken(neutral, "ood_background", NONE, n, 2.0) for n in range(40)]
    fitted = fit(neutral, [*cane, *gram, *scenes], [], cane[:20])
    assert set(fitted.decision.closer_beyond) == set(CLOSER) == {"sugarcane"}
    limit = fitted.decision.closer_beyond["sugarcane"]
    far = [distance(fitted, s.first, "sugarcane") > limit for s in cane]
    assert np.mean(far) == pytest.approx(1 - CLOSER_SHARE, abs=0.01)

    right = [taken(neutral, "blackgram_field", "blackgram/healthy", n, 0.2) for n in range(20)]
    without = fit(neutral, [*gram, *right, *scenes], [], right[:5])
    assert without.decision.closer_beyond == {}, "a crop that is not there is not looked at"


def test_given_a_far_photograph_then_it_is_measured_as_the_device_sees_it(neutral: Manifest) -> None:
    beyond = structs.replace(neutral, decision=structs.replace(neutral.decision, closer_beyond={"sugarcane": 0.5}))
    near = [taken(neutral, "sugarcane_daphal_field", RUST, n, 0.1, ROT) for n in range(3)]
    far = [taken(neutral, "sugarcane_daphal_field", RUST, n, 0.9, ROT) for n in range(3)]
    assert [evidence_of(beyond, s, "sugarcane").views for s in (*near, *far)] == [1, 1, 1, 2, 2, 2]
    assert [a.right for a in answers(beyond, [*near, *far])] == [False] * 3 + [True] * 3
    assert not any(a.right for a in answers(neutral, far))
    for seen, right in ((near, 0.0), (far, 1.0)):
        values = {x.name: x.value for x in case_metrics(beyond, seen, "left-out", 3)}
        assert values["accuracy"] == right
    one_view = [replace(s, every=s.first) for s in far]
    assert not any(a.right for a in answers(beyond, one_view))
