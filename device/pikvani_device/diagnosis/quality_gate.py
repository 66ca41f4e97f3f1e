"""Says whether a photograph is worth the model's time: size, light, sharpness, and whether a leaf may be in it.

It works on a copy with a short side of 160 pixels, because the model sees no more than that: what is unsharp in
twelve megapixels and sharp here is sharp enough. It asks for another photograph only where a person would; "is it
a crop we know" is the business of the model's refusal, not of this gate.

Thresholds come from the project's data, at most 400 photographs a set (minimum, 1st percentile, median; the field sets
are black gram, chilli, maize, cotton, rice and sugarcane):

| measure | worst field set | best field set | laboratory | gate |
|---|---|---|---|---|
| Laplacian deviation | rice 3.3, 3.7, 16 | cotton 12.6, 14, 27 | maize 4.3, 6.5, 31 | under 2.5 |
| 95th percentile of grey | maize 0.45, 0.50, 0.77 | sugarcane 0.54, 0.62, 0.78 | apple 0.33, 0.35, 0.56 | under 0.25 |
| 5th percentile of grey, highest | cotton 0.63 | maize 0.49 | maize 0.70 | over 0.80 |
| leaf-coloured share | black gram 0.00, 0.07, 0.9 | cotton 0.27, 0.46, 0.99 | maize 0.00, 0.03, 0.7 | under 0.02 |
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_device.diagnosis.photo import Photo

SMALL_SIDE_PX = 160
MIN_SIDE_PX = 96
"""Short side of the photograph as taken; less cannot show a lesion."""
MIN_LAPLACIAN = 2.5
MIN_HIGHLIGHT = 0.25
MAX_SHADOW = 0.80
MIN_LEAF_SHARE = 0.02
_FULL_SHARPNESS = 40.0  # Laplacian deviation that counts as 1.0: the 95th percentile of the field sets


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What the gate measured.

    Attributes:
        sharpness: 0 (flat) to 1 (as sharp as the sharpest field photographs).
        brightness: mean grey, 0 to 1.
        leaf_share: share of pixels that are coloured like a living or dying leaf, 0 to 1.
        reason: empty when accepted, else `too_small`, `too_dark`, `too_bright`, `blurred` or `no_leaf`.
    """

    sharpness: float
    brightness: float
    leaf_share: float
    reason: str

    @property
    def accepted(self) -> bool:
        """Whether the photograph may be judged by the model alone."""
        return not self.reason


def assess(photo: Photo) -> QualityReport:
    """Measure a photograph. The first thing a person could put right is the reason given."""
    small = _small(photo.pixels)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    cumulative = np.cumsum(np.bincount(grey.ravel(), minlength=256))
    shadow, highlight = (int(np.searchsorted(cumulative, share * grey.size)) / 255 for share in (0.05, 0.95))
    deviation = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0])
    leaf = _leaf_share(small)
    if min(photo.width_px, photo.height_px) < MIN_SIDE_PX:
        reason = "too_small"
    elif highlight < MIN_HIGHLIGHT:
        reason = "too_dark"
    elif shadow > MAX_SHADOW:
        reason = "too_bright"
    elif deviation < MIN_LAPLACIAN:
        reason = "blurred"
    elif leaf < MIN_LEAF_SHARE:
        reason = "no_leaf"
    else:
        reason = ""
    return QualityReport(min(1.0, deviation / _FULL_SHARPNESS), float(cv2.mean(grey)[0]) / 255, leaf, reason)


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = SMALL_SIDE_PX / min(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _leaf_share(small: NDArray[np.uint8]) -> float:
    """Share of pixels that are green, or yellow to brown: clearly less blue than red and green, and not grey."""
    red, green, blue = (channel.astype(np.int16) for channel in cv2.split(small[::2, ::2]))
    strongest = np.maximum(np.maximum(red, green), blue)
    chroma = strongest - np.minimum(np.minimum(red, green), blue)
    is_green = (green > red) & (green > blue) & (chroma > 15)
    is_withered = (green >= blue + 8) & (red + green > 2 * blue + 24) & (chroma > 20) & (strongest > 30)
    return float(np.mean(is_green | is_withered))
