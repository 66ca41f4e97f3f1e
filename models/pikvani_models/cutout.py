"""Cutting a laboratory leaf out of its plain background. Not a general segmenter: it knows one-leaf pictures only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def leaf_mask(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mask `[h, w]` of 0 or 255 of the one leaf on a plain background.

    Otsu's threshold on saturation, the largest blob, holes filled (lesions are gray), edge eroded.
    """
    saturation = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[:, :, 1], (5, 5), 0)
    _, mask = cv2.threshold(saturation, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros_like(mask)
    if contours:
        largest = max(contours, key=cv2.contourArea)
        cv2.drawContours(out, [largest], -1, 255, -1)
        out = cv2.erode(out, np.ones((3, 3), np.uint8))
    return out


def is_cutout(mask: NDArray[np.uint8]) -> bool:
    """Whether a mask can be one leaf: neither nearly nothing nor nearly the whole picture."""
    return 0.08 < float((mask > 0).mean()) < 0.85
