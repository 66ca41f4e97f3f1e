"""Painting lesions on photographs of healthy leaves: drawn shapes along the veins, lit as the leaf is.

What is painted for which label is `looks.py`, on which photograph `painted.py`. Pure functions of a picture and a
random generator, on uint8 RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
Range = tuple[float, float]

LEAF_LUMINANCE = 95.0
"""Luminance of a healthy leaf, 0..255, that the colours of a `Look` go with; in a shadow they darken with the leaf."""


@dataclass(frozen=True)
class Look:
    """One way a symptom looks on a leaf.

    Attributes:
        shape: `oval`, `box` (straight sides along the veins), `spindle` (pointed at both ends) or `blotch` (ragged).
        length: Of a lesion along the veins, share of the picture's short side, drawn evenly in its logarithm.
        aspect: Length to width.
        count: Lesions in the picture, drawn evenly in its logarithm.
        colours: Two colours that the lesions lie between.
        edge: Colour of the rim, if it has one, and the rim's share of the lesion's half width.
        halo: Colour around the lesion, and its width as a share of the lesion's width.
        rings: Whether darker rings run around the middle, as on a target.
        clustered: Share of the lesions that lie in clusters.
    """

    shape: Literal["oval", "box", "spindle", "blotch"]
    length: Range
    aspect: Range
    count: Range
    colours: tuple[Colour, Colour]
    edge: tuple[Colour, float] | None = None
    halo: tuple[Colour, float] | None = None
    rings: bool = False
    clustered: float = 0.0


def paint(rgb: Image, leaf: Image, look: Look, rng: Generator) -> Image:
    """The picture with `look` on its leaf.

    Args:
        rgb: Picture `[h, w, 3]` of healthy leaves.
        leaf: Where they are, `[h, w]`, 0 or 255; nothing is painted elsewhere.
        look: What to paint.
        rng: Source of randomness.

    Returns:
        `[h, w, 3]`; the picture as it is if it shows no leaf.
    """
    where = np.argwhere(leaf > 0)
    if len(where) < 100:
        return rgb
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    lesions = _drawn(gray, where, look, rng)
    inside = cv2.distanceTransform(lesions, cv2.DIST_L2, 3)
    outside = cv2.distanceTransform(255 - lesions, cv2.DIST_L2, 3)
    half = max(float(np.percentile(inside[lesions > 0], 90)) if lesions.any() else 1.0, 0.7)
    colour = _coloured(look, inside, half, rng)
    around = cv2.GaussianBlur(gray, (0, 0), 0.03 * min(gray.shape)).astype(np.float32)
    light = np.clip(around / LEAF_LUMINANCE, 0.25, 1.7) ** 0.8 * (1 + 0.8 * (gray / (around + 8) - 1))
    on_leaf = cv2.GaussianBlur(leaf, (0, 0), 0.8).astype(np.float32) / 255
    strength = (
        cv2.GaussianBlur(lesions, (0, 0), rng.uniform(0.4, 1.0)).astype(np.float32) / 255 * rng.uniform(0.75, 1.0)
    )
    out = rgb.astype(np.float32)
    if look.halo is not None and rng.random() < 0.7:
        reach = max(look.halo[1] * 2 * half * rng.uniform(0.5, 1.5), 0.8)
        glow = np.exp(-((outside / reach) ** 2)) * on_leaf * rng.uniform(0.3, 0.9)
        out += glow[..., None] * (np.array(look.halo[0], np.float32) * light[..., None] - out)
    out += (strength * on_leaf)[..., None] * (colour * light[..., None] - out)
    return np.clip(out, 0, 255).astype(np.uint8)


def green(rgb: Image) -> Image:
    """Where a photograph of a field is leaf, `[h, w]`, 0 or 255: what is green, without specks."""
    hsv = cv2.cvtColor(cv2.GaussianBlur(rgb, (0, 0), 1.5), cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, (25, 35, 35), (95, 255, 255))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)).astype(np.uint8, copy=False)


def veins(gray: Image) -> NDArray[np.float32]:
    """Direction along which a picture changes least, radians `[h, w]`: where leaves have parallel veins, theirs.

    Smoothed structure tensor (Bigun and Granlund 1987).
    """
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.0)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    wide = 0.05 * min(gray.shape)
    xx, yy, xy = (cv2.GaussianBlur(p, (0, 0), wide) for p in (dx * dx, dy * dy, dx * dy))
    return (0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2).astype(np.float32)


def _drawn(gray: Image, where: NDArray[np.int64], look: Look, rng: Generator) -> Image:
    """The lesions' shapes, 0 or 255, ragged as grown things are."""
    side = min(gray.shape)
    along = veins(gray)
    canvas = np.zeros(gray.shape, np.uint8)
    count = int(_log_uniform(look.count, rng))
    typical = _log_uniform(look.length, rng) * side
    slim = _log_uniform(look.aspect, rng)
    centres = where[rng.integers(0, len(where), count)].astype(np.float64)
    nests = where[rng.integers(0, len(where), int(rng.integers(1, 4)))]
    near = rng.random(count) < look.clustered
    spread = rng.uniform(0.05, 0.2) * side
    centres[near] = nests[rng.integers(0, len(nests), int(near.sum()))] + rng.normal(0, spread, (int(near.sum()), 2))
    for y, x in centres:
        row, column = (int(np.clip(v, 0, n - 1)) for v, n in zip((y, x), gray.shape, strict=True))
        length = max(typical * np.exp(rng.normal(0, 0.35)), 1.5)
        width = max(length / (slim * np.exp(rng.normal(0, 0.2))), 1.2)
        _one(canvas, (x, y), length / 2, width / 2, float(along[row, column]) + rng.normal(0, 0.06), look, rng)
    ragged = {"oval": 0.12, "box": 0.08, "spindle": 0.12, "blotch": 0.25}[look.shape]
    return _wavy(canvas, max(typical / slim, 2.0), ragged, rng)


def _one(
    canvas: Image, centre: tuple[float, float], a: float, b: float, turn: float, look: Look, rng: Generator
) -> None:
    t = np.linspace(0, 2 * np.pi, 25)[:-1]
    c, s = np.cos(t), np.sin(t)
    power = {"oval": 1.0, "blotch": 1.0, "box": 0.35, "spindle": 1.6}[look.shape]
    u = a * np.sign(c) * np.abs(c) ** (power if look.shape == "box" else 1.0)
    v = b * np.sign(s) * np.abs(s) ** power
    if look.shape == "blotch":
        scale = 1 + 0.3 * np.interp(t, np.linspace(0, 2 * np.pi, 9), np.append(r := rng.normal(0, 1, 8), r[0]))
        u, v = u * scale, v * scale
    x = centre[0] + u * np.cos(turn) - v * np.sin(turn)
    y = centre[1] + u * np.sin(turn) + v * np.cos(turn)
    points = np.stack([x, y], 1) * 16
    cv2.fillPoly(canvas, [points.astype(np.int32)], 255, cv2.LINE_AA, 4)


def _wavy(canvas: Image, scale: float, ragged: float, rng: Generator) -> Image:
    """The drawing with its outlines shifted a little here and there; `scale` is a lesion's width in pixels."""
    h, w = canvas.shape
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    for grain in (max(scale, 4.0), max(scale / 3, 2.0)):
        for field in (x, y):
            noise = rng.standard_normal((int(h / grain) + 2, int(w / grain) + 2)).astype(np.float32)
            field += cv2.resize(noise, (w, h), interpolation=cv2.INTER_LINEAR) * ragged * grain
    moved = cv2.remap(canvas, x, y, cv2.INTER_LINEAR)
    return ((moved > 110) * 255).astype(np.uint8)


def _coloured(look: Look, inside: NDArray[np.float32], half: float, rng: Generator) -> NDArray[np.float32]:
    """Colour `[h, w, 3]` of every pixel if it were lesion, for a leaf of `LEAF_LUMINANCE`."""
    h, w = inside.shape
    first, second = (np.array(c, np.float32) for c in look.colours)
    coarse = np.clip(rng.random() + rng.normal(0, 0.25, (int(rng.integers(3, 9)), int(rng.integers(3, 9)))), 0, 1)
    share = cv2.resize(coarse.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)[..., None]
    colour = first * (1 - share) + second * share
    if look.edge is not None and rng.random() < 0.8:
        rim = np.clip(1.5 - inside / max(look.edge[1] * half, 0.7), 0, 1)[..., None]
        colour = colour + rim * (np.array(look.edge[0], np.float32) - colour)
    if look.rings and rng.random() < 0.8:
        waves = np.sin(inside * (2 * np.pi / max(half / rng.uniform(2, 4), 2.5)))[..., None]
        colour = colour * (1 + 0.18 * waves)
    grain = rng.normal(0, 1, (h, w, 1)).astype(np.float32)
    return colour * (1 + rng.uniform(0.02, 0.1) * cv2.GaussianBlur(grain, (0, 0), 0.8)[..., None])


def _log_uniform(between: Range, rng: Generator) -> float:
    return float(np.exp(rng.uniform(np.log(between[0]), np.log(between[1]))))
