"""Writes the shipped network's architecture in FP32, as `model.onnx` and `model.tflite`, for timing beside INT8.

    .venv-peers/bin/python tests/bench/peers/float_twins.py SIZE CLASSES FOLDER

Exits 3 with a word where `litert-torch` is not there; the ONNX file is written all the same.
"""

import sys
from pathlib import Path

import torch
from shipped_net import shipped_net
from torch import nn


class ChannelsLast(nn.Module):
    """The network as a package promises it: input `[1, size, size, 3]`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.net = shipped_net(classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.net(x.permute(0, 3, 1, 2))


def main() -> int:
    size, classes, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.manual_seed(1)
    module = ChannelsLast(classes).eval()
    view = torch.zeros(1, size, size, 3)
    names = ["logits", "maps", "embedding"]
    path = str(folder / "model.onnx")
    torch.onnx.export(module, (view,), path, input_names=["image"], output_names=names, opset_version=17, dynamo=False)
    try:
        import litert_torch
    except ImportError as error:
        print(f"no FP32 TFLite file: {error}", file=sys.stderr)
        return 3
    litert_torch.convert(module, (view,)).export(str(folder / "model.tflite"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
