"""The package this project ships can be read, runs alike on both runtimes, and passes its golden cases."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from pikvani_contract.model import Package, gates, load_package
from pikvani_contract.model.gates import demanded
from pikvani_contract.model.golden import check_golden
from pikvani_contract.model.posterior import Evidence
from pikvani_models.card import write_card
from pikvani_models.cli import main
from pikvani_models.measuring import Seen, case_metrics
from pikvani_models.records import Record
from pikvani_models.runners import onnx_invoke, tflite_invoke
from pikvani_models.scope import scope_of
from pikvani_models.validation import judge, validate

FOLDER = Path(__file__).parents[2] / "models" / "packages" / "leaf"


@pytest.fixture(scope="module")
def package() -> Package:
    return load_package(FOLDER)


def test_its_labels_are_the_registry_s(package: Package) -> None:
    scope = scope_of()
    assert package.manifest.labels == scope.labels
    assert package.manifest.laboratory_only == scope.laboratory_only
    assert [d.name for d in package.manifest.data] == [source.name for source in scope.sources]


def test_its_golden_cases_pass_in_onnxruntime(package: Package) -> None:
    invoke = onnx_invoke(package.model_path("onnx"), package.manifest.binding("onnx"))
    assert all(result.passed for result in check_golden(package, invoke))


def test_its_golden_cases_pass_in_litert(package: Package) -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed: TFLite golden cases not run")
    invoke = tflite_invoke(package.model_path("tflite"), package.manifest.binding("tflite"))
    assert all(result.passed for result in check_golden(package, invoke))


def test_given_three_photographs_of_which_one_misleads_then_the_fused_case_is_right(package: Package) -> None:
    manifest, record = package.manifest, Record("x.jpg", "rice_aldrin_field", "blast", "rice/blast", "g", "test")

    def seen(label: str, height: float) -> Seen:
        logits = np.zeros(len(manifest.labels))
        logits[manifest.labels.index(label)] = height
        centre = np.array(manifest.refusal.centres[manifest.labels.index(label)])
        evidence = Evidence(logits, centre, np.zeros((1, 1, len(manifest.labels)), np.float32))
        return Seen(record, evidence, evidence)

    photographs = [seen("rice/blast", 6.0), seen("rice/brown_spot", 5.0), seen("rice/blast", 6.0)]
    by_name = {m.name: m for m in case_metrics(manifest, photographs, "in-source", 3)}
    assert (by_name["accuracy"].value, by_name["accuracy"].count) == (1.0, 1)
    singly = {m.name: m for m in case_metrics(manifest, photographs, "in-source", 1)}
    assert singly["accuracy"].value == pytest.approx(2 / 3, abs=1e-3)
    assert case_metrics(manifest, photographs, "in-source", 4) == []


def test_its_manifest_and_card_are_what_would_be_written_of_it_today(package: Package, tmp_path: Path) -> None:
    lines = msgspec.json.format(msgspec.json.encode(package.manifest), indent=1) + b"\n"
    assert lines == (FOLDER / "manifest.json").read_bytes()
    write_card(package.manifest, tmp_path / "card.md")
    assert (tmp_path / "card.md").read_bytes() == (FOLDER / "MODEL_CARD.md").read_bytes()


def test_its_card_says_what_is_laboratory_only(package: Package) -> None:
    card = (FOLDER / "MODEL_CARD.md").read_text()
    assert "Trained on laboratory pictures only" in card
    assert all(crop in card for crop in package.manifest.laboratory_only)


def test_it_is_small_enough_for_a_village_link(package: Package) -> None:
    assert all(entry.size < 10_000_000 for entry in package.manifest.files)


def test_drawn_leaves_can_be_evaluated_from_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cotton" / "healthy"
    folder.mkdir(parents=True)
    (folder / "drawn.png").write_bytes((FOLDER / "golden" / "drawn_1.png").read_bytes())
    arguments = ["evaluate", "--folder", str(tmp_path), "--protocol", "cross-source", "--package", str(FOLDER)]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["photographs"] == 1


def test_an_empty_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    arguments = ["evaluate", "--folder", str(tmp_path), "--protocol", "refusal", "--package", str(FOLDER)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "holds no photograph" in result.output


def test_the_gates_that_are_judged_are_those_a_stamp_must_name_and_it_passes_them(package: Package) -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed: TFLite golden cases not run")
    judged = validate(FOLDER)
    assert tuple(gate.name for gate in judged) == demanded(package.manifest)
    assert all(gate.passed for gate in judged), [gate for gate in judged if not gate.passed]


@pytest.mark.parametrize(
    ("name", "worse", "gate"),
    [("accuracy", 0.55, gates.UNSEEN), ("ece", 0.16, gates.calibration_of(gates.UNSEEN_PROTOCOL))],
)
def test_given_an_unseen_source_is_known_much_worse_than_before_then_a_gate_stops_it(
    package: Package, name: str, worse: float, gate: str
) -> None:
    metrics = tuple(
        msgspec.structs.replace(x, value=worse) if (x.name, x.protocol) == (name, gates.UNSEEN_PROTOCOL) else x
        for x in package.manifest.metrics
    )
    failed = [g.name for g in judge(msgspec.structs.replace(package.manifest, metrics=metrics)) if not g.passed]
    assert failed == [gate]


def test_a_folder_that_is_no_package_cannot_be_validated(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["validate", str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no manifest.json" in result.output
