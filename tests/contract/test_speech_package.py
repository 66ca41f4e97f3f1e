"""A speech package that was changed, cut or made for other software is refused with a reason."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.speech.features import BANDS, DOUBT_FRAMES, HOP, SAMPLE_RATE_HZ, WINDOW
from pikvani_contract.speech.package import load_speech_package
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
        "features": {
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "bands": BANDS,
            "window": WINDOW,
            "hop": HOP,
            "stride": 2,
            "doubt_frames": DOUBT_FRAMES,
        },
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
    ],
)
def test_given_a_package_that_does_not_fit_then_the_reason_is_said(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PackageError, match=reason):
        load_speech_package(write(tmp_path, **changes))


def test_given_no_package_then_the_error_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="give the folder"):
        load_speech_package(tmp_path)
