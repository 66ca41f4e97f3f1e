"""Reading a photograph as the pipeline wants it: uint8 RGB `[h, w, 3]`. No augmentation, no resizing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_models.records import DataError


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Decode a picture file.

    Raises:
        DataError: It cannot be decoded.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DataError(f"{path} cannot be decoded as a picture: restore or remove it")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
