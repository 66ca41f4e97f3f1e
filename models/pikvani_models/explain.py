"""Why the model said it, for agronomists: SHAP values of the photograph's regions beside the device's own class map.

SHAP (Lundberg and Lee 2017) through the `shap` package's partition explainer, with regions hidden by inpainting; some
hundred looks a photograph, offline. The class map is what the device shows at no cost; the rank correlation of the two
says how far it may be trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.inference import Invoke, look
from pikvani_contract.model.manifest import Manifest
from pikvani_contract.model.posterior import decide
from pikvani_contract.model.preprocess import square
from pikvani_models.audit import overlay
from pikvani_models.photos import read_rgb

SIDE = 96
"""Side in pixels of the picture SHAP hides regions of; finer regions than this model's 32-pixel steps say nothing."""


@dataclass(frozen=True)
class Explained:
    """One photograph explained.

    Attributes:
        path: of the photograph.
        label: what was said of it.
        confidence: how sure.
        decision: `answer`, `more` or `refuse`.
        agreement: Spearman's rank correlation of SHAP values and class map over a 6 x 6 grid, -1 to 1.
        strongest: centre of the region that speaks most for the label, `(x, y)` as shares of the view.
    """

    path: str
    label: str
    confidence: float
    decision: str
    agreement: float
    strongest: tuple[float, float]


def explain(
    manifest: Manifest, invoke: Invoke, path: Path, crop: str | None, out: Path, evaluations: int = 400
) -> Explained:
    """Explain one photograph and write `out/NAME.png`: photograph, class map, SHAP.

    Args:
        manifest: of the package.
        invoke: runs its model.
        path: of the photograph.
        crop: if the farmer named it.
        out: folder for the picture, made when missing.
        evaluations: looks at hidden variants, at least 50.

    Raises:
        DataError: the photograph cannot be read.
    """
    rgb = read_rgb(path)
    evidence = look(manifest, rgb, invoke, crop)
    said = decide(manifest, [evidence], crop)
    index = manifest.labels.index(said.label)
    left, top, side = square(rgb, manifest.input.views[0])
    view = cv2.resize(rgb[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    values = _shap(view, _probability_of(manifest, invoke, crop, said.label), evaluations)
    heat = evidence.maps[:, :, index]
    out.mkdir(parents=True, exist_ok=True)
    cut = cv2.resize(rgb[top : top + side, left : left + side], (384, 384), interpolation=cv2.INTER_AREA)
    shown = cv2.resize(overlay(rgb, heat, manifest), (384, 384), interpolation=cv2.INTER_AREA)
    panel = np.concatenate([cut, shown, _coloured(cut, values)], axis=1)
    target = out / f"{path.stem}.png"
    if not cv2.imwrite(str(target), cv2.cvtColor(panel, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{target} cannot be written")
    y, x = np.unravel_index(int(values.argmax()), values.shape)
    return Explained(
        str(path),
        said.label,
        round(said.confidence, 4),
        said.decision,
        round(rank_agreement(values, heat), 3),
        (round((x + 0.5) / SIDE, 3), round((y + 0.5) / SIDE, 3)),
    )


def rank_agreement(values: NDArray[Any], heat: NDArray[Any]) -> float:
    """Spearman's correlation of two maps averaged onto the same 6 x 6 grid; 0 where one of them is flat."""
    from scipy.stats import spearmanr

    small = [cv2.resize(m.astype(np.float32), (6, 6), interpolation=cv2.INTER_AREA).ravel() for m in (values, heat)]
    if any(float(np.ptp(m)) < 1e-9 for m in small):
        return 0.0
    return float(spearmanr(*small).statistic)


def _probability_of(
    manifest: Manifest, invoke: Invoke, crop: str | None, label: str
) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    def score(pictures: NDArray[Any]) -> NDArray[np.float64]:
        found = []
        for picture in pictures:
            rgb = np.clip(picture, 0, 255).astype(np.uint8)
            large = cv2.resize(rgb, (manifest.input.size, manifest.input.size), interpolation=cv2.INTER_LINEAR)
            said = decide(manifest, [look(manifest, large, invoke, crop)], crop)
            p = min(max(said.probabilities[label], 1e-6), 1 - 1e-6)
            found.append([np.log(p / (1 - p))])  # adds up where probabilities do not
        return np.array(found)

    return score


def _shap(
    view: NDArray[np.uint8], score: Callable[[NDArray[Any]], NDArray[np.float64]], evaluations: int
) -> NDArray[np.float64]:
    import shap

    masker = shap.maskers.Image("inpaint_telea", view.shape)
    explainer = shap.PartitionExplainer(score, masker)
    found = explainer(view[None], max_evals=evaluations, batch_size=16, silent=True)
    return np.asarray(found.values, np.float64)[0].reshape(*view.shape, -1).sum(axis=(2, 3))


def _coloured(cut: NDArray[np.uint8], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Red where a region speaks for the label, blue where against."""
    bound = float(np.abs(values).max()) or 1.0
    large = cv2.resize((values / bound).astype(np.float32), (cut.shape[1], cut.shape[0]), interpolation=cv2.INTER_CUBIC)
    colours = np.zeros_like(cut)
    colours[..., 0] = (255 * np.clip(large, 0, 1)).astype(np.uint8)
    colours[..., 2] = (255 * np.clip(-large, 0, 1)).astype(np.uint8)
    return cv2.addWeighted(cut, 0.55, colours, 0.9, 0).astype(np.uint8, copy=False)
