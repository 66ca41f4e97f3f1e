"""Diseases painted on healthy leaves: where paint goes, what a picture of it counts for, and what is painted at all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pikvani_models.looks import GROUNDS, LOOKS, OTHER_GROUNDS
from pikvani_models.painted import PaintedLeaves
from pikvani_models.painting import Look, green, paint, veins
from pikvani_models.records import Record
from pikvani_models.scope import scope_of
from pikvani_models.symptoms import SYMPTOM_OF

ALL = [(label, look) for label, looks in LOOKS.items() for look in looks]


def blade(angle: float = 0.0, side: int = 160) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A green strip with parallel veins at `angle` radians on brown soil, and where it is."""
    y, x = np.mgrid[0:side, 0:side] - side / 2
    across = -x * np.sin(angle) + y * np.cos(angle)
    leaf = np.abs(across) < side * 0.3
    rgb = np.full((side, side, 3), (110, 80, 60), np.uint8)
    rgb[leaf] = np.stack([60 + 0 * x, 140 + 25 * np.sin(across), 60 + 0 * x], -1)[leaf].astype(np.uint8)
    return rgb, (leaf * 255).astype(np.uint8)


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.abs(before.astype(int) - after).sum(2) > 30


@pytest.mark.parametrize("label, look", ALL, ids=[f"{label}-{i}" for i, (label, _) in enumerate(ALL)])
@given(seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_given_a_leaf_then_paint_stays_on_it_and_the_soil_as_it_was(label: str, look: Look, seed: int) -> None:
    rgb, leaf = blade()
    out = paint(rgb, leaf, look, np.random.default_rng(seed))
    assert out.shape == rgb.shape and out.dtype == np.uint8
    away = cv2.dilate(leaf, np.ones((9, 9), np.uint8)) == 0
    assert not changed(rgb, out)[away].any(), label


@pytest.mark.parametrize("label, look", ALL, ids=[f"{label}-{i}" for i, (label, _) in enumerate(ALL)])
def test_given_many_leaves_then_nearly_every_one_shows_something(label: str, look: Look) -> None:
    rgb, leaf = blade()
    shown = [changed(rgb, paint(rgb, leaf, look, np.random.default_rng(seed))).sum() > 15 for seed in range(30)]
    assert sum(shown) >= 27, label


def test_given_no_leaf_then_the_picture_stays_as_it_is() -> None:
    rgb, leaf = blade()
    assert np.array_equal(paint(rgb, np.zeros_like(leaf), ALL[0][1], np.random.default_rng(1)), rgb)


@pytest.mark.parametrize("angle", [0.0, 0.6, 1.57, 2.5])
def test_given_parallel_veins_then_lesions_lie_along_them(angle: float) -> None:
    rgb, leaf = blade(angle)
    found = veins(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))[60:100, 60:100]
    assert np.abs(np.sin(found - angle)).max() < 0.15
    spindle = Look("spindle", (0.4, 0.4), (6, 6), (1, 1), ((205, 190, 150), (205, 190, 150)))
    turns = []
    for seed in range(12):
        ys, xs = np.nonzero(changed(rgb, paint(rgb, leaf, spindle, np.random.default_rng(seed))))
        if len(xs) < 150:
            continue  # cut off by the leaf's edge
        axis = np.linalg.eigh(np.cov(np.stack([xs, ys])))[1][:, -1]
        turns.append(abs(np.sin(np.arctan2(axis[1], axis[0]) - angle)))
    assert len(turns) >= 5 and np.median(turns) < 0.2


def test_given_a_leaf_in_shadow_then_its_lesions_are_dark_too() -> None:
    rgb, leaf = blade()
    look = Look("blotch", (1.0, 1.0), (1, 1), (3, 3), ((200, 175, 125), (200, 175, 125)))
    lit, dim = (paint(p, leaf, look, np.random.default_rng(4)) for p in (rgb, (rgb * 0.35).astype(np.uint8)))
    where = changed(rgb, lit) & changed((rgb * 0.35).astype(np.uint8), dim)
    assert where.sum() > 200
    assert 0.2 < dim[where].mean() / lit[where].mean() < 0.6


def test_given_a_photograph_then_green_is_leaf_and_soil_is_not() -> None:
    rgb, leaf = blade()
    assert (green(rgb) == leaf).mean() > 0.97


def test_what_is_painted_is_of_the_registry_and_a_disease_has_a_healthy_leaf_beside_it() -> None:
    labels = scope_of().labels
    assert set(LOOKS) <= set(labels) & set(SYMPTOM_OF)
    for label, looks in LOOKS.items():
        assert bool(looks) != label.endswith("/healthy")
        assert f"{label.split('/')[0]}/healthy" in LOOKS, "or a painted crop would always be sick"
    grounds = {g for gs in GROUNDS.values() for g in gs} | set(OTHER_GROUNDS)
    assert grounds <= {label for label in labels if label.endswith("/healthy")}
    assert not {g.split("/")[0] for g in grounds} & {label.split("/")[0] for label in LOOKS}


def painted_on(*healthy: tuple[str, str]) -> PaintedLeaves:
    """What can be painted on one drawn blade for each (source, label)."""
    records = [
        Record(f"{source}/x{i}.jpg", source, "healthy", label, f"g{i}", "train")
        for i, (source, label) in enumerate(healthy)
    ]
    rgb, leaf = blade()
    masks = [leaf if source.endswith("_lab") else None for source, _ in healthy]
    return PaintedLeaves(records, scope_of().labels, [rgb] * len(records), masks)


def test_given_healthy_leaves_of_a_field_and_of_the_crops_laboratory_then_its_diseases_can_be_painted() -> None:
    labels = scope_of().labels
    assert not len(painted_on(("sugarcane_daphal_field", "sugarcane/healthy")).targets), "no leaf of the crop itself"
    assert not len(painted_on(("pv_corn_lab", "maize/healthy")).targets), "no field"
    leaves = painted_on(("sugarcane_daphal_field", "sugarcane/healthy"), ("pv_corn_lab", "maize/healthy"))
    assert {labels[t] for t in leaves.targets} == {label for label in LOOKS if label.startswith("maize/")}


def test_given_a_painted_label_then_its_pictures_have_the_size_asked_for_and_differ_each_time() -> None:
    leaves = painted_on(("sugarcane_daphal_field", "sugarcane/healthy"), ("pv_corn_lab", "maize/healthy"))
    rng = np.random.default_rng(0)
    scene = np.full((96, 96, 3), 90, np.uint8)
    for target in leaves.targets:
        pictures = [leaves.picture(int(target), 96, rng, lambda: scene) for _ in range(12)]
        assert {p.shape for p in pictures} == {(96, 96, 3)} and {p.dtype for p in pictures} == {np.dtype(np.uint8)}
        assert len({p.tobytes() for p in pictures}) == 12
