"""Symptoms read off a body that is left untouched, by one linear layer: ImageNet's, as it is, for a lender.

What such a layer can say of a photograph carries over to other fields better than what a fine-tuned body says, and it
errs elsewhere, so that the two together are better than either (`models/EXPERIMENTS.md`; Kumar et al. 2022,
"Fine-tuning can distort pretrained features and underperform out-of-distribution").
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from pikvani_models.losses import SymptomLoss
from pikvani_models.network import LeafNet

PICTURES = 32_000
EPOCHS = 12
_BATCH = 256

Batch = tuple[Tensor, Tensor, Tensor]


def fit_symptoms(net: LeafNet, batches: Iterator[Batch], loss: SymptomLoss) -> None:
    """Fit the layer `net.symptoms` to `PICTURES` pictures; nothing else of the network changes.

    Args:
        net: A network whose features are taken as they are.
        batches: Normalised pictures `[n, 3, s, s]`, labels, painted.
        loss: What the layer is fitted to.
    """
    net.eval()
    seen: list[Batch] = []
    count = 0
    while count < PICTURES:
        x, target, painted = next(batches)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            seen.append((net.pooled(x).float(), target, painted))
        count += len(target)
        if len(seen) % 100 == 0:
            print(f"train: {count} of {PICTURES} pictures looked at", file=sys.stderr, flush=True)
    pooled, target, painted = (torch.cat(part) for part in zip(*seen, strict=True))
    _fit(net.symptoms, pooled, target, painted, loss)


def _fit(layer: torch.nn.Linear, pooled: Tensor, target: Tensor, painted: Tensor, loss: SymptomLoss) -> None:
    """Fit on features of unit variance, then fold that into the layer."""
    mean, spread = pooled.mean(0), pooled.std(0) + 0.05
    inner = torch.nn.Linear(layer.in_features, layer.out_features)
    for zero in inner.parameters():
        torch.nn.init.zeros_(zero)
    x = (pooled - mean) / spread
    optimizer = torch.optim.AdamW(inner.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(x)).split(_BATCH):
            optimizer.zero_grad()
            loss(inner(x[part]), target[part], painted[part]).backward()
            optimizer.step()
    with torch.no_grad():
        layer.weight.copy_(inner.weight / spread)
        layer.bias.copy_(inner.bias - layer.weight @ mean)
