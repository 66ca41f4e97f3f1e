"""A model package of a few bytes that fits its manifest, for whatever needs a package and no network."""

import hashlib
import itertools
from pathlib import Path

import msgspec
import pytest

from pikvani_contract.model import manifest as m

LABELS = ("cotton/healthy", "cotton/leaf_curl_virus", "maize/common_rust", "maize/healthy", "none/background")
EMBEDDING = 4


def sample_manifest(files: tuple[m.FileEntry, ...], **changes: object) -> m.Manifest:
    everything: dict[str, object] = {
        "schema": m.SCHEMA,
        "name": "sample",
        "version": "1.2.3",
        "created_at": "2026-01-01T00:00:00Z",
        "files": files,
        "input": m.InputSpec(
            size=64,
            layout="NHWC",
            colour="RGB",
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
            resize="area",
            views=(
                m.ViewSpec("whole", 1.0, "centre", "always"),
                m.ViewSpec("closer", 0.6, "map", "unsure"),
            ),
        ),
        "outputs": m.Outputs(classes=len(LABELS), side=2, embedding=EMBEDDING),
        "bindings": (m.Binding("onnx", "model.onnx", "x", "logits", "maps", "embedding"),),
        "labels": LABELS,
        "confidence": m.Confidence(1.0, {}, m.Linear((1.0, 0.1, 0.1), 0.0), m.Linear((1.0, 0.1, 0.1), 0.0), {}),
        "refusal": m.Refusal(
            m.Linear((-0.5, 0.1, -0.1, -0.1), 1.0), ((0.0,) * EMBEDDING,) * 4, (1.0,) * EMBEDDING, 0.5
        ),
        "decision": m.Decision(0.1, m.Thresholds(0.7, 0.4), {}, 0.9, 6, 0.5),
        "reference": m.ReferenceSketch(1, (0.0,) * EMBEDDING, (1.0,) * EMBEDDING, (0.1,) * 10, {}),
        "requires": m.Requires({"onnx": "1.20"}, "0.1.0"),
        "data": (),
        "metrics": (),
        "agreement": {},
        "quantisation": {},
    }
    return m.Manifest(**(everything | changes))


def write_sample_package(
    folder: Path, extra_files: int = 0, model: bytes = b"not a network", **changes: object
) -> Path:
    """Write a package whose model files are no networks: the fake runtime does not open them."""
    folder.mkdir(parents=True)
    files: tuple[m.FileEntry, ...] = ()
    for name in ("model.onnx", *(f"golden/case{k}.png" for k in range(extra_files))):
        content = model if name == "model.onnx" else b"not a network"
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        files += (m.FileEntry(name, hashlib.sha256(content).hexdigest(), len(content)),)
    manifest = sample_manifest(files, **changes)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


@pytest.fixture
def write_package(tmp_path: Path):
    number = itertools.count()
    return lambda **changes: write_sample_package(tmp_path / f"package-{next(number)}", **changes)


@pytest.fixture
def sample_package(tmp_path: Path) -> Path:
    return write_sample_package(tmp_path / "package")


@pytest.fixture
def drawn_leaf(tmp_path: Path) -> Path:
    from pikvani_device.drawn_leaves import write_drawn_leaves

    return write_drawn_leaves(tmp_path / "drawn", 1)[0]
