"""Makes training views: laboratory leaves pasted into field scenes, hard light, colour, blur and crops.

Everything fights one shortcut: that a background or a camera gives the class away.
"""

from __future__ import annotations

import random

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def random_crop(image: Image, rng: random.Random, size: int, least: float = 0.3) -> Image:
    """A square-ish crop of `least` to all of the area, resized to `size` x `size`."""
    height, width = image.shape[:2]
    for _ in range(8):
        area = height * width * rng.uniform(least, 1.0)
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if w <= width and h <= height:
            x, y = rng.randint(0, width - w), rng.randint(0, height - h)
            return _resize(image[y : y + h, x : x + w], size)
    return centre_crop(image, size)


def centre_crop(image: Image, size: int, fraction: float = 1.0) -> Image:
    """The central square of `fraction` of the short side, resized to `size` x `size`."""
    height, width = image.shape[:2]
    side = max(1, round(min(height, width) * fraction))
    y, x = (height - side) // 2, (width - side) // 2
    return _resize(image[y : y + side, x : x + side], size)


def _resize(image: Image, size: int) -> Image:
    shrinking = image.shape[0] > size
    return np.asarray(
        cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    )


def paste(leaf: Image, mask: Image, scene: Image, rng: random.Random, size: int) -> Image:
    """The masked leaf turned, scaled and laid over a scene, with a soft edge and the scene's light.

    Args:
        leaf: height x width x 3.
        mask: height x width, 0 or 255.
        scene: what lies behind, height x width x 3.
        rng: where chance comes from.
        size: side of the square result.
    """
    ground = random_crop(scene, rng, size)
    height, width = mask.shape
    scale = size / max(height, width) * rng.uniform(0.75, 1.6)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(0, 360), scale)
    turn[0, 2] += size * rng.uniform(0.4, 0.6) - width / 2
    turn[1, 2] += size * rng.uniform(0.4, 0.6) - height / 2
    if rng.random() < 0.5:
        leaf, mask = leaf[:, ::-1], mask[:, ::-1]
    over = cv2.warpAffine(leaf, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    alpha = cv2.warpAffine(mask, turn, (size, size), flags=cv2.INTER_LINEAR)
    if alpha.mean() < 20:
        return random_crop(leaf, rng, size)
    if rng.random() < 0.5:
        shift = (
            (ground.mean() - over[alpha > 127].mean()) * rng.uniform(0.2, 0.8) if (alpha > 127).any() else 0.0
        )
        over = np.clip(over + shift, 0, 255)
    if rng.random() < 0.5:
        shadow = cv2.GaussianBlur(np.roll(alpha, (rng.randint(2, 8), rng.randint(-8, 8)), (0, 1)), (0, 0), 5)
        ground = ground * (1 - shadow[:, :, None] / 255.0 * rng.uniform(0.2, 0.5))
    soft = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.5, 1.5))[:, :, None] / 255.0
    return np.asarray(over * soft + ground * (1 - soft), np.uint8)


def photograph(image: Image, rng: random.Random) -> Image:
    """What cameras and light do: turn, flip, gain, gamma, white balance, shade, haze, blur, noise, JPEG."""
    if rng.random() < 0.5:
        image = image[:, ::-1]
    image = np.rot90(image, rng.randint(0, 3))
    out = image.astype(np.float32)
    if rng.random() < 0.9:
        out = _colour(out, rng)
    if rng.random() < 0.3:
        out *= _shade(out.shape[0], rng)
    out = np.clip(out, 0, 255)
    chance = rng.random()
    if chance < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 1.8))
    elif chance < 0.25:
        length = rng.choice((3, 5, 7))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        out = cv2.filter2D(out, -1, kernel if rng.random() < 0.5 else kernel.T)
    elif chance < 0.35:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(3, 14), out.shape)
        out = out + noise.astype(np.float32)
    result = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(25, 75)])
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return result


def _colour(image: NDArray[np.float32], rng: random.Random) -> NDArray[np.float32]:
    image = 255 * (image / 255) ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    grey = image.mean(2, keepdims=True)
    image = grey + (image - grey) * np.float32(rng.uniform(0.5, 1.5))
    mean = image.mean()
    image = mean + (image - mean) * np.float32(rng.uniform(0.6, 1.5))
    balance = np.array([rng.uniform(0.8, 1.2) for _ in range(3)], np.float32)
    return np.asarray(image * balance * np.float32(rng.uniform(0.65, 1.4)), np.float32)


def _shade(size: int, rng: random.Random) -> NDArray[np.float32]:
    angle, edge = rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    side = 1 / (1 + np.exp(-(x * np.cos(angle) + y * np.sin(angle) - edge) * rng.uniform(2, 20)))
    return np.asarray(1 - side[:, :, None] * rng.uniform(0.2, 0.6), np.float32)
