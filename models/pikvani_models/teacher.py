"""A teacher that a fine-tuning is held to: ImageNet's body, untouched, and symptoms read off it by one linear layer.

What such a layer can say of a photograph carries over to other fields better than what a fine-tuned body says
(`models/EXPERIMENTS.md`), so the body may change only as far as it still says much the same (Li and Hoiem 2016,
"Learning without Forgetting"; the other way round, as here the old body learns the new task first).
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from pikvani_models.losses import SymptomLoss
from pikvani_models.network import LeafNet
from pikvani_models.records import DataError

TEACHER_FILE = "teacher.pt"
PICTURES = 16_000
EPOCHS = 12
_BATCH = 256

Batch = tuple[Tensor, Tensor, Tensor]


class Teacher:
    """Symptom logits of a frozen body."""

    def __init__(self, body: LeafNet, head: nn.Linear) -> None:
        self.body, self.head = body.eval().requires_grad_(False), head.requires_grad_(False)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Logits `[n, symptoms]` of normalised pictures `[n, 3, s, s]`."""
        with torch.autocast("cpu", torch.bfloat16):
            pooled = self.body.pooled(x)
        logits: Tensor = self.head(pooled.float())
        return logits


def taught(body: LeafNet, batches: Iterator[Batch], loss: SymptomLoss, folder: Path) -> Teacher:
    """A teacher on `body`, fitted to `PICTURES` pictures of `batches`, or the one that `folder` has of earlier.

    Args:
        body: A network whose features are taken as they are.
        batches: Normalised pictures, labels, painted.
        loss: What the layer is fitted to.
        folder: Of the run.

    Raises:
        DataError: What the folder has is no teacher, or one of other symptoms.
    """
    path = folder / TEACHER_FILE
    head = nn.Linear(body.symptoms.in_features, body.symptoms.out_features)
    if path.exists():
        try:
            head.load_state_dict(torch.load(path, map_location="cpu"))
        except (OSError, RuntimeError, EOFError, LookupError, pickle.UnpicklingError) as error:
            raise DataError(f"{path} holds no teacher of these symptoms: train anew in an empty folder") from error
        return Teacher(body, head)
    body.eval()
    seen: list[Batch] = []
    while (count := sum(len(target) for _, target, _ in seen)) < PICTURES:
        x, target, painted = next(batches)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            seen.append((body.pooled(x).float(), target, painted))
        if len(seen) % 100 == 0:
            print(f"train: the teacher saw {count} of {PICTURES} pictures", file=sys.stderr, flush=True)
    pooled, target, painted = (torch.cat(part) for part in zip(*seen, strict=True))
    _fit(head, pooled, target, painted, loss)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(head.state_dict(), partial)
    partial.replace(path)
    return Teacher(body, head)


def _fit(head: nn.Linear, pooled: Tensor, target: Tensor, painted: Tensor, loss: SymptomLoss) -> None:
    """Fit on features of unit variance, then fold that into the layer."""
    mean, spread = pooled.mean(0), pooled.std(0) + 0.05
    inner = nn.Linear(head.in_features, head.out_features)
    for zero in inner.parameters():
        nn.init.zeros_(zero)
    x = (pooled - mean) / spread
    optimizer = torch.optim.AdamW(inner.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(x)).split(_BATCH):
            optimizer.zero_grad()
            loss(inner(x[part]), target[part], painted[part]).backward()
            optimizer.step()
    with torch.no_grad():
        head.weight.copy_(inner.weight / spread)
        head.bias.copy_(inner.bias - head.weight @ mean)
