"""Several trained networks as one: a long training's for what is known from fields, lenders for laboratory crops.

A long training knows its own sources best and forgets what carries over to others; a lender is the other way round
(`models/EXPERIMENTS.md`). All keep their first blocks as ImageNet left them, lenders some more among themselves, and
what is the same in several runs once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pikvani_models.network import EMBEDDING, FEATURES, LeafNet

SURE = 6.0
"""Of `JoinedNet.elsewhere`: from here on a photograph is surely none of a laboratory, at 0 surely one (ReLU6)."""


class JoinedNet(nn.Module):
    """Photographs to class logits, class maps and an embedding, in the shapes of `LeafNet`.

    Classes and embedding are the first network's. Lenders say together which symptoms they see; what is `lent` of that
    to a class is added where the embedding tells that the photograph is none of a laboratory, `elsewhere` 0 to 1.
    """

    def __init__(self, first: LeafNet, lenders: Sequence[LeafNet]) -> None:
        """Take the networks' parts; nothing is lent yet.

        Raises:
            ValueError: They begin differently, are of other labels, or there is no lender.
        """
        super().__init__()
        if not lenders:
            raise ValueError("there is no lender: name the weights of one at least")
        shared, among = shared_blocks([first, *lenders]), shared_blocks(lenders)
        self.trunk = nn.Sequential(first.stem, *first.blocks[:shared])
        self.first = nn.Sequential(*first.blocks[shared:], first.top)
        self.lenders_trunk = nn.Sequential(*lenders[0].blocks[shared:among])
        self.lenders = nn.ModuleList(nn.Sequential(*each.blocks[among:], each.top) for each in lenders)
        classes, symptoms = first.classifier.out_channels, first.symptoms.out_features
        self.classifier = nn.Conv2d(FEATURES, classes, 1)
        self.symptoms = nn.Conv2d(len(lenders) * FEATURES, symptoms, 1)
        self.lent = nn.Conv2d(classes + symptoms, classes, 1)
        self.projection = nn.Linear(FEATURES, EMBEDDING)
        self.elsewhere = nn.Linear(EMBEDDING, 1)
        self.requires_grad_(False)
        self.classifier.load_state_dict(first.classifier.state_dict())
        with torch.no_grad():
            rows = torch.cat([each.symptoms.weight for each in lenders], 1) / len(lenders)
            self.symptoms.weight.copy_(rows[:, :, None, None])
            self.symptoms.bias.copy_(  # type: ignore[union-attr]
                torch.stack([each.symptoms.bias for each in lenders]).mean(0)
            )
            for zero in (*self.lent.parameters(), self.elsewhere.weight):
                zero.zero_()
            self.elsewhere.bias.fill_(SURE)

    def pooled(self, x: Tensor) -> Tensor:
        """What the embedding is made of: the first network's features averaged over space, `[n, FEATURES]`."""
        features: Tensor = self.first(self.trunk(x))
        return features.mean((2, 3))

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first network's class maps and what is lent to them, `[n, classes, s/32, s/32]`, and the embedding."""
        x = self.trunk(x)
        own = self.first(x)
        named = self.classifier(own)
        seen = self.lenders_trunk(x)
        symptoms = self.symptoms(torch.cat([each(seen) for each in self.lenders], 1))
        return named, self.lent(torch.cat([named, symptoms], 1)), self.projection(own.mean((2, 3)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, maps and embedding, as `LeafNet` gives them."""
        named, lent, embedding = self.parts(x)
        elsewhere = functional.relu6(self.elsewhere(embedding)) / SURE
        maps = named + elsewhere[:, :, None, None] * lent
        return maps.mean((2, 3)), maps.permute(0, 2, 3, 1), embedding


def shared_blocks(nets: Sequence[LeafNet]) -> int:
    """How many blocks after the stem are the same in all.

    Raises:
        ValueError: The stems differ, so that nothing could run once; or the classifiers have other labels.
    """
    first, *others = nets
    if any(net.classifier.out_channels != first.classifier.out_channels for net in others):
        raise ValueError("the weights are of other labels: train all with the same --crop")
    if not all(_same(first.stem, net.stem) for net in others):
        raise ValueError("the weights begin differently: train all from ImageNet, with their first blocks frozen")
    count = 0
    for blocks in zip(*(net.blocks for net in nets), strict=True):
        if not all(_same(blocks[0], block) for block in blocks[1:]):
            break
        count += 1
    return count


def _same(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(x, theirs[name]) for name, x in ours.items() if x.dtype.is_floating_point
    )
