"""A speech package that was changed, cut or made for other software is refused with a reason."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.speech import features, whisper
from pikvani_contract.speech.package import LEVELLED, WHISPER, FeatureSpec, FrontEnd, load_speech_package
from pikvani_contract.speech.phones import UNITS

MODEL = b"a network"


def write(folder: Path, **changes: Any) -> Path:
    manifest: dict[str, Any] = {
        "schema": 1,
        "name": "speech",
        "version": "1.0.0",
        "created": "2026-11-23T00:00:00Z",
        "languages": ["hi", "mr"],
        "units": list(UNITS),
        "features": msgspec.to_builtins(WHISPER),
        "rejection": {"scale": 1.0, "offset": 2.0, "accept": 0.5},
        "files": [{"path": "model.onnx", "sha256": hashlib.sha256(MODEL).hexdigest(), "size": len(MODEL)}],
        "corpora": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    (folder / "model.onnx").write_bytes(MODEL)
    return folder


def test_given_a_whole_package_then_it_loads(tmp_path: Path) -> None:
    package = load_speech_package(write(tmp_path))
    assert package.model.read_bytes() == MODEL and package.manifest.languages == ("hi", "mr")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"units": ["<blank>", "a"]}, "units"),
        ({"schema": 2}, "schema"),
        ({"files": []}, "model.onnx once"),
        ({"files": [{"path": "model.onnx", "sha256": "0" * 64, "size": len(MODEL)}]}, "differs from its hash"),
        ({"files": [{"path": "model.onnx", "sha256": "0" * 64, "size": 3}]}, "size"),
        ({"surprise": 1}, "surprise"),
        ({"rejection": {"scale": 1.0, "offset": 0.0, "accept": 1.5}}, "accept"),
        ({"features": msgspec.to_builtins(WHISPER) | {"bands": 64}}, "features are not this software's"),
    ],
)
def test_given_a_package_that_does_not_fit_then_the_reason_is_said(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PackageError, match=reason):
        load_speech_package(write(tmp_path, **changes))


@pytest.mark.parametrize(("spec", "front_end"), [(LEVELLED, features.log_mel), (WHISPER, whisper.log_mel)])
def test_given_a_package_then_it_hears_by_the_front_end_it_names(
    tmp_path: Path, spec: FeatureSpec, front_end: FrontEnd
) -> None:
    package = load_speech_package(write(tmp_path, features=msgspec.to_builtins(spec)))
    clip = np.sin(np.arange(4_000)).astype(np.float32)
    found = package.front_end(clip, 1.0)
    assert found.shape[1] == spec.bands and np.array_equal(found, front_end(clip, 1.0))


def test_given_no_package_then_the_error_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="give the folder"):
        load_speech_package(tmp_path)
