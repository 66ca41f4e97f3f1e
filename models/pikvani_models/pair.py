"""Two trained networks as one: a long training's for what is known from fields, a short one's for laboratory crops.

A long training knows its own sources best and forgets what carries over to others; a short one is the other way round
(`models/EXPERIMENTS.md`). Both keep their first blocks as ImageNet left them, so those run once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pikvani_models.network import EMBEDDING, FEATURES, LeafNet

SURE = 6.0
"""Of `PairedNet.elsewhere`: from here on a photograph is surely none of a laboratory, at 0 surely one (ReLU6)."""


class PairedNet(nn.Module):
    """Photographs to class logits, class maps and an embedding, in the shapes of `LeafNet`.

    Classes and embedding are the first network's. What the features of both, the first one's before the second one's,
    are `lent` to a class is added where the embedding tells that the photograph is none of a laboratory, `elsewhere`
    0 to 1.
    """

    def __init__(self, first: LeafNet, second: LeafNet) -> None:
        """Take the networks' parts; nothing is lent yet.

        Raises:
            ValueError: They begin differently, or are of other labels.
        """
        super().__init__()
        shared = shared_blocks(first, second)
        self.trunk = nn.Sequential(first.stem, *first.blocks[:shared])
        self.first = nn.Sequential(*first.blocks[shared:], first.top)
        self.second = nn.Sequential(*second.blocks[shared:], second.top)
        classes = first.classifier.out_channels
        self.classifier = nn.Conv2d(FEATURES, classes, 1)
        self.lent = nn.Conv2d(2 * FEATURES, classes, 1)
        self.projection = nn.Linear(FEATURES, EMBEDDING)
        self.elsewhere = nn.Linear(EMBEDDING, 1)
        self.requires_grad_(False)
        self.classifier.load_state_dict(first.classifier.state_dict())
        for zero in (*self.lent.parameters(), self.elsewhere.weight):
            nn.init.zeros_(zero)
        nn.init.constant_(self.elsewhere.bias, SURE)

    def pooled(self, x: Tensor) -> Tensor:
        """What the embedding is made of: the first network's features averaged over space, `[n, FEATURES]`."""
        features: Tensor = self.first(self.trunk(x))
        return features.mean((2, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, maps and embedding, as `LeafNet` gives them."""
        x = self.trunk(x)
        own = self.first(x)
        lent = self.lent(torch.cat([own, self.second(x)], 1))
        embedding = self.projection(own.mean((2, 3)))
        elsewhere = functional.relu6(self.elsewhere(embedding)) / SURE
        maps = self.classifier(own) + elsewhere[:, :, None, None] * lent
        return maps.mean((2, 3)), maps.permute(0, 2, 3, 1), embedding


def shared_blocks(first: LeafNet, second: LeafNet) -> int:
    """How many blocks after the stem are the same in both.

    Raises:
        ValueError: The stems differ, so that nothing could run once; or the classifiers have other labels.
    """
    if first.classifier.out_channels != second.classifier.out_channels:
        raise ValueError("the two weights are of other labels: train both with the same --crop")
    if not _same(first.stem, second.stem):
        raise ValueError("the two weights begin differently: train both from ImageNet, with their first blocks frozen")
    count = 0
    for a, b in zip(first.blocks, second.blocks, strict=True):
        if not _same(a, b):
            break
        count += 1
    return count


def _same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs if x.dtype.is_floating_point)
