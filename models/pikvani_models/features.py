"""Frozen features and what is fitted on them in closed form: the embedding's projection, where to lend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pikvani_models.fitting import LABORATORY_KEPT, laboratory_line
from pikvani_models.network import EMBEDDING, LeafNet
from pikvani_models.pair import SURE, PairedNet


@torch.no_grad()
def pooled_features(
    net: LeafNet | PairedNet, views: Sequence[NDArray[np.float32]], batch: int = 32
) -> NDArray[np.float32]:
    """Pooled features `[n, FEATURES]` of model inputs `[1, s, s, 3]`."""
    net.eval()
    rows = []
    for start in range(0, len(views), batch):
        x = torch.from_numpy(np.concatenate(views[start : start + batch])).permute(0, 3, 1, 2)
        with torch.autocast("cpu", torch.bfloat16):
            rows.append(net.pooled(x).float().numpy())
    return np.concatenate(rows)


def set_projection(net: LeafNet | PairedNet, pooled: NDArray[np.float32]) -> None:
    """Make the embedding the `EMBEDDING` largest principal components of `pooled`, each of unit variance."""
    mean = pooled.mean(axis=0)
    _, spread, axes = np.linalg.svd(pooled - mean, full_matrices=False)
    scale = np.sqrt(len(pooled)) / np.maximum(spread[:EMBEDDING], 1e-6)
    weight = (axes[:EMBEDDING] * scale[:, None]).astype(np.float32)
    with torch.no_grad():
        net.projection.weight.copy_(torch.from_numpy(weight))
        net.projection.bias.copy_(torch.from_numpy((-weight @ mean).astype(np.float32)))


@torch.no_grad()
def set_elsewhere(net: PairedNet, pooled: NDArray[np.float32], laboratory: Sequence[bool]) -> None:
    """Find where a pair lends, with its projection set.

    A photograph that looks less like a laboratory's than `LABORATORY_KEPT` of theirs is none; one that does as much as
    their median is one, and nothing is lent; a ramp between.

    Args:
        net: Its layer `elsewhere` is changed.
        pooled: Features `[n, FEATURES]`, best of photographs that were not trained on.
        laboratory: Of each, whether a laboratory took it; both kinds must be there.
    """
    embedding, inside = net.projection(torch.from_numpy(pooled)).numpy(), np.array(laboratory)
    weights, bias = laboratory_line(embedding, inside)
    likeness = embedding @ weights + bias
    none, surely = np.quantile(likeness[inside], [1 - LABORATORY_KEPT, 0.5])
    scale = SURE / max(float(surely - none), 1e-6)
    net.elsewhere.weight.copy_(torch.from_numpy(-scale * weights)[None])
    net.elsewhere.bias.fill_(scale * float(surely - bias))
