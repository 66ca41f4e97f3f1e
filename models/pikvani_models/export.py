"""Trained weights to `model.onnx` and `model.tflite`, both INT8, both taking NHWC floats or their own integers.

Static quantisation from real photographs: per-channel weights, per-tensor activations. What came of it is judged
in `validation.py`; nothing here decides whether it is good enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pikvani_contract.model.manifest import Binding
from pikvani_models.network import LeafNet
from pikvani_models.pair import PairedNet
from pikvani_models.runners import OUTPUTS, onnx_invoke, tflite_invoke
from pikvani_models.shrink import shrink_onnx, shrink_tflite


class _ChannelsLast(nn.Module):
    """The network as the package promises it: input `[1, size, size, 3]`."""

    def __init__(self, net: LeafNet | PairedNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, maps, embedding = self.net(x.permute(0, 3, 1, 2))
        return logits, maps, embedding


def to_onnx(net: LeafNet | PairedNet, size: int, path: Path) -> None:
    """Write the FP32 graph, batch norms folded by the exporter."""
    module = _ChannelsLast(net).eval()
    torch.onnx.export(
        module,
        (torch.zeros(1, size, size, 3),),
        str(path),
        input_names=["image"],
        output_names=list(OUTPUTS),
        opset_version=17,
        dynamo=False,
    )


def quantise_onnx(source: Path, target: Path, views: Sequence[NDArray[np.float32]], ranges: str) -> None:
    """QDQ INT8 of an FP32 graph: Conv, Add and Gemm; means and where to lend stay in float (they are tiny).

    `ranges` is how activation ranges are found: "minmax" or "percentile" (99.99%).
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left: Iterator[NDArray[np.float32]] = iter(views)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            view = next(self.left, None)
            return None if view is None else {"image": view}

    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "Add", "Clip", "Gemm"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        calibrate_method=CalibrationMethod.MinMax if ranges == "minmax" else CalibrationMethod.Percentile,
        extra_options={} if ranges == "minmax" else {"CalibPercentile": 99.99},
    )
    prepared.unlink()
    shrink_onnx(target)


def best_onnx(
    source: Path, target: Path, fit: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]
) -> str:
    """Quantise in each way and keep the one whose logits are nearest to FP32's on other views; returns its name."""
    exact = onnx_invoke(source, threads=2)
    wanted = [exact(view)["logits"] for view in other]
    distances = {}
    for ranges in ("minmax", "percentile"):
        trial = target.with_suffix(f".{ranges}.onnx")
        quantise_onnx(source, trial, fit, ranges)
        invoke = onnx_invoke(trial, threads=2)
        gaps = [((invoke(view)["logits"] - w) ** 2).mean() for view, w in zip(other, wanted, strict=True)]
        distances[ranges] = float(np.mean(gaps))
    best = min(distances, key=lambda name: distances[name])
    for ranges in distances:
        trial = target.with_suffix(f".{ranges}.onnx")
        if ranges == best:
            trial.replace(target)
        else:
            trial.unlink()
    return best


def to_tflite(
    net: LeafNet | PairedNet,
    size: int,
    path: Path,
    fit: Sequence[NDArray[np.float32]],
    other: Sequence[NDArray[np.float32]],
) -> Binding:
    """Write the INT8 TFLite file and return the names of its tensors.

    Ranges are the extremes over views, not the quantiser's moving average, which cuts off what few views show. They
    widen with every view, so few may serve better than many: three calibration sets are tried and the one whose logits
    are nearest to FP32's on `other` views is kept.

    Needs `litert-torch` and `ai-edge-quantizer` (docs: beside torch, not in the locks).
    """
    import litert_torch
    from ai_edge_quantizer import quantizer, recipe

    module = _ChannelsLast(net).eval()
    float_path = path.with_suffix(".float.tflite")
    litert_torch.convert(module, (torch.zeros(1, size, size, 3),)).export(str(float_path))
    signature, key = _signature(float_path)
    exact = tflite_invoke(float_path, tflite_binding(float_path, net), threads=2)
    wanted = [exact(view)["logits"] for view in other]
    least = float("inf")
    trial = path.with_suffix(".trial.tflite")
    work = quantizer.Quantizer(str(float_path), recipe.static_wi8_ai8())
    seen = [work.calibrate({signature: [{key: view}]}) for view in fit]
    for step in (1, 4, 12):
        work = quantizer.Quantizer(str(float_path), recipe.static_wi8_ai8())
        work.quantize(extremes(seen[::step])).export_model(str(trial), overwrite=True)
        invoke = tflite_invoke(trial, tflite_binding(trial, net), threads=2)
        gaps = [((invoke(v)["logits"] - w) ** 2).mean() for v, w in zip(other, wanted, strict=True)]
        if float(np.mean(gaps)) < least:
            least = float(np.mean(gaps))
            trial.replace(path)
    float_path.unlink()
    trial.unlink(missing_ok=True)
    shrink_tflite(path)
    return tflite_binding(path, net)


def extremes(seen: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What was seen of each tensor in one view after the other, as its least and greatest value in any of them."""
    out = dict(seen[0])
    for name, first in out.items():
        if "min" in first and np.size(first["min"]) == 1:
            low, high = (np.array([np.ravel(view[name][end])[0] for view in seen]) for end in ("min", "max"))
            ends = {"min": np.full_like(first["min"], low.min()), "max": np.full_like(first["max"], high.max())}
            out[name] = first | ends
    return out


def _signature(path: Path) -> tuple[str, str]:
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_path=str(path)).get_signature_list()
    name = next(iter(signatures))
    return name, signatures[name]["inputs"][0]


def tflite_binding(path: Path, net: LeafNet | PairedNet) -> Binding:
    """Names of the tensors of a TFLite file, told apart by their shapes."""
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_path=str(path))
    engine.allocate_tensors()
    classes, embedding = net.classifier.out_channels, net.projection.out_features
    names: dict[str, str] = {}
    for detail in engine.get_output_details():
        shape = tuple(int(v) for v in detail["shape"])
        role = "maps" if len(shape) == 4 else "logits" if shape == (1, classes) else "embedding"
        names[role] = detail["name"]
    if set(names) != set(OUTPUTS) or classes == embedding:
        raise ValueError(f"{path}: outputs {names} cannot be told apart by shape; change EMBEDDING in network.py")
    return Binding("tflite", path.name, engine.get_input_details()[0]["name"], **names)
