"""A small real package on disk: two crops, four labels, files with true hashes, no model behind them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from pikvani_contract.model import manifest as m

LABELS = ("cotton/healthy", "cotton/leaf_curl_virus", "maize/common_rust", "none/background")


def small_manifest(entries: tuple[m.FileEntry, ...]) -> m.Manifest:
    linear = m.Linear((1.0, 0.3, 0.2), 0.0)
    views = (
        m.ViewSpec("whole", 1.0, "centre", "always"),
        m.ViewSpec("closer", 0.5, "map", "unsure"),
    )
    return m.Manifest(
        schema=1,
        name="leaf",
        version="0.0.1",
        created_at="2026-11-23T10:00:00Z",
        files=entries,
        input=m.InputSpec(64, "NHWC", "RGB", (127.0,) * 3, (128.0,) * 3, "area", views),
        outputs=m.Outputs(4, 2, 3),
        bindings=(m.Binding("onnx", "model.onnx", "image", "logits", "maps", "embedding"),),
        labels=LABELS,
        confidence=m.Confidence(1.0, {}, linear, linear, {}),
        refusal=m.Refusal(m.Linear((-1.0, 0.0, 0.0, -0.1), 1.0), ((0.0, 0.0, 0.0),) * 3, (1.0,) * 3, 0.5),
        decision=m.Decision(0.1, m.Thresholds(0.7, 0.4), {}, 0.8, 6, 0.5),
        reference=m.ReferenceSketch(1, (0.0,) * 3, (1.0,) * 3, (0.1,) * 10, {}),
        requires=m.Requires({"onnxruntime": ">=1.20"}, "0.1.0"),
        data=(),
        metrics=(),
        agreement={},
        quantisation={},
    )


@pytest.fixture
def package_folder(tmp_path: Path) -> Path:
    model = b"not a network, but bytes with a hash"
    (tmp_path / "model.onnx").write_bytes(model)
    entry = m.FileEntry("model.onnx", hashlib.sha256(model).hexdigest(), len(model))
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(small_manifest((entry,))))
    return tmp_path


@pytest.fixture
def manifest(package_folder: Path) -> m.Manifest:
    return m.load_package(package_folder).manifest
