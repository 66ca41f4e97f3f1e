"""What to tell someone who holds a leaf before the camera: closer, hold still, more light; or that it is good so.

A hint is advice, not a gate: the photograph itself is judged by `quality_gate`. The limits are stricter than the
gate's, since a person is still there to do better.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_device.diagnosis.photo import photo_of_frame
from pikvani_device.diagnosis.quality_gate import assess
from pikvani_device.ports import RgbImage

Hint = Literal["good", "closer", "hold_still", "too_dark", "too_bright"]

MIN_LEAF_SHARE = 0.12
"""Less leaf than this in the picture is too far away; the worst field photographs of the data have 0.27 and more."""
MAX_MOTION = 0.03
"""Mean change of grey between two frames over which a hand is moving: about a hundredth of the width, or more."""
_SIDE_PX = 48

Glance = NDArray[np.float32]
"""A frame of `48 x 48` greys, 0 to 1, to tell motion by."""


def glance(frame: RgbImage) -> Glance:
    """What is kept of a frame to compare the next one with."""
    grey = cv2.cvtColor(cv2.resize(frame, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.float32) / np.float32(255)


def hint(frame: RgbImage, before: Glance | None) -> Hint:
    """The one thing to say of a frame, the most useful first.

    Args:
        frame: what the camera sees now.
        before: the glance at the frame before it, if there was one shortly before.

    Raises:
        PhotoError: the frame is no photograph.
    """
    report = assess(photo_of_frame(frame, "live view"))
    if report.reason in ("too_dark", "too_bright"):
        return "too_dark" if report.reason == "too_dark" else "too_bright"
    if report.leaf_share < MIN_LEAF_SHARE or report.reason in ("no_leaf", "too_small"):
        return "closer"
    moved = before is not None and float(np.abs(glance(frame) - before).mean()) > MAX_MOTION
    return "hold_still" if moved or report.reason == "blurred" else "good"
