"""A package is read only if it is exactly what its manifest says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pikvani_contract.model import PackageError, load_package


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_given_a_whole_package_then_it_loads_and_names_its_crops(package_folder: Path) -> None:
    package = load_package(package_folder)
    assert package.manifest.crops == ("cotton", "maize")
    assert package.model_path("onnx") == package_folder / "model.onnx"


def test_given_no_manifest_then_the_error_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"holds no manifest\.json"):
        load_package(tmp_path)


def test_given_a_changed_model_file_then_its_hash_is_refused(package_folder: Path) -> None:
    path = package_folder / "model.onnx"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(PackageError, match="differs from its hash"):
        load_package(package_folder)


def test_given_a_truncated_model_file_then_its_size_is_refused(package_folder: Path) -> None:
    (package_folder / "model.onnx").write_bytes(b"short")
    with pytest.raises(PackageError, match="has 5 bytes"):
        load_package(package_folder)


def test_given_a_missing_file_then_the_error_says_which(package_folder: Path) -> None:
    (package_folder / "model.onnx").unlink()
    with pytest.raises(PackageError, match=r"model\.onnx is listed"):
        load_package(package_folder)


_ELSEWHERE = {
    "crops": ["maize"],
    "likeness_weights": [1.0, 0.0, 0.0],
    "likeness_bias": 0.0,
    "below": 0.5,
    "known": {"weights": [0.2], "bias": -0.5},
    "open": {"weights": [0.2], "bias": -1.5},
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schema=2), "schema 2, this software reads 1"),
        (lambda d: d.pop("schema"), "schema none"),
        (lambda d: d.update(surprise=1), "does not validate"),
        (lambda d: d["labels"].pop(), "outputs.classes is 4, but there are 3 labels"),
        (lambda d: d["labels"].__setitem__(0, d["labels"][1]), "labels repeat"),
        (lambda d: d["input"].update(size=96), "does not fit input.size"),
        (lambda d: d["refusal"]["centres"].pop(), "centres has 2 rows for 3 labels"),
        (lambda d: d["bindings"][0].update(file="other.onnx"), "name other.onnx"),
        (lambda d: d["files"][0].update(path="a/../../etc"), "leaves the package"),
        (lambda d: d["decision"]["crops"].update(soybean={"answer": 0.5, "more": 0.1}), "unknown crops"),
        (lambda d: d["decision"]["overall"].update(more=0.9), "more is above answer"),
        (lambda d: d["confidence"]["known"]["weights"].pop(), "has 2 weights, not 3"),
        (lambda d: d["confidence"].update(elsewhere=_ELSEWHERE | {"crops": ["soybean"]}), "unknown crops"),
        (lambda d: d["confidence"].update(elsewhere=_ELSEWHERE | {"likeness_weights": [1.0]}), "vectors of lengths"),
        (
            lambda d: d["decision"].update(repeats={"alike": 0.9, "apart": 0.9, "exponent": 1.0}),
            "repeats.apart 0.9 is not above decision.repeats.alike 0.9",
        ),
        (
            lambda d: d["confidence"].update(elsewhere=_ELSEWHERE | {"known": {"weights": [1.0, 2.0], "bias": 0.0}}),
            "elsewhere has 2 weights, not 1",
        ),
    ],
)
def test_given_a_manifest_that_does_not_fit_then_the_error_says_what(
    package_folder: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    edit(package_folder, change)
    with pytest.raises(PackageError, match=words):
        load_package(package_folder)


def test_given_a_runtime_the_package_has_no_file_for_then_the_error_lists_those_it_has(package_folder: Path) -> None:
    with pytest.raises(PackageError, match="it has onnx"):
        load_package(package_folder).model_path("tflite")


def test_given_bytes_that_are_no_json_then_they_are_refused(package_folder: Path) -> None:
    (package_folder / "manifest.json").write_bytes(b"\x00\xff")
    with pytest.raises(PackageError, match="does not validate"):
        load_package(package_folder)
