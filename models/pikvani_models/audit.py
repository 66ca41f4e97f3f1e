"""The responsibility audit of a package: who gets answers, who gets right ones, and what the model looks at.

Groups are crops, sources, photo kinds, light and distance. The 4/5 rule flags a group whose rate is below four fifths
of the best group's (US EEOC Uniform Guidelines 1978). It measures; whether a package may ship is `validation.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.inference import Invoke, look
from pikvani_contract.model.manifest import Manifest
from pikvani_contract.model.posterior import decide
from pikvani_contract.model.preprocess import square
from pikvani_models.cutout import is_cutout, leaf_mask
from pikvani_models.measuring import matches
from pikvani_models.photos import read_rgb
from pikvani_models.records import Record
from pikvani_models.registry import BY_NAME, NONE

FOUR_FIFTHS = 0.8
NEAR_SHARE = 0.2
"""A photograph counts as near when the class map is above half its height on at least this share of the view."""
LIGHT = ((0.33, "dark"), (0.55, "middling"), (1.01, "bright"))


@dataclass(frozen=True)
class Row:
    """One photograph's outcome. `leaf_mass` is the share of the class map inside the leaf, where one can be cut out."""

    crop: str
    source: str
    kind: str
    light: str
    distance: str
    answered: bool
    right: bool
    leaf_mass: float | None
    near: float
    embedding: tuple[float, ...]
    posterior: tuple[float, ...]


@dataclass(frozen=True)
class Consistency:
    """Individual fairness (Dwork et al. 2012): photographs the model sees as near get near answers.

    Of every photograph and its nearest neighbour of the same crop in the embedding, among the nearer half of such
    pairs: the mean total-variation distance of their posteriors (0 to 1), the share of pairs further apart than one
    half, and the same mean over random pairs of the crop, which says what a small number is worth.
    """

    pairs: int
    mean_distance: float
    far_share: float
    random_distance: float


@dataclass(frozen=True)
class GroupRates:
    """Rates of one group: answered, right of all, right of answered, and the disparate-impact ratios of two."""

    by: str
    group: str
    count: int
    selection_rate: float
    true_positive_rate: float
    predictive_value: float
    impact_answered: float
    impact_right: float

    @property
    def flagged(self) -> bool:
        """Whether the 4/5 rule is broken, for answers given or answers right."""
        return min(self.impact_answered, self.impact_right) < FOUR_FIFTHS


def observe(manifest: Manifest, root: Path, records: Sequence[Record], invoke: Invoke) -> list[Row]:
    """Diagnose photographs of known crops (crop told) and note what the audit needs."""
    return [_observe(manifest, read_rgb(root / r.path), r, invoke) for r in records if r.label != NONE]


def _observe(manifest: Manifest, rgb: NDArray[np.uint8], record: Record, invoke: Invoke) -> Row:
    crop = record.label.split("/")[0]
    evidence = look(manifest, rgb, invoke, crop)
    said = decide(manifest, [evidence], crop)
    mirrored = np.ascontiguousarray(np.clip(rgb[:, ::-1].astype(np.float32) * 1.06, 0, 255).astype(np.uint8))
    again = decide(manifest, [look(manifest, mirrored, invoke, crop)], crop)
    names = said.probabilities
    near = 0.5 * sum(abs(names[n] - again.probabilities[n]) for n in names)
    heat = evidence.maps[:, :, manifest.labels.index(said.label)]
    mass = None
    if BY_NAME[record.source].kind == "laboratory" and is_cutout(mask := leaf_mask(rgb)):
        left, top, side = square(rgb, manifest.input.views[0])
        mass = mass_inside(heat, mask[top : top + side, left : left + side])
    return Row(
        crop=crop,
        source=record.source,
        kind=BY_NAME[record.source].kind,
        light=light_of(rgb),
        distance=distance_of(heat),
        answered=said.decision == "answer",
        right=matches(record, said.label),
        leaf_mass=mass,
        near=near,
        embedding=tuple(float(v) for v in evidence.embedding),
        posterior=tuple(names[n] for n in sorted(names)),
    )


def consistency(rows: Sequence[Row], seed: int = 0) -> Consistency:
    """Whether near photographs get near answers; see `Consistency`. Crops of a single photograph are left out."""
    rng = np.random.default_rng(seed)
    gaps: list[float] = []
    apart: list[float] = []
    by_chance: list[float] = []
    for crop in sorted({r.crop for r in rows}):
        mine = [r for r in rows if r.crop == crop]
        if len(mine) < 2:
            continue
        places = np.array([r.embedding for r in mine])
        said = np.array([r.posterior for r in mine])
        away = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(away, np.inf)
        nearest = away.argmin(axis=1)
        gaps += away.min(axis=1).tolist()
        apart += (np.abs(said - said[nearest]).sum(axis=1) / 2).tolist()
        by_chance += (np.abs(said - said[rng.permutation(len(mine))]).sum(axis=1) / 2).tolist()
    if not gaps:
        return Consistency(0, 0.0, 0.0, 0.0)
    close = np.array(apart)[np.array(gaps) <= np.median(gaps)]
    far = float((close > 0.5).mean())
    return Consistency(len(close), round(float(close.mean()), 4), round(far, 4), round(float(np.mean(by_chance)), 4))


def light_of(rgb: NDArray[np.uint8]) -> str:
    """Dark, middling or bright, by mean luma."""
    luma = float(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).mean()) / 255.0
    return next(name for bound, name in LIGHT if luma < bound)


def distance_of(heat: NDArray[np.float32]) -> str:
    """Near or far, by how much of the view the class map fills: no photograph says how far the camera was."""
    height = heat - heat.min()
    return "near" if float((height > height.max() / 2).mean()) >= NEAR_SHARE else "far"


def mass_inside(heat: NDArray[np.float32], mask: NDArray[np.uint8]) -> float:
    """Share of the positive part of a class map that lies inside a mask of the same view."""
    positive = np.clip(heat - heat.min(), 0, None)
    positive = np.where(positive >= np.median(positive), positive, 0.0).astype(np.float32)
    large = cv2.resize(positive, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_LINEAR)
    return float(large[mask > 0].sum() / max(float(large.sum()), 1e-9))


def rates(rows: Sequence[Row]) -> list[GroupRates]:
    """Rates of every group of every kind, with ratios to the best group of the same kind."""
    keys: dict[str, Callable[[Row], str]] = {
        "crop": lambda r: r.crop,
        "source": lambda r: r.source,
        "kind": lambda r: r.kind,
        "light": lambda r: r.light,
        "distance": lambda r: r.distance,
    }
    out: list[GroupRates] = []
    for by, key in keys.items():
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(key(row), []).append(row)
        chosen = {g: float(np.mean([r.answered for r in part])) for g, part in groups.items()}
        hit = {g: float(np.mean([r.right for r in part])) for g, part in groups.items()}
        for group, part in sorted(groups.items()):
            answered = [r.right for r in part if r.answered]
            out.append(
                GroupRates(
                    by,
                    group,
                    len(part),
                    round(chosen[group], 4),
                    round(hit[group], 4),
                    round(float(np.mean(answered)), 4) if answered else 0.0,
                    round(chosen[group] / max(*chosen.values(), 1e-9), 4),
                    round(hit[group] / max(*hit.values(), 1e-9), 4),
                )
            )
    return out


def overlay(rgb: NDArray[np.uint8], heat: NDArray[np.float32], manifest: Manifest) -> NDArray[np.uint8]:
    """The first view's square of a photograph with a class map over it, red where it speaks for the label."""
    left, top, side = square(rgb, manifest.input.views[0])
    cut = rgb[top : top + side, left : left + side]
    positive = np.clip(heat - np.median(heat), 0, None)
    scaled = (255 * positive / max(float(positive.max()), 1e-9)).astype(np.uint8)
    large = cv2.resize(scaled, (side, side), interpolation=cv2.INTER_CUBIC)
    coloured = cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(cut, 0.6, coloured, 0.4, 0).astype(np.uint8, copy=False)
