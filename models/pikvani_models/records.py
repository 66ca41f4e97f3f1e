"""Photographs as records: scanned, hashed, grouped with their near-duplicates, and split by group.

A split here never divides a group, so that a picture and its near-duplicate cannot stand on both sides. It holds
no pixels beyond the perceptual hash; pixels are read by `pixels.py`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_models.registry import SOURCES, Source

Split = Literal["train", "val", "test"]
NEAR_DUPLICATE_BITS = 6
TEST_SHARE = 0.14
VAL_SHARE = 0.10


class DataError(Exception):
    """The photographs cannot be used; the message says which, where and what to do."""


@dataclass(frozen=True)
class Record:
    """One photograph: path below the data folder, source, label id, near-duplicate group and split."""

    path: str
    source: str
    folder: str
    label: str
    group: str
    split: Split


def data_root() -> Path:
    """Folder `leaf` of the data sets, from `PIKVANI_DATASETS` or `../shared/datasets`.

    Raises:
        DataError: There is no such folder.
    """
    root = Path(os.environ.get("PIKVANI_DATASETS", "../shared/datasets")) / "leaf"
    if not root.is_dir():
        raise DataError(
            f"no photographs at {root}: set PIKVANI_DATASETS to the folder that holds leaf/, "
            "or run from the repository's root with shared/ beside it"
        )
    return root


def perceptual_hash(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """64 bits, as 8 bytes, of a gray picture: the signs of its low DCT coefficients around their median.

    Zauner 2010, "Implementation and benchmarking of perceptual image hash functions".
    """
    small = cv2.resize(gray, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    return np.packbits(low > np.median(low))


def near_duplicate_groups(hashes: NDArray[np.uint8], bits: int = NEAR_DUPLICATE_BITS) -> NDArray[np.int64]:
    """Group number of each of `n` hashes `[n, 8]`: connected components of "differs in at most `bits` bits"."""
    parent = np.arange(len(hashes))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for i in range(len(hashes)):
        distance = np.bitwise_count(hashes[i + 1 :] ^ hashes[i]).sum(axis=1)
        for j in np.flatnonzero(distance <= bits):
            a, b = find(i), find(int(j) + i + 1)
            parent[max(a, b)] = min(a, b)
    return np.array([find(i) for i in range(len(hashes))])


def split_of(group: str) -> Split:
    """The split of a group, by a hash of its name: stable when pictures are added."""
    share = int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") / 2**32
    if share < TEST_SHARE:
        return "test"
    return "val" if share < TEST_SHARE + VAL_SHARE else "train"


def half_of(group: str) -> int:
    """0 or 1: which half of a held-out source a group lies in. Fitting may see half 0; half 1 is for measuring."""
    return hashlib.sha256(f"half {group}".encode()).digest()[0] & 1


def scan(root: Path, sources: tuple[Source, ...] = SOURCES) -> list[Record]:
    """All photographs of `sources` below `root`, in a stable order, grouped and split.

    Raises:
        DataError: A class folder is missing, or a picture cannot be decoded.
    """
    records: list[Record] = []
    for source in sources:
        paths: list[Path] = []
        for folder in source.classes:
            found = sorted((root / source.name / folder).glob("*.jpg"))
            if not found:
                raise DataError(f"{root / source.name / folder} holds no .jpg: the registry lists it; restore the data")
            paths += found
        hashes = np.stack([perceptual_hash(_gray(path)) for path in paths])
        groups = near_duplicate_groups(hashes)
        for path, number in zip(paths, groups, strict=True):
            first = paths[number]
            group = f"{source.name}/{first.parent.name}/{first.name}"
            label = source.label(path.parent.name)
            relative = str(path.relative_to(root))
            records.append(Record(relative, source.name, path.parent.name, label, group, split_of(group)))
    return records


def _gray(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DataError(f"{path} cannot be decoded as a picture: restore or remove it")
    return image.astype(np.uint8, copy=False)
