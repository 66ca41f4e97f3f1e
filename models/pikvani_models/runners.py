"""A model file as an `invoke` function, for measuring. The device has adapters of its own behind its `Runtime` port."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.inference import Invoke
from pikvani_contract.model.manifest import Binding

OUTPUTS = ("logits", "maps", "embedding")


def onnx_invoke(path: Path, binding: Binding | None = None, threads: int = 1) -> Invoke:
    """An ONNX file through onnxruntime's CPU provider."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [getattr(binding, name) for name in OUTPUTS] if binding else list(OUTPUTS)
    given = session.get_inputs()[0].name

    def invoke(view: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        return dict(zip(OUTPUTS, session.run(names, {given: view}), strict=True))

    return invoke


def tflite_invoke(path: Path, binding: Binding, interpreter: type | None = None, threads: int = 1) -> Invoke:
    """A TFLite file through `ai_edge_litert` (or another class with the same interface)."""
    if interpreter is None:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter
    engine: Any = interpreter(model_path=str(path), num_threads=threads)
    engine.allocate_tensors()
    source = engine.get_input_details()[0]
    details = {d["name"]: d for d in engine.get_output_details()}
    wanted = {name: details[getattr(binding, name)] for name in OUTPUTS}

    def invoke(view: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        engine.set_tensor(source["index"], quantise(view, source))
        engine.invoke()
        return {name: dequantise(engine.get_tensor(d["index"]), d) for name, d in wanted.items()}

    return invoke


def quantise(view: NDArray[np.float32], detail: Mapping[str, Any]) -> NDArray[Any]:
    """Floats to what an input tensor takes: `round(x / scale) + zero_point`, or unchanged where it takes floats."""
    if detail["dtype"] == np.float32:
        return view
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.round(view / scale) + zero, limits.min, limits.max).astype(detail["dtype"])


def dequantise(values: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[np.float32]:
    """What an output tensor gave, as floats."""
    if values.dtype == np.float32:
        return values
    scale, zero = detail["quantization"]
    return ((values.astype(np.float32) - zero) * scale).astype(np.float32)
