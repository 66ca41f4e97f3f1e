"""The endless stream of training batches: which picture, on which background, how often.

Sampling follows the inverse square root of a source-and-class's size, so that no source rules. Laboratory leaves
(and the apple leaves of the "none" class, so that being pasted says nothing) stand on scenes and field pictures. Half
of the field's own photographs are altered little, so that what is sure there is learnt beside what survives anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from pikvani_models import augment
from pikvani_models.cutout import is_cutout, leaf_mask
from pikvani_models.painted import PaintedLeaves
from pikvani_models.photos import read_rgb
from pikvani_models.records import Record
from pikvani_models.registry import BY_NAME, NONE

PASTED_SHARE = 0.8
SEVERAL_SHARE = 0.35
NONE_SHARE = 0.14
CALM_SHARE = 0.5


class TrainingStream(IterableDataset):  # type: ignore[type-arg]
    """Batches `(pictures uint8 [n, size, size, 3], labels int64 [n], painted bool [n])`, forever.

    All pictures are held in memory, decoded (about 200 kB each). A share of them is `painted` (`painted.py`).
    """

    def __init__(
        self,
        root: Path,
        records: Sequence[Record],
        labels: Sequence[str],
        size: int,
        batch: int,
        seed: int,
        painted: float = 0.0,
    ) -> None:
        self.size, self.batch, self.seed = size, batch, seed
        self.labels = np.array([labels.index(r.label) for r in records])
        self.pixels = [read_rgb(root / r.path) for r in records]
        self.masks: list[NDArray[np.uint8] | None] = []
        for record, rgb in zip(records, self.pixels, strict=True):
            lab = BY_NAME[record.source].kind == "laboratory"
            mask = leaf_mask(rgb) if lab else None
            self.masks.append(mask if mask is not None and is_cutout(mask) else None)
        buckets: dict[tuple[str, str], list[int]] = {}
        for i, record in enumerate(records):
            buckets.setdefault((record.source, record.folder), []).append(i)
        self.mates = [np.array(buckets[r.source, r.folder]) for r in records]
        weight = np.array([len(mates) ** -0.5 for mates in self.mates])
        kinds = np.array([BY_NAME[r.source].kind for r in records])
        self.leaves = PaintedLeaves(records, labels, self.pixels, self.masks)
        self.painted = painted if len(self.leaves.targets) else 0.0
        if self.painted:
            weight[np.isin(self.labels, self.leaves.targets) & (kinds == "laboratory")] = 0.0
        none = self.labels == labels.index(NONE)
        if none.any():
            weight[none] *= NONE_SHARE / weight[none].sum()
        weight[~none] *= (1 - NONE_SHARE if none.any() else 1.0) / weight[~none].sum()
        self.cumulative = np.cumsum(weight)
        self.backgrounds = np.flatnonzero(np.isin(kinds, ("scene", "field", "web")))
        self.scenes = np.flatnonzero(none & (kinds != "laboratory"))
        self.from_field = np.isin(kinds, ("field", "web")) & ~none
        self.fields = np.flatnonzero(self.from_field)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            chosen = np.searchsorted(self.cumulative, rng.random(self.batch) * self.cumulative[-1])
            chosen = np.minimum(chosen, len(self.labels) - 1)
            painted = rng.random(self.batch) < self.painted
            target = self.labels[chosen].astype(np.int64)
            if painted.any():
                target[painted] = rng.choice(self.leaves.targets, int(painted.sum()))
            pictures = np.stack(
                [
                    self.leaves.picture(int(t), self.size, rng, lambda: self._scene(rng))
                    if drawn
                    else self.picture(int(i), rng)
                    for i, t, drawn in zip(chosen, target, painted, strict=True)
                ]
            )
            yield torch.from_numpy(pictures), torch.from_numpy(target), torch.from_numpy(painted)

    def picture(self, i: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Record `i`, augmented, `[size, size, 3]`."""
        mask = self.masks[i]
        if self.from_field[i] and rng.random() < CALM_SHARE:
            return self._calm(i, rng)
        if mask is not None and rng.random() < PASTED_SHARE:
            out = self._pasted(i, rng)
        else:
            out = augment.random_view(self.pixels[i], self.size, rng, 0.45 if mask is not None else 0.3)
        out = augment.camera(augment.light(out, rng), rng)
        return augment.erase(out, rng) if rng.random() < 0.15 else out

    def _calm(self, i: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """A photograph from a field nearly as it lies: what the farmer's own camera and field will show again."""
        out = augment.light(augment.random_view(self.pixels[i], self.size, rng, 0.5), rng, 0.5)
        return augment.camera(out, rng) if rng.random() < 0.3 else out

    def _pasted(self, i: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        scene = self._scene(rng)
        count = int(rng.integers(2, 6)) if rng.random() < SEVERAL_SHARE else 1
        for k in range(count):
            j = i if k == count - 1 else int(rng.choice(self.mates[i]))
            mask = self.masks[j]
            if mask is None:
                continue
            leaf = self.pixels[j]
            if rng.random() < 0.4 and len(self.fields):
                leaf = augment.towards(leaf, self.pixels[int(rng.choice(self.fields))], rng)
            leaf = augment.light(leaf, rng, 0.5)
            relative = rng.uniform(0.35, 0.9) if count > 1 else np.exp(rng.uniform(np.log(0.5), np.log(2.2)))
            scene = augment.paste(scene, leaf, mask, rng, float(relative))
        return scene

    def _scene(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """What a cut-out leaf is pasted on."""
        pool = self.scenes if rng.random() < 0.55 and len(self.scenes) else self.backgrounds
        scene = augment.random_view(self.pixels[int(rng.choice(pool))], self.size, rng)
        if rng.random() < 0.3:
            scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(1, 5)).astype(np.uint8)
        return augment.light(scene, rng, 0.7)
