"""From weights to an INT8 ONNX file: batch norms folded, ranges found on synthetic clips, agreement measured."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from pikvani_contract.speech.features import BANDS
from pikvani_models.speech.network import SpeechNet

Features = NDArray[np.float32]
_LEAST_PRIOR = 1e-4


@dataclass(frozen=True)
class Exported:
    """What came out.

    Attributes:
        size: bytes of the INT8 file.
        size_fp32: bytes of the FP32 file.
        agreement: share of frames whose best unit is the same in both, on clips not used for the ranges.
        method: for the manifest.
    """

    size: int
    size_fp32: int
    agreement: float
    method: str


def export(net: SpeechNet, clips: Sequence[Features], path: Path) -> Exported:
    """Write `path`, an INT8 (QDQ) model with input `features [1, frames, 40]` and output `log_probs`.

    Args:
        net: trained, in evaluation mode.
        clips: features of at least 40 clips; the first half finds the ranges, the second measures agreement.
        path: of the file to write.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    half = len(clips) // 2
    with tempfile.TemporaryDirectory() as folder:
        plain, ready = Path(folder) / "plain.onnx", Path(folder) / "ready.onnx"
        _export_plain(net, plain)
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(path),
            _Reader(clips[:half]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "Add"],
            extra_options={"CalibMovingAverage": True},
        )
        sessions = [onnxruntime.InferenceSession(str(file)) for file in (plain, path)]
        same = total = 0
        for clip in clips[half:]:
            best = [s.run(None, {"features": clip[None]})[0][0].argmax(-1) for s in sessions]
            same += int((best[0] == best[1]).sum())
            total += len(best[0])
        method = f"QDQ, per channel, ranges by moving average of minimum and maximum over {half} synthetic clips"
        return Exported(path.stat().st_size, plain.stat().st_size, same / total, method)


def without_prior(net: SpeechNet, clips: Sequence[Features], share: float) -> None:
    """Take `share` of the log prior of each unit from the network's outputs, in place.

    CTC networks hear the blank nearly everywhere, and on voices they have not met they fall back on it, so that short
    words win. Dividing posteriors by priors (Bourlard and Morgan 1994, for CTC: Sak et al. 2015) takes that away. It
    is a change of the last bias alone; a constant a frame is added to all units, which ranks no phrase otherwise.

    Args:
        net: trained, in evaluation mode.
        clips: features the prior is counted on.
        share: 0 for nothing to 1 for all of it.
    """
    with torch.no_grad():
        total = torch.zeros(net.leave.out_channels)
        for clip in clips:
            total += net(torch.from_numpy(clip)[None])[0].exp().sum(0)
        net.leave.bias -= share * torch.log(total / total.sum() + _LEAST_PRIOR)


def _export_plain(net: SpeechNet, path: Path) -> None:
    torch.onnx.export(
        net.cpu().eval(),
        (torch.zeros(1, 200, BANDS),),
        str(path),
        input_names=["features"],
        output_names=["log_probs"],
        dynamic_axes={"features": {1: "frames"}, "log_probs": {1: "steps"}},
        opset_version=17,
        dynamo=False,
    )


class _Reader:
    def __init__(self, clips: Sequence[Features]) -> None:
        self._left = iter(clips)

    def get_next(self) -> dict[str, Any] | None:
        clip = next(self._left, None)
        return None if clip is None else {"features": clip[None]}
