"""A network out of a shipped package: weights need not be kept beside it to go on from it.

The INT8 weights are read back as floating point, the batch norms that were folded into them are found anew on clips,
and blocks that were not there before are set to do nothing, so that the network says what the package says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pikvani_models.speech.network import FIRST_EIGHT, SpeechNet

Array = NDArray[np.float32]


def from_package(model: Path) -> SpeechNet:
    """The network of `model`, an INT8 file as `export` writes it, in evaluation mode."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(model)).graph
    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    real = {
        node.output[0]: _dequantised(*(held[name] for name in node.input))
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in held
    }
    convs = {_place(node.name): node for node in graph.node if node.op_type == "Conv"}
    count = len({path.split(".")[1] for path in convs if path.startswith("blocks.")})
    net = SpeechNet().eval()
    places = FIRST_EIGHT if count == len(FIRST_EIGHT) else tuple(range(len(net.blocks)))
    for block in net.blocks:
        assert isinstance(block.norm, nn.BatchNorm2d)
        nn.init.zeros_(block.norm.weight)
    for name, node in convs.items():
        path = re.sub(r"^blocks\.(\d+)", lambda found: f"blocks.{places[int(found[1])]}", name)
        conv: Any = net.get_submodule(path)
        _set(conv.weight, real[node.input[1]])
        if conv.bias is not None:
            _set(conv.bias, real[node.input[2]])
        else:  # a batch norm follows, which was folded
            norm: Any = net.get_submodule("norm" if path == "enter" else f"{path.rsplit('.', 1)[0]}.norm")
            _set(norm.weight, np.full(norm.num_features, (1 + norm.eps) ** 0.5, np.float32))
            _set(norm.bias, real[node.input[2]])
    return net


def find_norms(net: SpeechNet, batches: Sequence[Tensor]) -> None:
    """Give every batch norm the mean and variance it meets in `batches`, and say the same as before."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    sums = {norm: [torch.zeros(norm.num_features, dtype=torch.float64) for _ in range(2)] for norm in norms}
    counts = dict.fromkeys(norms, 0)

    def note(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        x = given[0].detach().double()
        sums[norm][0] += x.sum((0, 2, 3))
        sums[norm][1] += x.square().sum((0, 2, 3))
        counts[norm] += x.numel() // norm.num_features

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    with torch.no_grad():
        for batch in batches:
            net(batch)
        for hook in hooks:
            hook.remove()
        for norm in norms:
            mean = (sums[norm][0] / counts[norm]).float()
            var = (sums[norm][1] / counts[norm]).float() - mean.square()
            assert norm.running_mean is not None and norm.running_var is not None
            share = torch.sqrt((var + norm.eps) / (norm.running_var + norm.eps))
            norm.bias += norm.weight * (mean - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps)
            norm.weight *= share
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)


def _place(name: str) -> str:
    """`/blocks/blocks.3/over_time/Conv` to `blocks.3.over_time`."""
    return re.sub(r"^/(blocks/)?", "", name).removesuffix("/Conv").replace("/", ".")


def _dequantised(quantised: NDArray[Any], scale: Array, zero: NDArray[Any]) -> Array:
    shape = (-1,) + (1,) * (quantised.ndim - 1)
    centred = quantised.astype(np.float32) - zero.astype(np.float32).reshape(shape)
    return np.asarray(centred * scale.reshape(shape), np.float32)


def _set(parameter: Tensor, values: Array) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))
