"""Every photograph decoded once, with its hash, group and, for laboratory leaves, its mask. Kept outside the project.

Gigabytes are read once and kept as one file; `load` is a second's work.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_models.registry import Photo, photos
from pikvani_models.splits import Split, difference_hash, near_duplicate_groups, split_of

SHORT_SIDE_PX = 224


@dataclass(frozen=True)
class Decoded:
    """All photographs of a registry listing, index by index.

    Attributes:
        photos: where each came from.
        jpegs: the photographs as they lie on disk.
        masks: for laboratory photographs, PNG of the leaf's mask; None elsewhere.
        groups: near-duplicate group numbers.
        splits: train, validation or test.
    """

    photos: list[Photo]
    jpegs: list[bytes]
    masks: list[bytes | None]
    groups: NDArray[np.int64]
    splits: list[Split]

    def image(self, index: int) -> NDArray[np.uint8]:
        """Photograph `index`, height x width x 3, blue first."""
        image = cv2.imdecode(np.frombuffer(self.jpegs[index], np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(image, np.uint8)

    def mask(self, index: int) -> NDArray[np.uint8] | None:
        """Mask of the leaf, 0 or 255, or None where none is known."""
        data = self.masks[index]
        return (
            None
            if data is None
            else np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE))
        )


def leaf_mask(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where the leaf is on a plain background: Otsu on saturation, largest blob, filled, eroded by a pixel or two.

    Args:
        image: height x width x 3, blue first, one leaf on a plain ground.

    Returns:
        height x width, 0 or 255.
    """
    saturation = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2HSV)[:, :, 1], (5, 5), 0)
    _, binary = cv2.threshold(saturation, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    binary = cv2.morphologyEx(binary, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    contours, _ = cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    mask = np.zeros(binary.shape, np.uint8)
    if contours:
        cv2.drawContours(mask, [max(contours, key=cv2.contourArea)], -1, 255, -1)
    return np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)))


def build(root: Path, target: Path) -> Decoded:
    """Read everything under `root`, write the cache to `target`, give it back."""
    listed = list(photos(root))
    jpegs, masks, hashes = [], [], []
    for photo in listed:
        data = photo.path.read_bytes()
        image = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        is_laboratory = "_lab" in photo.source.name
        jpegs.append(data)
        masks.append(cv2.imencode(".png", leaf_mask(image))[1].tobytes() if is_laboratory else None)
        hashes.append(difference_hash(image))
    groups = near_duplicate_groups(np.stack(hashes))
    keys = [str(photo.path.relative_to(root)) for photo in listed]
    decoded = Decoded(listed, jpegs, masks, groups, split_of(list(groups), keys))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(pickle.dumps(decoded))
    return decoded


def load(root: Path, target: Path) -> Decoded:
    """The cache at `target`, built first if it is not there. Our own file: never load one from elsewhere."""
    if target.exists():
        found: Decoded = pickle.loads(target.read_bytes())  # noqa: S301 - written by `build` on this machine
        return found
    return build(root, target)
