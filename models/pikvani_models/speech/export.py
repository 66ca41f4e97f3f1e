"""From weights to an INT8 ONNX file, and how far it agrees with them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from pikvani_contract.speech.whisper import BANDS
from pikvani_models.speech.network import SpeechNet

Features = NDArray[np.float32]
_LEAST_PRIOR = 1e-4


@dataclass(frozen=True)
class Exported:
    """What came out.

    Attributes:
        size: bytes of the INT8 file.
        size_fp32: bytes of the FP32 file.
        agreement: share of frames whose best unit is the same in both.
        method: for the manifest.
    """

    size: int
    size_fp32: int
    agreement: float
    method: str


def export(net: SpeechNet, clips: Sequence[Features], path: Path) -> Exported:
    """Write `path`, an INT8 model with input `features [1, frames, 80]` and output `log_probs`.

    Weights are INT8 a column; what goes into a product of matrices is quantised as it comes, by its own range,
    since a layer's values differ by clip more than INT8 has steps for.

    Args:
        net: trained, in evaluation mode.
        clips: features of clips on which agreement is measured.
        path: of the file to write.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        plain, ready = Path(folder) / "plain.onnx", Path(folder) / "ready.onnx"
        _export_plain(net, plain)
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_dynamic(ready, path, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
        sessions = [onnxruntime.InferenceSession(str(file)) for file in (plain, path)]
        same = total = 0
        for clip in clips:
            best = [s.run(None, {"features": clip[None]})[0][0].argmax(-1) for s in sessions]
            same += int((best[0] == best[1]).sum())
            total += len(best[0])
        method = "weights INT8 a column, activations by their range at run time"
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
        total = torch.zeros(net.leave.out_features)
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
