"""Augmentation: what a village's light, cameras, hands and backgrounds do to a leaf, done to the training pictures.

Pure functions of a picture and a random generator, on uint8 RGB, returning uint8 RGB `[size, size, 3]`. It knows
nothing of labels; which picture is pasted on which is chosen in `stream.py`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def random_view(rgb: Image, size: int, rng: Generator, smallest: float = 0.2) -> Image:
    """A random part of the picture (share `smallest`..1 of its area), turned, flipped, tilted and resized."""
    h, w = rgb.shape[:2]
    area = h * w * rng.uniform(smallest, 1.0)
    ratio = np.exp(rng.uniform(np.log(0.7), np.log(1 / 0.7)))
    cw, ch = min(w, np.sqrt(area * ratio)), min(h, np.sqrt(area / ratio))
    cx, cy = rng.uniform(cw / 2, w - cw / 2), rng.uniform(ch / 2, h - ch / 2)
    angle = rng.choice([0, 90, 180, 270]) + (rng.uniform(-30, 30) if rng.random() < 0.5 else 0.0)
    matrix = _to_square((cx, cy), (cw, ch), angle, rng, size)
    flags = cv2.INTER_AREA if cw > 1.5 * size else cv2.INTER_LINEAR
    out = cv2.warpPerspective(rgb, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return out.astype(np.uint8, copy=False)


def _to_square(
    centre: tuple[float, float], extent: tuple[float, float], angle: float, rng: Generator, size: int
) -> NDArray[np.float64]:
    w, h = extent
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]], np.float32) / 2
    if rng.random() < 0.5:
        corners[:, 0] *= -1
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]], np.float32)
    corners = corners @ rotation.T + np.array(centre, np.float32)
    corners += rng.uniform(-0.08, 0.08, (4, 2)).astype(np.float32) * np.array([w, h], np.float32)
    target = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    return cv2.getPerspectiveTransform(corners.astype(np.float32), target)


def paste(scene: Image, leaf: Image, mask: Image, rng: Generator, relative: float) -> Image:
    """The leaf under `mask`, randomly turned, tilted and placed over `scene`.

    Args:
        scene: Picture `[s, s, 3]` to paste on.
        leaf: Picture that holds one leaf.
        mask: 0 or 255, `[h, w]` as `leaf`.
        rng: Source of randomness.
        relative: Longer side of the leaf relative to `s`; above 1 the leaf is a close-up.
    """
    size = scene.shape[0]
    x, y, w, h = cv2.boundingRect(mask)
    turn = rng.uniform(0, 2 * np.pi)
    shear = rng.uniform(-0.15, 0.15, (2, 2))
    flip = -1.0 if rng.random() < 0.5 else 1.0
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = rotation @ (np.diag([flip, 1.0]) + shear) * (relative * size / max(w, h))
    room = 0.30 if relative < 1 else 0.5 * (relative - 0.5)
    centre = size / 2 + rng.uniform(-room, room, 2) * size
    offset = centre - linear @ np.array([x + w / 2, y + h / 2])
    matrix = np.hstack([linear, offset[:, None]]).astype(np.float32)
    warped = cv2.warpAffine(leaf, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    alpha = cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        moved = np.roll(alpha, tuple(int(v) for v in rng.integers(-8, 9, 2)), (0, 1))
        shadow = cv2.GaussianBlur(moved, (0, 0), rng.uniform(2, 6))
        scene = (scene * (1 - rng.uniform(0.2, 0.6) * (shadow[..., None] / 255.0))).astype(np.uint8)
    soft = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.5, 1.2))[..., None].astype(np.float32) / 255.0
    return (warped * soft + scene * (1 - soft)).astype(np.uint8)


def towards(leaf: Image, other: Image, rng: Generator) -> Image:
    """Move the colours of `leaf` part of the way (0-60%) to the mean and spread of `other`.

    Reinhard et al. 2001, "Color transfer between images", in Lab.
    """
    a = cv2.cvtColor(leaf, cv2.COLOR_RGB2LAB).astype(np.float32)
    b = cv2.cvtColor(other, cv2.COLOR_RGB2LAB).astype(np.float32)
    weight = np.array([rng.uniform(0, 0.6), rng.uniform(0, 0.35), rng.uniform(0, 0.35)], np.float32)
    mean, spread = a.mean((0, 1)), a.std((0, 1)) + 1e-3
    goal_mean = mean + weight * (b.mean((0, 1)) - mean)
    goal_spread = spread * np.clip((b.std((0, 1)) / spread), 0.5, 2.0) ** weight
    moved = (a - mean) / spread * goal_spread + goal_mean
    return cv2.cvtColor(np.clip(moved, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB).astype(np.uint8, copy=False)


def light(rgb: Image, rng: Generator, strength: float = 1.0) -> Image:
    """Brightness, contrast, gamma, colour temperature, saturation, hue and shadow, as one look-up and one mix."""
    ramp = np.arange(256, dtype=np.float32) / 255.0
    gain = np.exp(rng.normal(0, 0.22 * strength))
    contrast = np.exp(rng.normal(0, 0.2 * strength))
    gamma = np.exp(rng.normal(0, 0.25 * strength))
    warm = rng.normal(0, 0.09 * strength)
    tint = rng.normal(0, 0.05 * strength)
    table = np.empty((1, 256, 3), np.uint8)
    for channel, colour in enumerate((1 + warm, 1 + tint, 1 - warm)):
        curve = (ramp**gamma - 0.5) * contrast + 0.5
        table[0, :, channel] = np.clip(curve * gain * colour * 255.0, 0, 255).astype(np.uint8)
    out = cv2.LUT(rgb, table)
    if rng.random() < 0.7:
        gray = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        saturation = np.exp(rng.normal(0, 0.3 * strength))
        out = np.clip(gray + (out - gray) * saturation, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        hsv = cv2.cvtColor(out, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(rng.integers(-7, 8))) % 180
        out = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if rng.random() < 0.3:
        coarse = rng.uniform(0.45, 1.25, (int(rng.integers(2, 5)), int(rng.integers(2, 5)))).astype(np.float32)
        field = cv2.resize(coarse, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_CUBIC)[..., None]
        out = np.clip(out * field, 0, 255).astype(np.uint8)
    return out.astype(np.uint8, copy=False)


def camera(rgb: Image, rng: Generator) -> Image:
    """What the camera does: defocus or shake, lost resolution, over-sharpening, noise, JPEG."""
    size = rgb.shape[0]
    out = rgb
    draw = rng.random()
    if draw < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 1.8))
    elif draw < 0.22:
        length = int(rng.integers(3, 9))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1.0 / length
        turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), rng.uniform(0, 180), 1.0)
        out = cv2.filter2D(out, -1, cv2.warpAffine(kernel, turn, (length, length)))
    elif draw < 0.40:
        small = int(size * rng.uniform(0.4, 0.9))
        out = cv2.resize(cv2.resize(out, (small, small), interpolation=cv2.INTER_AREA), (size, size))
    elif draw < 0.5:
        out = np.clip(out * 1.6 - cv2.GaussianBlur(out, (0, 0), 1.5) * 0.6, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        noise = rng.standard_normal((size, size, 1), np.float32) * rng.uniform(3, 14)
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(25, 85))
        data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        out = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return out.astype(np.uint8, copy=False)


def erase(rgb: Image, rng: Generator) -> Image:
    """Cover a random rectangle with a flat colour, so that no single spot decides (Zhong et al. 2020)."""
    size = rgb.shape[0]
    w, h = (int(size * rng.uniform(0.1, 0.4)) for _ in range(2))
    x, y = int(rng.integers(0, size - w)), int(rng.integers(0, size - h))
    out = rgb.copy()
    out[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return out
