"""Near-duplicate groups and the grouped split. Photographs that look the same never lie on two sides of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
MAX_DISTANCE_BITS = 10
"""Difference hashes of 128 bits this near belong together; bursts of one plant measured 0 to 9."""


def difference_hash(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """128 bits of which neighbour is brighter, along rows and columns of an 8 x 8 copy (16 bytes).

    Args:
        image: height x width x 3, any channel order.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    rows = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    columns = cv2.resize(grey, (8, 9), interpolation=cv2.INTER_AREA)
    bits = np.concatenate([(rows[:, 1:] > rows[:, :-1]).ravel(), (columns[1:] > columns[:-1]).ravel()])
    return np.packbits(bits)


def near_duplicate_groups(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number the connected groups of hashes at most `MAX_DISTANCE_BITS` apart.

    Args:
        hashes: n x 16 bytes.

    Returns:
        n group numbers: the index of each group's first member.
    """
    parent = np.arange(len(hashes))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for i in range(len(hashes) - 1):
        distance = np.bitwise_count(hashes[i + 1 :] ^ hashes[i]).sum(1)
        for j in np.flatnonzero(distance <= MAX_DISTANCE_BITS) + i + 1:
            a, b = root(i), root(int(j))
            if a != b:
                parent[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(len(hashes))])


def split_of(groups: Sequence[int], keys: Sequence[str], seed: int = 1) -> list[Split]:
    """Put each near-duplicate group into train (70%), validation (10%) or test (20%).

    The choice hashes the group's first member, so that adding photographs moves nobody else.

    Args:
        groups: as `near_duplicate_groups` gives them.
        keys: a stable name of each photograph, such as its path under the data root.
        seed: another one gives another split.
    """
    splits: list[Split] = []
    for group in groups:
        digest = hashlib.sha256(f"{seed}:{keys[group]}".encode()).digest()
        share = int.from_bytes(digest[:4], "big") / 2**32
        splits.append("train" if share < 0.7 else "validation" if share < 0.8 else "test")
    return splits
