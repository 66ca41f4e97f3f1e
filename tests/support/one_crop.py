"""A leaf package of one crop whose network is real and tiny: the mean colours of each 32-pixel square, and a matrix."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np

from pikvani_contract.model import manifest as m
from pikvani_models.scope import Scope, scope_of

SIZE, EMBEDDING = 64, 4


def one_crop(crop: str, **changes: object) -> m.Manifest:
    """The manifest of a package of one crop; nothing is fitted."""
    scope = scope_of((crop,))
    rows = len(scope.labels) - 1
    everything: dict[str, object] = {
        "schema": m.SCHEMA,
        "name": "leaf",
        "version": "0.1.0",
        "created_at": "2026-01-01T00:00:00Z",
        "files": (m.FileEntry("model.onnx", "0" * 64, 0),),
        "input": m.InputSpec(
            SIZE,
            "NHWC",
            "RGB",
            (127.0,) * 3,
            (128.0,) * 3,
            "area",
            (m.ViewSpec("whole", 1.0, "centre", "always"), m.ViewSpec("closer", 0.7, "map", "unsure")),
        ),
        "outputs": m.Outputs(len(scope.labels), SIZE // 32, EMBEDDING),
        "bindings": (m.Binding("onnx", "model.onnx", "image", "logits", "maps", "embedding"),),
        "labels": scope.labels,
        "confidence": m.Confidence(1.0, {}, m.Linear((1.0, 0.1, 0.1), 0.0), m.Linear((1.0, 0.1, 0.1), 0.0), {}),
        "refusal": m.Refusal(
            m.Linear((-0.5, 0.1, -0.1, -0.1), 1.0), ((0.0,) * EMBEDDING,) * rows, (1.0,) * EMBEDDING, 0.5
        ),
        "decision": m.Decision(0.1, m.Thresholds(0.7, 0.4), {}, 0.9, 6, 0.5),
        "reference": m.ReferenceSketch(1, (0.0,) * EMBEDDING, (1.0,) * EMBEDDING, (0.1,) * 10, {}),
        "requires": m.Requires({"onnxruntime": ">=1.20"}, "0.1.0"),
        "data": _data(scope),
        "metrics": (),
        "agreement": {},
        "quantisation": {},
        "laboratory_only": scope.laboratory_only,
        "not_measured": () if scope.holds_out else ("cross-source",),
    }
    return m.Manifest(**(everything | changes))  # type: ignore[arg-type]


def write_one_crop_package(folder: Path, crop: str) -> Path:
    """Write the package with its network, as ONNX."""
    folder.mkdir(parents=True)
    classes = len(scope_of((crop,)).labels)
    content = _network(classes)
    (folder / "model.onnx").write_bytes(content)
    entry = m.FileEntry("model.onnx", hashlib.sha256(content).hexdigest(), len(content))
    (folder / m.MANIFEST_FILE).write_bytes(msgspec.json.encode(one_crop(crop, files=(entry,))))
    return folder


def _data(scope: Scope) -> tuple[m.DataSource, ...]:
    return tuple(m.DataSource(s.name, s.crop, s.kind, s.licence, 1, s.redistributable) for s in scope.sources)


def _network(classes: int) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    rng = np.random.default_rng(1)

    def matrix(name: str, columns: int) -> object:
        return numpy_helper.from_array(rng.normal(0, 3, (3, columns)).astype(np.float32), name)

    side = SIZE // 32
    nodes = [
        helper.make_node("Transpose", ["image"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["channels"], ["pooled"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Transpose", ["pooled"], ["squares"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["squares", "named"], ["maps"]),
        helper.make_node("ReduceMean", ["maps"], ["logits"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceMean", ["squares"], ["colour"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["colour", "placed"], ["embedding"]),
    ]
    kind = TensorProto.FLOAT
    outputs = {"logits": [1, classes], "maps": [1, side, side, classes], "embedding": [1, EMBEDDING]}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", kind, [1, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [matrix("named", classes), matrix("placed", EMBEDDING)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())
