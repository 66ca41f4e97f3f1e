"""The acoustic model of a speech package on onnxruntime, one thread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.features import SAMPLE_RATE_HZ, log_mel
from pikvani_contract.speech.package import SpeechPackage
from pikvani_contract.speech.phones import UNITS
from pikvani_device.errors import RuntimeAdapterError

_EDGE_S = 0.2
_FAINT = 1e-3


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
        faint = np.random.default_rng(0).standard_normal(int(_EDGE_S * SAMPLE_RATE_HZ)).astype(np.float32)
        self._faint = faint * _FAINT

    def log_probs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `AcousticModel.log_probs`."""
        # A tightly cut clip gets context: faint noise, since exact zeros are no room anybody spoke in.
        faint = self._faint * float(np.abs(samples).max(initial=1e-3))
        features = log_mel(np.concatenate([faint, samples, faint[::-1]]))
        try:
            found = self._session.run(None, {"features": features[None]})[0]
        except Exception as error:
            raise RuntimeAdapterError(f"the speech model failed: {error}") from error
        return np.asarray(found[0], np.float32)
