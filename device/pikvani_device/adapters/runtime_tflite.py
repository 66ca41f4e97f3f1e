"""The model on a TFLite interpreter: `ai-edge-litert`, or its forerunner `tflite-runtime` on older boards."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import Binding
from pikvani_device.errors import RuntimeAdapterError

_MODULES = {"litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
_PACKAGES = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}


class TfliteRuntime:
    """A `Runtime` over a TFLite interpreter.

    Args:
        model_path: the `.tflite` file.
        binding: names of its tensors, from the manifest.
        threads: for one inference.
        interpreter: `litert` or `tflite-runtime`.

    Raises:
        RuntimeAdapterError: the library is missing or does not work here, the file does not load, or a tensor is not
            in it.
    """

    def __init__(self, model_path: Path, binding: Binding, threads: int = 1, interpreter: str = "litert") -> None:
        self._name = f"tflite/{interpreter}"
        module = _MODULES.get(interpreter)
        if module is None:
            raise RuntimeAdapterError(
                f"runtime.interpreter {interpreter!r} is unknown; take one of {', '.join(_MODULES)}"
            )
        try:
            with _without_numpys_traceback():
                build = importlib.import_module(module).Interpreter
        except (ImportError, AttributeError) as error:
            raise RuntimeAdapterError(
                f"runtime tflite: {interpreter} is chosen and cannot be imported ({error}): "
                f"pip install {_PACKAGES[interpreter]}, or change runtime.interpreter"
            ) from None
        try:
            data = model_path.read_bytes()
        except OSError as error:
            raise RuntimeAdapterError(f"runtime tflite: {model_path} cannot be read ({error.strerror})") from None
        try:
            with _without_numpys_traceback():
                self._interpreter: Any = build(model_content=data, num_threads=threads)
            self._interpreter.allocate_tensors()
        except SystemError:
            # tflite_runtime was built against numpy 1 and fails only here, not at import.
            raise RuntimeAdapterError(
                f"runtime tflite: {interpreter} does not work with numpy {np.__version__}: "
                "pip install 'numpy<2', or set runtime.interpreter to litert"
            ) from None
        except Exception as error:
            raise RuntimeAdapterError(
                f"runtime tflite: {model_path} does not load ({str(error)[:200]}); install the model package again"
            ) from None
        names = {"logits": binding.logits, "maps": binding.maps, "embedding": binding.embedding}
        inputs = {details["name"]: details for details in self._interpreter.get_input_details()}
        outputs = {details["name"]: details for details in self._interpreter.get_output_details()}
        missing = ({binding.input} - inputs.keys()) | (set(names.values()) - outputs.keys())
        if missing:
            raise RuntimeAdapterError(
                f"runtime tflite: {model_path} has no tensor {', '.join(sorted(missing))}, which its manifest "
                "names; install the model package again"
            )
        self._input = inputs[binding.input]
        self._outputs = {role: outputs[tensor] for role, tensor in names.items()}

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        return self._name

    def invoke(self, view: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """See `Runtime.invoke`."""
        if self._interpreter is None:
            raise RuntimeAdapterError("runtime tflite was closed; build it again")
        try:
            self._interpreter.set_tensor(self._input["index"], _quantise(view, self._input))
            self._interpreter.invoke()
            return {n: _dequantise(self._interpreter.get_tensor(d["index"]), d) for n, d in self._outputs.items()}
        except (ValueError, RuntimeError) as error:
            raise RuntimeAdapterError(
                f"{self._name} failed on an input of {view.shape} {view.dtype}: {str(error)[:200]}"
            ) from None

    def close(self) -> None:
        """See `Runtime.close`."""
        self._interpreter = None


def _without_numpys_traceback() -> contextlib.AbstractContextManager[object]:
    """Keep from stderr what numpy 2 prints when a library of numpy 1 is loaded; our own error says it in a line."""
    return contextlib.redirect_stderr(io.StringIO())


def _quantise(values: NDArray[np.float32], details: Mapping[str, Any]) -> NDArray[Any]:
    scale, zero_point = details["quantization"]
    if scale == 0:
        return values.astype(details["dtype"], copy=False)
    limits = np.iinfo(details["dtype"])
    steps = np.rint(values * np.float32(1 / scale)) + zero_point
    quantised: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(details["dtype"])
    return quantised


def _dequantise(values: NDArray[Any], details: Mapping[str, Any]) -> NDArray[np.float32]:
    scale, zero_point = details["quantization"]
    if scale == 0:
        return values.astype(np.float32, copy=False)
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
