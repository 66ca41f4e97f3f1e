"""Where on the photograph the model found what it says, laid over the farmer's own picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import ViewSpec
from pikvani_contract.model.preprocess import square
from pikvani_device.ports import RgbImage

_ORANGE = np.array([235, 95, 10], np.float32)
_STRONGEST = 0.6
_DIMMED = 0.78


def overlay(photo: RgbImage, heat: NDArray[np.float32], view: ViewSpec) -> RgbImage | None:
    """The photograph with the places that speak for the diagnosis in orange and the rest a little dimmed.

    Args:
        photo: `[h, w, 3]`.
        heat: `[side, side]`, any scale.
        view: the view the map belongs to, cut from the middle.

    Returns:
        None where the map says nothing: it is flat, or not a number.
    """
    strong = np.clip(heat - np.median(heat), 0, None)
    peak = float(strong.max()) if strong.size else 0.0
    if not np.isfinite(peak) or peak < 1e-6:
        return None
    left, top, side = square(photo, view)
    large = cv2.resize(strong / peak, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    weight = np.zeros((*photo.shape[:2], 1), np.float32)
    weight[top : top + side, left : left + side, 0] = _STRONGEST * large
    shown = photo.astype(np.float32) * (_DIMMED + (1 - _DIMMED) * np.minimum(weight / 0.3, 1))
    blended: RgbImage = np.clip(shown * (1 - weight) + _ORANGE * weight, 0, 255).astype(np.uint8)
    return blended
