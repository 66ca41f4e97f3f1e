"""What the cameras of light devices saw: real photographs where there are some of that kind, else drawn leaves."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from tests.simulation.roads import drawn_leaf

_FOLDERS = {
    "cotton/new_blight": "cotton_zade_field/diseased_cotton_leaf",
    "cotton/healthy": "cotton_zade_field/fresh_cotton_leaf",
}
"""No network was taught a name for what these sick leaves have: they stand for a disease that nobody knows yet."""
_SIDE, _QUALITY = 200, 60


class Leaves:
    """Small pictures by condition.

    Args:
        root: the folder `leaf` of the data sets, or None.
    """

    def __init__(self, root: Path | None) -> None:
        self._files = {
            condition: sorted((root / folder).glob("*.jpg"))[:40] if root else []
            for condition, folder in _FOLDERS.items()
        }

    def of(self, name: str, condition: str) -> bytes:
        """A JPEG of a leaf with a condition; the same for the same name."""
        lot = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest())
        files = self._files.get(condition)
        if files:
            return _small(files[lot % len(files)])
        return drawn_leaf(lot, not condition.endswith("/healthy"), 0.5)


@lru_cache(200)
def _small(path: Path) -> bytes:
    image = cv2.imread(str(path))
    scale = _SIDE / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded: np.ndarray = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return encoded.tobytes()
