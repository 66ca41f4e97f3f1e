"""Symptoms that crops share: the table, the loss they are learnt by, and what laboratory crops borrow of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pikvani_models.records import DataError
from pikvani_models.registry import NONE, SOURCES
from pikvani_models.scope import scope_of
from pikvani_models.symptoms import SYMPTOM_OF, SYMPTOMS, UNTOLD, numbered

LABORATORY = ("bell_pepper", "grape", "maize", "potato", "tomato")
UNNAMED = {NONE, "cotton/diseased_unspecified"}


def test_every_label_of_the_registry_has_a_symptom_but_what_is_refused_and_what_its_source_does_not_name() -> None:
    named = {source.label(folder) for source in SOURCES for folder in source.classes} - UNNAMED
    assert set(SYMPTOM_OF) == named
    assert {SYMPTOM_OF[label] for label in named if label.endswith("/healthy")} == {"healthy"}


def test_given_labels_then_each_has_the_place_of_its_symptom_or_none() -> None:
    labels = ("maize/common_rust", "sugarcane/rust", NONE)
    assert numbered(labels) == [SYMPTOMS.index("rust"), SYMPTOMS.index("rust"), UNTOLD]


def test_given_every_crop_then_those_photographed_in_laboratories_alone_borrow() -> None:
    pytest.importorskip("torch", reason="torch is not installed: sharing not run")
    from pikvani_models.sharing import borrowers

    assert borrowers(scope_of()) == LABORATORY
    assert borrowers(scope_of(("maize", "sugarcane"))) == ("maize",)
    assert borrowers(scope_of(("maize", "tomato"))) == (), "no field to borrow from"
    assert borrowers(scope_of(("sugarcane",))) == ()


def test_given_a_network_that_learnt_symptoms_then_borrowers_lean_on_them_and_nothing_else_changes() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: sharing not run")
    from pikvani_models import weights
    from pikvani_models.sharing import borrow

    torch.manual_seed(3)
    scope = scope_of()
    net = weights.empty_net(scope).eval()
    torch.nn.init.normal_(net.classifier.weight, std=0.05)
    pooled = torch.rand(20, net.symptoms.in_features)
    before, _ = net.classify(pooled)
    borrow(net, scope)
    assert torch.equal(before, net.classify(pooled)[0]), "symptoms that were never learnt are not borrowed"

    torch.nn.init.normal_(net.symptoms.weight, std=0.05)
    _, symptoms = net.classify(pooled)
    borrow(net, scope, share=0.75)
    after, _ = net.classify(pooled)
    for crop in scope.crops:
        rows = [i for i, label in enumerate(scope.labels) if label.startswith(f"{crop}/")]
        if crop not in LABORATORY:
            assert torch.equal(before[:, rows], after[:, rows])
            continue
        assert torch.allclose(before[:, rows].mean(1), after[:, rows].mean(1), atol=1e-4)
        seen = symptoms[:, [numbered(scope.labels)[i] for i in rows]]
        wanted = 0.25 * before[:, rows] + 0.75 * seen
        assert torch.equal(after[:, rows].argmax(1), wanted.argmax(1))
    assert torch.equal(before[:, scope.labels.index(NONE)], after[:, scope.labels.index(NONE)])


def test_given_pictures_then_the_loss_counts_told_symptoms_alone_and_a_laboratory_less() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: losses not run")
    from pikvani_models.losses import LABORATORY_WEIGHT, SymptomLoss

    labels = ("maize/common_rust", "sugarcane/rust", NONE)
    loss = SymptomLoss(labels, ("maize",), smoothing=0.0)
    logits = torch.zeros(2, len(SYMPTOMS))
    logits[0, SYMPTOMS.index("rust")] = 5.0
    sure, unsure = (float(loss(logits[i : i + 1], torch.tensor([1]))) for i in (0, 1))
    assert sure < 0.2 < unsure
    both = float(loss(logits, torch.tensor([1, 0])))
    assert both == pytest.approx((sure + LABORATORY_WEIGHT * unsure) / (1 + LABORATORY_WEIGHT))
    refused = logits.clone().requires_grad_()
    nothing = loss(refused, torch.tensor([2, 2]))
    nothing.backward()
    assert nothing.item() == 0.0 and not bool(refused.grad.any())


def test_given_weights_of_before_symptoms_then_the_error_says_which_and_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: weights not written")
    from pikvani_models import weights

    scope, path = scope_of(("rice",)), tmp_path / "weights.pt"
    state = {k: v for k, v in weights.empty_net(scope).state_dict().items() if not k.startswith("symptoms")}
    weights.save(path, scope, {"net": state})
    with pytest.raises(DataError, match=r"weights.pt holds weights of another network .* train anew"):
        weights.load_net(path)


def test_given_painted_pictures_then_they_count_within_their_crop_and_weigh_as_a_fields() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: losses not run")
    from pikvani_models.losses import LABORATORY_WEIGHT, HierarchicalLoss, SymptomLoss

    labels = ("maize/common_rust", "maize/healthy", "sugarcane/healthy", "sugarcane/rust", NONE)
    loss, none, all_of = HierarchicalLoss(labels), torch.zeros(1).bool(), torch.ones(1).bool()
    target = torch.tensor([0])
    taken_for_cane = torch.tensor([[3.0, 0.0, 0.0, 9.0, 0.0]])
    surely_maize = torch.tensor([[9.0, 6.0, 0.0, 0.0, 0.0]])
    assert float(loss(taken_for_cane, target, none)) > float(loss(surely_maize, target, none)) + 3
    assert float(loss(taken_for_cane, target, all_of)) == pytest.approx(float(loss(surely_maize, target, all_of)))
    assert float(loss(taken_for_cane, target)) == float(loss(taken_for_cane, target, none))

    symptom = SymptomLoss(labels, ("maize",), smoothing=0.0)
    logits = torch.zeros(2, len(SYMPTOMS))
    logits[0, SYMPTOMS.index("rust")] = 5.0
    two = torch.tensor([3, 0])
    seen, drawn = (float(symptom(logits, two, torch.tensor([False, painted]))) for painted in (False, True))
    sure, unsure = (float(symptom(logits[i : i + 1], two[:1])) for i in (0, 1))
    assert seen == pytest.approx((sure + LABORATORY_WEIGHT * unsure) / (1 + LABORATORY_WEIGHT))
    assert drawn == pytest.approx((sure + unsure) / 2)
