"""The parts of the pipeline that need no torch and no photographs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pikvani_contract.model.posterior import Diagnosis
from pikvani_models import augment
from pikvani_models.audit import Row, consistency, distance_of, mass_inside, rates
from pikvani_models.cutout import is_cutout, leaf_mask
from pikvani_models.evaluation import summary
from pikvani_models.explain import rank_agreement
from pikvani_models.fitting import lowest_threshold, more_than_chance
from pikvani_models.golden import drawn_leaf
from pikvani_models.measuring import KEPT_BAR, Answer, calibration_error, macro_f1, refusal_metrics
from pikvani_models.records import Record, half_of, near_duplicate_groups, perceptual_hash, split_of
from pikvani_models.registry import CROPS, NONE, SOURCES
from pikvani_models.scope import scope_of


def test_every_class_of_every_source_has_a_label_and_a_licence_entry() -> None:
    labels = scope_of().labels
    for source in SOURCES:
        assert source.licence
        assert {source.label(folder) for folder in source.classes} <= set(labels)
    assert labels[-1] == NONE
    assert len(CROPS) == 10


def test_given_a_brighter_copy_then_it_is_a_near_duplicate_and_another_leaf_is_not() -> None:
    leaf, other = drawn_leaf(1)[:, :, 1], drawn_leaf(2)[:, :, 1]
    brighter = np.clip(leaf * 1.1 + 8, 0, 255).astype(np.uint8)
    hashes = np.stack([perceptual_hash(picture) for picture in (leaf, brighter, other)])
    groups = near_duplicate_groups(hashes)
    assert groups[0] == groups[1] != groups[2]


@given(st.text(min_size=1, max_size=40))
def test_a_group_keeps_its_split(group: str) -> None:
    assert split_of(group) == split_of(group)
    assert split_of(group) in {"train", "val", "test"}
    assert half_of(group) in {0, 1}


def test_splits_have_about_the_wished_shares() -> None:
    splits = [split_of(f"group {i}") for i in range(4000)]
    assert 0.12 < splits.count("test") / 4000 < 0.16
    assert 0.08 < splits.count("val") / 4000 < 0.12


def test_a_drawn_leaf_on_a_gray_table_is_cut_out() -> None:
    table = np.full((200, 200, 3), 128, np.uint8)
    table[50:150, 60:140] = (60, 150, 50)
    mask = leaf_mask(table)
    assert is_cutout(mask)
    assert mask[100, 100] == 255
    assert mask[10, 10] == 0


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(40, 300), st.integers(40, 300))
def test_augmentation_keeps_shape_and_type(seed: int, h: int, w: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
    mask = np.zeros((h, w), np.uint8)
    mask[h // 4 : h // 2, w // 4 : w // 2] = 255
    scene = augment.random_view(picture, 64, rng)
    out = augment.paste(scene, augment.towards(picture, scene, rng), mask, rng, 0.8)
    out = augment.erase(augment.camera(augment.light(out, rng), rng), rng)
    assert (out.shape, out.dtype) == ((64, 64, 3), np.uint8)


def test_calibration_error_of_honest_and_of_boastful_confidence() -> None:
    right = np.array([True] * 7 + [False] * 3)
    assert calibration_error(np.full(10, 0.7), right) == pytest.approx(0.0)
    assert calibration_error(np.full(10, 1.0), right) == pytest.approx(0.3)


def test_macro_f1_counts_every_label_alike() -> None:
    assert macro_f1(["a"] * 9 + ["b"], ["a"] * 10) == pytest.approx((18 / 19 + 0) / 2)


def test_a_group_below_four_fifths_of_the_best_is_flagged() -> None:
    def row(crop: str, right: bool) -> Row:
        return Row(crop, "s", "field", "bright", "near", True, right, None, 0.0, (0.0,), (1.0,))

    rows = [row("cotton", True)] * 10 + [row("maize", True)] * 7 + [row("maize", False)] * 3
    flagged = {(g.by, g.group) for g in rates(rows) if g.flagged}
    assert flagged == {("crop", "maize")}


def _placed(x: float, posterior: tuple[float, ...]) -> Row:
    return Row("cotton", "s", "field", "bright", "near", True, True, None, 0.0, (x, 0.0), posterior)


def test_given_near_photographs_with_unlike_answers_then_the_audit_counts_their_pairs() -> None:
    alike = [_placed(x, (1.0, 0.0)) for x in (0.0, 0.1)] + [_placed(x, (0.0, 1.0)) for x in (5.0, 5.1)]
    found = consistency(alike)
    assert (found.mean_distance, found.far_share) == (0.0, 0.0)
    unlike = [_placed(x, (1.0, 0.0) if k % 2 else (0.0, 1.0)) for k, x in enumerate((0.0, 0.1, 5.0, 5.1))]
    found = consistency(unlike)
    assert (found.mean_distance, found.far_share) == (1.0, 1.0)
    assert consistency(unlike[:1]).pairs == 0


def test_refusal_is_reported_at_the_bar_that_keeps_nine_in_ten_known_photographs() -> None:
    def said(confidence: float, label: str = "cotton/healthy") -> Diagnosis:
        return Diagnosis("answer", "sure", label, confidence, {label: 1.0}, 1.0)

    rows = [("", said(c), said(c)) for c in (0.1, 0.3, 0.5, 0.9)]
    assert summary("refusal", rows, bar=0.6).refused_at_90_kept == 0.75
    assert summary("refusal", rows).refused_at_90_kept is None
    known = [Answer(_record("cotton_zade_field"), said(c), said(c)) for c in np.linspace(0, 1, 11)]
    metrics = refusal_metrics(known, [Answer(_record("ood_background"), None, said(0.05))])
    assert {(m.name, m.source): m.value for m in metrics} == {
        (KEPT_BAR, ""): 0.1,
        ("refused_at_90_kept", "ood_background"): 1.0,
    }


def _record(source: str) -> Record:
    return Record(f"{source}/x.jpg", source, "x", "cotton/healthy", "g", "test")


def test_the_mass_of_a_map_that_lies_on_the_leaf_is_one() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[:2] = 1.0
    mask = np.zeros((64, 64), np.uint8)
    mask[:48] = 255
    assert mass_inside(heat, mask) > 0.95


def test_the_lowest_threshold_keeps_the_risk() -> None:
    pairs = [(0.9, True)] * 30 + [(0.6, True)] * 10 + [(0.3, False)] * 20
    assert lowest_threshold(pairs, risk=0.1) == pytest.approx(0.3, abs=0.31)
    assert lowest_threshold([(0.9, False)] * 30) == 1.0


def test_given_a_class_map_then_a_small_peak_is_far_and_a_broad_one_near() -> None:
    peak, broad = np.zeros((6, 6), np.float32), np.zeros((6, 6), np.float32)
    peak[2, 2] = 5
    broad[1:5, 1:5] = 5
    assert (distance_of(peak), distance_of(broad)) == ("far", "near")


def test_given_two_maps_then_their_agreement_is_a_rank_correlation() -> None:
    rng = np.random.default_rng(1)
    heat = rng.random((6, 6)).astype(np.float32)
    assert rank_agreement(np.kron(heat, np.ones((8, 8))), heat**3) == pytest.approx(1.0)
    assert rank_agreement(-heat, heat) == pytest.approx(-1.0)
    assert rank_agreement(np.ones((6, 6)), heat) == 0.0


@pytest.mark.parametrize(
    ("righted", "wronged", "pays"), [(0, 0, False), (20, 19, False), (4, 0, False), (5, 0, True), (40, 20, True)]
)
def test_given_a_second_look_that_rights_no_more_than_a_coin_would_then_it_is_not_worth_its_time(
    righted: int, wronged: int, pays: bool
) -> None:
    assert more_than_chance(righted, wronged) == pays
    assert not more_than_chance(wronged, righted)
