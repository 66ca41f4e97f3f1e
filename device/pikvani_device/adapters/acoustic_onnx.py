"""The acoustic model of a speech package on onnxruntime, one thread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.hearing import heard
from pikvani_contract.speech.package import SpeechPackage
from pikvani_contract.speech.phones import UNITS
from pikvani_device.errors import RuntimeAdapterError


class OnnxAcousticModel:
    """See `AcousticModel`.

    Raises:
        RuntimeAdapterError: onnxruntime is missing, or will not take the file.
    """

    def __init__(self, package: SpeechPackage) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise RuntimeAdapterError(f"onnxruntime is not installed ({error}): pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(package.model), options, providers=["CPUExecutionProvider"]
            )
            shape = self._session.get_outputs()[0].shape
        except Exception as error:
            raise RuntimeAdapterError(f"{package.model} cannot be run: {error}; fetch the package again") from error
        if shape[-1] != len(UNITS):
            raise RuntimeAdapterError(f"{package.model} gives {shape[-1]} units, not {len(UNITS)}")
        manifest = package.manifest
        self.name = f"{manifest.name}@{manifest.version}"
        self._views, self._front_end = manifest.views, package.front_end

    def log_probs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `AcousticModel.log_probs`."""
        return heard(samples, self._views, self._front_end, self._invoke)

    def _invoke(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            found = self._session.run(None, {"features": features[None]})[0]
        except Exception as error:
            raise RuntimeAdapterError(f"the speech model failed: {error}") from error
        return np.asarray(found[0], np.float32)
