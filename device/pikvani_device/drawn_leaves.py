"""Draws leaves: for the demo without photographs, for the drawn camera, and for tests. It never calls them photos.

They have a leaf's colours, veins, spots and a soil-like ground, and are the same for the same seed. No model is
expected to be right about them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pikvani_device.ports import RgbImage

WIDTH_PX, HEIGHT_PX = 640, 480


def draw_leaf(seed: int) -> RgbImage:
    """One drawn leaf, `HEIGHT_PX` x `WIDTH_PX`. The seed decides everything.

    Args:
        seed: 0 or more.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.integers(70, 140, (24, 32, 1), dtype=np.uint8)
    ground = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    canvas = np.stack([ground * 1.05, ground * 0.85, ground * 0.65], axis=-1)
    canvas += np.asarray(rng.normal(0, 9, canvas.shape), np.float32)

    center = (WIDTH_PX // 2 + int(rng.integers(-40, 40)), HEIGHT_PX // 2 + int(rng.integers(-25, 25)))
    length, width = int(rng.integers(190, 260)), int(rng.integers(70, 130))
    angle = float(rng.uniform(0, 180))
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    cv2.ellipse(mask, center, (length, width), angle, 0, 360, 255, -1)
    green = np.array([rng.integers(40, 110), rng.integers(120, 175), rng.integers(30, 70)], np.float32)
    noise = np.asarray(rng.normal(0, 60, mask.shape), np.float32)
    shade = cv2.GaussianBlur(noise, (0, 0), 15)
    canvas[mask > 0] = (green + shade[..., None])[mask > 0]

    turn = np.deg2rad(angle)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    vein = tuple(float(v) for v in green * 1.25)
    _line(canvas, center - along * length, center + along * length, vein, 4)
    for share in np.linspace(-0.75, 0.75, 9):
        foot = center + along * length * share
        reach = width * 0.8 * np.sqrt(1 - share**2)
        for side in (-1, 1):
            _line(canvas, foot, foot + across * side * reach + along * 0.3 * reach, vein, 2)

    for _ in range(int(rng.integers(0, 14))):
        spot = center + along * rng.uniform(-0.7, 0.7) * length + across * rng.uniform(-0.5, 0.5) * width
        size = int(rng.integers(4, 16))
        for radius, colour in ((size + 3, (190, 170, 70)), (size, (120, 75, 40))):
            cv2.circle(canvas, (round(spot[0]), round(spot[1])), radius, colour, -1, cv2.LINE_AA)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def drawn_jpeg(seed: int) -> bytes:
    """The same leaf as the bytes of a JPEG file."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(draw_leaf(seed), cv2.COLOR_RGB2BGR))
    return encoded.tobytes()


def write_drawn_leaves(folder: Path, count: int) -> list[Path]:
    """Draw `count` leaves into files of `folder`, which is made; their names begin with `drawn`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"drawn-{number}.jpg" for number in range(1, count + 1)]
    for number, path in enumerate(paths, start=1):
        path.write_bytes(drawn_jpeg(number))
    return paths


def _line(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, colour: tuple[float, ...], width_px: int) -> None:
    points = [(round(float(p[0])), round(float(p[1]))) for p in (start, end)]
    cv2.line(canvas, points[0], points[1], colour, width_px, cv2.LINE_AA)
