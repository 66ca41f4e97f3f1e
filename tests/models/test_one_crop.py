"""A package of one crop: what it is of, what is fitted where parts are missing, how it is judged, what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from tests.support.one_crop import EMBEDDING, one_crop

from pikvani_contract.model.gates import UNSEEN, accuracy_of, demanded, golden_of
from pikvani_contract.model.manifest import Agreement, Manifest, Metric, PackageError, parse_manifest
from pikvani_contract.model.posterior import Diagnosis, Evidence, decide
from pikvani_models.card import write_card
from pikvani_models.cli import main
from pikvani_models.fitting import CEILING, fit
from pikvani_models.measuring import KEPT_BAR, Answer, Seen, refusal_metrics
from pikvani_models.records import DataError, Record
from pikvani_models.registry import BY_NAME, NONE
from pikvani_models.scope import Scope, require_enough, scope_of
from pikvani_models.validation import judge


def test_given_one_crop_then_its_labels_and_sources_are_its_own_and_those_of_what_must_be_refused() -> None:
    scope = scope_of(("blackgram",))
    assert scope.labels == (
        *(f"blackgram/{c}" for c in ("anthracnose", "healthy", "leaf_crinkle", "powdery_mildew", "yellow_mosaic")),
        NONE,
    )
    assert scope.crops == ("blackgram",)
    strangers = ["ood_background", "ood_deepweeds", "ood_pv_apple_lab"]
    assert [source.name for source in scope.sources] == ["blackgram_field", *strangers]


def test_given_crops_in_any_order_and_twice_then_the_scope_is_the_same() -> None:
    assert scope_of(("rice", "maize", "rice")) == scope_of(("maize", "rice"))


def test_given_no_crop_then_all_are_in_it_and_those_of_the_laboratory_are_known() -> None:
    scope = scope_of()
    assert len(scope.labels) == 47
    assert scope.laboratory_only == ("bell_pepper", "grape", "potato", "tomato")
    assert scope.holds_out and not scope_of(("tomato",)).holds_out


def test_given_redistributable_sources_only_then_crops_without_one_are_left_out_or_refused() -> None:
    assert not {"cotton", "rice"} & set(scope_of(redistributable_only=True).crops)
    with pytest.raises(DataError, match="no source of rice has a known free licence"):
        scope_of(("rice", "chilli"), redistributable_only=True)


def test_given_a_crop_nobody_photographed_then_the_error_names_those_there_are() -> None:
    with pytest.raises(DataError, match="has crop turnip: choose from bell_pepper, blackgram"):
        scope_of(("turnip",))
    result = CliRunner().invoke(main, ["train", "--crop", "turnip", "--out", "x"])
    assert result.exit_code == 2 and "'blackgram'" in result.output


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed here")
def test_given_no_torch_then_the_error_is_the_command_that_installs_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["train", "--crop", "rice", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "torch is not installed" in result.output and "pip install -e '.[models,train]'" in result.output


def test_given_a_label_without_a_photograph_to_train_on_then_it_is_said_before_any_training() -> None:
    scope = scope_of(("rice",))

    def shown(label: str, split: str) -> Record:
        return Record("x.jpg", "rice_aldrin_field", "x", label, "g", split)  # type: ignore[arg-type]

    records = [shown(label, split) for label in scope.labels for split in ("train", "val", "test")]
    require_enough(records, scope)
    with pytest.raises(DataError, match=r"no photograph of rice/blast is in the train split"):
        require_enough([r for r in records if (r.label, r.split) != ("rice/blast", "train")], scope)
    with pytest.raises(DataError, match=r"no photograph of rice is in the val split"):
        require_enough([r for r in records if (r.label == NONE) or r.split != "val"], scope)


def made(manifest: Manifest, source: str, count: int, right: float) -> list[Seen]:
    """Photographs of a source of which about the share `right` is named as it should be."""
    rng = np.random.default_rng(count)
    folders, seen = sorted(BY_NAME[source].classes), []
    named = [i for i, label in enumerate(manifest.labels) if label != NONE]
    for number in range(count):
        folder = folders[number % len(folders)]
        label = BY_NAME[source].label(folder)
        truth = manifest.labels.index(label)
        logits = rng.normal(0, 0.5, len(manifest.labels))
        logits[truth if label == NONE or rng.random() < right else int(rng.choice(named))] += 6
        embedding = rng.normal(1.0 if label == NONE else -1.0, 0.3, EMBEDDING)
        evidence = Evidence(logits, embedding, np.zeros((2, 2, len(manifest.labels)), np.float32))
        seen.append(Seen(Record(f"{number}.jpg", source, folder, label, f"g{number}", "val"), evidence, evidence))
    return seen


@pytest.mark.parametrize(
    ("crop", "source"), [("blackgram", "blackgram_field"), ("tomato", "pv_tomato_lab"), ("cotton", "cotton4_web")]
)
def test_given_no_proxy_and_nothing_to_tell_a_laboratory_by_then_a_whole_manifest_is_fitted(
    crop: str, source: str
) -> None:
    neutral = one_crop(crop)
    val = made(neutral, source, 90, 0.95) + made(neutral, "ood_background", 50, 1.0)

    fitted = fit(neutral, val, [], made(neutral, source, 80, 0.9))

    assert parse_manifest(msgspec.json.encode(fitted)) == fitted
    assert fitted.confidence.elsewhere is None
    laboratory = crop == "tomato"
    assert {c: t.answer for c, t in fitted.decision.crops.items()} == ({crop: CEILING} if laboratory else {})
    said = [decide(fitted, [s.first], crop).confidence for s in val]
    assert np.mean(said[:90]) > np.mean(said[90:]) + 0.4, "strangers are believed less"


def test_given_photographs_of_laboratories_alone_then_refusal_is_measured_at_the_bar_of_those() -> None:
    def said(confidence: float) -> Diagnosis:
        return Diagnosis("answer", "sure", "tomato/healthy", confidence, {}, 1.0)

    record = Record("x.jpg", "pv_tomato_lab", "x", "tomato/healthy", "g", "test")
    known = [Answer(record, said(c), said(c)) for c in np.linspace(0, 1, 11)]
    stranger = Answer(Record("y.jpg", "ood_background", "scene", NONE, "g", "test"), None, said(0.05))
    assert {x.name: x.value for x in refusal_metrics(known, [stranger])} == {KEPT_BAR: 0.1, "refused_at_90_kept": 1.0}
    assert refusal_metrics([], [stranger]) == []


def measured(manifest: Manifest, accuracy: float = 0.97) -> Manifest:
    """The manifest with figures that pass every gate."""
    source = next(d.name for d in manifest.data if d.crop != "none")
    crop = manifest.crops[0]
    metrics = (
        Metric("macro_f1", "in-source", 0.95, 100),
        Metric("ece", "in-source", 0.03, 100),
        Metric("accuracy", "in-source", accuracy, 100, crop, source),
        Metric("refused_at_90_kept", "refusal", 0.99, 80, "", "ood_background"),
    )
    same = Agreement(100, 0.99, 0.0, 0.27, 2.0)
    return msgspec.structs.replace(manifest, metrics=metrics, agreement={"onnx": same, "tflite": same})


def test_given_a_crop_with_no_source_held_out_then_only_its_own_floors_apply_and_all_that_is_judged_is_demanded() -> (
    None
):
    good = measured(one_crop("blackgram"))
    gates = judge(good)
    golden = tuple(map(golden_of, ("onnx", "tflite")))
    assert (*(gate.name for gate in gates), *golden) == demanded(good)
    assert all(gate.passed for gate in gates), gates
    assert UNSEEN not in demanded(good)
    weak = {gate.name: gate for gate in judge(measured(one_crop("blackgram"), accuracy=0.94))}
    assert not weak["accuracy blackgram_field"].passed, "the floor of blackgram is 0.95"


def test_given_a_crop_with_a_source_held_out_then_the_unseen_source_cannot_be_left_unmeasured() -> None:
    maize = measured(one_crop("maize"))
    assert {g.name: g.passed for g in judge(maize)}[UNSEEN] is False
    claimed = msgspec.structs.replace(maize, not_measured=("cross-source",))
    told = {g.name: g for g in judge(claimed)}[UNSEEN]
    assert not told.passed and "corn_plantdoc_field is held out" in told.detail


def test_given_a_crop_of_which_nothing_is_told_then_it_fails_by_its_name() -> None:
    silent = msgspec.structs.replace(measured(one_crop("rice")), labels=scope_of(("rice", "chilli")).labels)
    assert accuracy_of("chilli") in demanded(silent)
    assert {g.name: g.passed for g in judge(silent)}[accuracy_of("chilli")] is False


def test_given_figures_of_what_is_said_to_be_not_measured_then_the_package_contradicts_itself() -> None:
    metrics = (Metric("accuracy", "cross-source", 0.9, 10, "rice", "x"),)
    with pytest.raises(PackageError, match="metrics of cross-source, which is said to be not measured"):
        parse_manifest(msgspec.json.encode(one_crop("rice", metrics=metrics)))


def test_its_card_says_what_was_not_measured_and_which_leaves_it_never_saw(tmp_path: Path) -> None:
    write_card(measured(one_crop("blackgram")), tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    assert "Never measured on a source it was not trained on" in card
    assert "may name a leaf of bell_pepper, chilli" in card
    for absent in ("Maize was trained", "laboratory pictures only", "A source never trained on", "cotton4_web"):
        assert absent not in card
    write_card(measured(one_crop("tomato")), tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    assert "Trained on laboratory pictures only: tomato" in card
    assert "90% of known photographs, of which none is from a field" in card
    assert "painted" not in card
    maize = measured(one_crop("maize"))
    how = maize.quantisation | {"painted": "maize"}
    write_card(msgspec.structs.replace(maize, quantisation=how), tmp_path / "card.md")
    assert "What sick leaves of maize look like was learnt from healthy leaves" in (tmp_path / "card.md").read_text()


def test_weights_remember_what_they_are_of_and_a_mismatch_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: weights not written")
    from pikvani_models import weights

    rice, path = scope_of(("rice",)), tmp_path / "run" / weights.STATE_FILE

    def net(scope: Scope) -> dict[str, object]:
        return {"classifier.bias": torch.zeros(len(scope.labels))}

    weights.save(path, rice, {"net": net(rice)})
    assert weights.load(path)[0] == rice
    assert weights.agreed(None, path) == weights.agreed(rice, path) == rice
    assert weights.agreed(None, tmp_path / "absent.pt") == scope_of()
    with pytest.raises(DataError, match=r"run/state.pt is of crops rice .* would be of crops chilli .* name no --crop"):
        weights.agreed(scope_of(("chilli",)), path)
    torch.save(net(scope_of()), path)
    assert weights.load(path)[0] == scope_of(), "weights of before they remembered are of every crop"
    torch.save(net(rice), path)
    with pytest.raises(DataError, match="holds no weights that say what they are of"):
        weights.load(path)
    strange = Scope(("rice/unheard_of", NONE))
    weights.save(path, strange, {"net": net(strange)})
    with pytest.raises(DataError, match="has other labels for these crops now: train anew"):
        weights.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="holds no weights that say what they are of"):
        weights.load(path)
