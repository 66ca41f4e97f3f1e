"""Golden cases: drawn leaves with the outputs expected of them, so that a device can test a package it received.

The pictures are drawn here, from a seed; none is a photograph. Checking stands in the contract (`model/golden.py`),
because the device does it too.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.golden import CASES_FILE, LOGIT_TOLERANCE
from pikvani_contract.model.inference import Invoke, look
from pikvani_contract.model.manifest import Manifest

COUNT = 6


def drawn_leaf(seed: int, side: int = 320) -> NDArray[np.uint8]:
    """A drawn leaf on drawn soil, `[side, side, 3]`: ellipse, veins and spots. Seed 0 is soil without a leaf."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 150, (10, 10, 1)) + np.array([18, 4, -22])
    picture = cv2.resize(np.clip(coarse, 0, 255).astype(np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
    if seed:
        green = tuple(int(v) for v in (rng.integers(50, 120), rng.integers(120, 190), rng.integers(30, 80)))
        middle, axes = (side // 2, side // 2), (int(side * 0.42), int(side * rng.uniform(0.14, 0.3)))
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(picture, middle, axes, angle, 0, 360, green, -1, cv2.LINE_AA)
        turn = np.deg2rad(angle)
        along = np.array([np.cos(turn), np.sin(turn)]) * axes[0]
        pale = tuple(min(v + 40, 255) for v in green)
        ends = [tuple(int(v) for v in np.array(middle) + s * along) for s in (-1, 1)]
        cv2.line(picture, ends[0], ends[1], pale, 3, cv2.LINE_AA)
        for _ in range(int(rng.integers(0, 14))):
            spot = np.array(middle) + rng.uniform(-0.8, 0.8) * along + rng.normal(0, side * 0.03, 2)
            brown = tuple(int(v) for v in (rng.integers(90, 170), rng.integers(60, 110), rng.integers(20, 60)))
            place = (int(spot[0]), int(spot[1]))
            cv2.circle(picture, place, int(rng.integers(2, 11)), brown, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), 0.8).astype(np.uint8, copy=False)


def write_golden(manifest: Manifest, invoke: Invoke, folder: Path) -> list[Path]:
    """Draw the cases, run them through `invoke` and write `golden/`. Returns the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written, cases = [], []
    for seed in range(COUNT):
        rgb = drawn_leaf(seed)
        path = folder / f"drawn_{seed}.png"
        cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        first = manifest.input.views[:1]
        logits = look(_with_views(manifest, first), rgb, invoke).logits
        cases.append({"image": path.name, "logits": [round(float(v), 4) for v in logits]})
        written.append(path)
    document = {"about": "drawn, not photographed", "tolerance": LOGIT_TOLERANCE, "cases": cases}
    path = folder / CASES_FILE
    path.write_text(json.dumps(document, indent=1) + "\n")
    return [*written, path]


def _with_views(manifest: Manifest, views: tuple) -> Manifest:  # type: ignore[type-arg]
    import msgspec

    return msgspec.structs.replace(manifest, input=msgspec.structs.replace(manifest.input, views=views))
