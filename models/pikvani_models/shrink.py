"""Shares what a model file holds many times over: zero points of per-channel quantisation, long tensor names.

Nothing is changed in what the model computes. Per-channel INT8 writes a vector of zeros per tensor (8 bytes a channel,
twice, in TFLite); together they are a tenth of the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

WEIGHT_ALIGNMENT = 16  # force_align of Buffer.data in the TFLite schema


def shrink_onnx(path: Path) -> None:
    """Let equal small initialisers of an ONNX file be one, and drop documentation strings."""
    import onnx

    model = onnx.load(str(path))
    kept: dict[tuple[Any, ...], str] = {}
    renamed: dict[str, str] = {}
    initialisers = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        key = (values.dtype.str, values.shape, values.tobytes())
        if key in kept:
            renamed[tensor.name] = kept[key]
        else:
            kept[key] = tensor.name
            initialisers.append(tensor)
    del model.graph.initializer[:]
    model.graph.initializer.extend(initialisers)
    for node in model.graph.node:
        node.doc_string = ""
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
    del model.graph.value_info[:]
    model.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def shrink_tflite(path: Path) -> None:
    """Write a TFLite file anew with short names inside and equal quantisation vectors stored once.

    Names of inputs and outputs stay. FlatBuffers allow several references to one vector; the generated packer
    never makes use of it, so its builder is given a memory here.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    data = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # stored behind the FlatBuffer; bring it inside, where offsets cannot go stale
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs:
        ends = {int(i) for i in (*graph.inputs, *graph.outputs)}
        for i, tensor in enumerate(graph.tensors):
            if i not in ends:
                tensor.name = f"t{i}".encode()
    builder = _sharing_builder(flatbuffers.Builder)(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def _sharing_builder(base: type) -> Any:
    """A FlatBuffers builder class that stores equal numeric vectors once, and aligns weights as the schema asks."""
    known: dict[tuple[str, bytes], int] = {}

    class Sharing(base):  # type: ignore[misc]
        def CreateNumpyVector(self, x: Any) -> int:  # noqa: N802 - FlatBuffers' own name
            if x.dtype == np.uint8:
                return self._aligned(x)
            key = (x.dtype.str, x.tobytes())
            if key not in known:
                known[key] = int(super().CreateNumpyVector(x))
            return known[key]

        def _aligned(self, x: Any) -> int:
            self.StartVector(1, x.size, WEIGHT_ALIGNMENT)
            self.head = self.Head() - x.size
            self.Bytes[self.head : self.head + x.size] = x.tobytes()
            self.vectorNumElems = x.size
            return int(self.EndVector())

    return Sharing
