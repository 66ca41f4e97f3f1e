"""Training pictures of diseases that no field has shown: healthy leaves, painted with what is written of them.

Grounds are healthy leaves of other crops in fields and the crop's own from the laboratory, pasted on a scene or as they
lie. A ground is another crop's, so such a picture tells conditions within a crop apart and no crop (`losses.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pikvani_models import augment
from pikvani_models.looks import GROUNDS, LOOKS, OTHER_GROUNDS
from pikvani_models.painting import Image, Look, green, paint
from pikvani_models.records import Record
from pikvani_models.registry import BY_NAME

FIELD_SHARE = 0.6
PASTED_SHARE = 0.5
LEAST_LEAF = 0.25
TRIES = 8


class PaintedLeaves:
    """Draws painted pictures of the labels that can be painted on what `records` hold.

    Attributes:
        targets: Numbers of those labels; empty if no ground is at hand.
    """

    def __init__(
        self, records: Sequence[Record], labels: Sequence[str], pixels: Sequence[Image], masks: Sequence[Image | None]
    ) -> None:
        self.pixels, self.masks = pixels, masks
        self.looks = {labels.index(label): looks for label, looks in LOOKS.items() if label in labels}
        self.fields: dict[int, NDArray[np.int64]] = {}
        self.own: dict[int, NDArray[np.int64]] = {}
        lab = np.array([BY_NAME[r.source].kind == "laboratory" for r in records])
        named = np.array([r.label for r in records])
        for number in self.looks:
            crop = labels[number].split("/")[0]
            self.fields[number] = np.flatnonzero(np.isin(named, GROUNDS.get(crop, OTHER_GROUNDS)) & ~lab)
            self.own[number] = np.flatnonzero((named == f"{crop}/healthy") & lab)
        self.targets = np.array([n for n in self.looks if len(self.fields[n]) and len(self.own[n])], np.int64)

    def picture(self, target: int, size: int, rng: Generator, scene: Callable[[], Image]) -> Image:
        """A picture `[size, size, 3]` of label `target`; `scene` gives what a cut-out leaf is pasted on."""
        looks = self.looks[target]
        look = looks[int(rng.integers(len(looks)))] if looks else None
        for _ in range(TRIES):
            if rng.random() < FIELD_SHARE:
                view = augment.random_view(self.pixels[int(rng.choice(self.fields[target]))], size, rng, 0.15)
            else:
                i = int(rng.choice(self.own[target]))
                mask = self.masks[i]
                if mask is not None and rng.random() < PASTED_SHARE:
                    relative = float(np.exp(rng.uniform(np.log(0.7), np.log(2.2))))
                    leaf = _painted(self.pixels[i], mask, look, rng)
                    return _finished(augment.paste(scene(), leaf, mask, rng, relative), rng)
                view = augment.random_view(self.pixels[i], size, rng, 0.3)
            leaf_at = green(view)
            if (leaf_at > 0).mean() >= LEAST_LEAF:
                break
        return _finished(_painted(view, leaf_at, look, rng), rng)


def _finished(rgb: Image, rng: Generator) -> Image:
    out = augment.light(rgb, rng, 0.7)
    return augment.camera(out, rng) if rng.random() < 0.6 else out


def _painted(rgb: Image, leaf: Image, look: Look | None, rng: Generator) -> Image:
    return rgb if look is None else paint(rgb, leaf, look, rng)
