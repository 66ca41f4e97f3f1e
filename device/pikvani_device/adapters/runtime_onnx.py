"""The model on onnxruntime: x86 and Jetson, on the execution providers that were asked for and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pikvani_contract.model.manifest import Binding
from pikvani_device.errors import RuntimeAdapterError


def session_options(threads: int) -> ort.SessionOptions:
    """Options for a small board: as many threads as allowed, none of them spinning while it waits."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


class OnnxRuntime:
    """A `Runtime` over onnxruntime.

    Args:
        model_path: the `.onnx` file.
        binding: names of its tensors, from the manifest.
        threads: for one inference.
        providers: execution providers in order of preference; all must be present.

    Raises:
        RuntimeAdapterError: a provider is absent, the file does not load, or a tensor is not in it.
    """

    def __init__(
        self,
        model_path: Path,
        binding: Binding,
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        present = ort.get_available_providers()
        absent = [p for p in providers if p not in present]
        if absent:
            raise RuntimeAdapterError(
                f"runtime onnx: {', '.join(absent)} is not in this onnxruntime, which has "
                f"{', '.join(present)}; change runtime.providers or install the onnxruntime that has it"
            )
        try:
            self._session: ort.InferenceSession | None = ort.InferenceSession(
                str(model_path), session_options(threads), providers=list(providers)
            )
        except Exception as error:  # onnxruntime raises a dozen classes of its own
            raise RuntimeAdapterError(
                f"runtime onnx: {model_path} does not load ({_first_line(error)}); install the model package again"
            ) from None
        self._input = binding.input
        self._outputs = {"logits": binding.logits, "maps": binding.maps, "embedding": binding.embedding}
        inside = {t.name for t in (*self._session.get_inputs(), *self._session.get_outputs())}
        missing = {self._input, *self._outputs.values()} - inside
        if missing:
            raise RuntimeAdapterError(
                f"runtime onnx: {model_path} has no tensor {', '.join(sorted(missing))}, which its manifest "
                "names; install the model package again"
            )
        self._name: str = "onnx/" + self._session.get_providers()[0].removesuffix("ExecutionProvider")

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        return self._name

    def invoke(self, view: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """See `Runtime.invoke`."""
        if self._session is None:
            raise RuntimeAdapterError("runtime onnx was closed; build it again")
        try:
            results = self._session.run(list(self._outputs.values()), {self._input: view})
        except Exception as error:
            raise RuntimeAdapterError(
                f"runtime onnx failed on an input of {view.shape} {view.dtype}: {_first_line(error)}"
            ) from None
        return {name: np.asarray(r, np.float32) for name, r in zip(self._outputs, results, strict=True)}

    def close(self) -> None:
        """See `Runtime.close`."""
        self._session = None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
