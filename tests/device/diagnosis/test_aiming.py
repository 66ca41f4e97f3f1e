"""What is told while aiming, the heat over the photograph, and what a farmer's pictures weigh."""

import cv2
import numpy as np
import pytest

from pikvani_contract.model.manifest import ViewSpec
from pikvani_device.app.advice import load_advice
from pikvani_device.app.live import LiveView
from pikvani_device.diagnosis.advice.symptom_table import SymptomTable
from pikvani_device.diagnosis.aiming import glance, hint
from pikvani_device.diagnosis.heat import overlay
from pikvani_device.diagnosis.symptoms import SYMPTOMS, likelihoods, pictures_of
from pikvani_device.drawn_leaves import draw_leaf

LEAF = draw_leaf(3)


def far_away() -> np.ndarray:
    canvas = np.full((480, 640, 3), 128, np.uint8)
    canvas[200:260, 280:360] = cv2.resize(LEAF, (80, 60), interpolation=cv2.INTER_AREA)
    return canvas


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (LEAF, "good"),
        (LEAF // 8, "too_dark"),
        (255 - LEAF // 10, "too_bright"),
        (far_away(), "closer"),
        (cv2.GaussianBlur(LEAF, (0, 0), 40), "hold_still"),
    ],
)
def test_given_a_frame_then_the_hint_says_what_to_do(frame: np.ndarray, said: str) -> None:
    assert hint(frame, None) == said


def test_given_a_leaf_that_moves_then_hold_still_and_once_it_rests_it_is_good() -> None:
    moved = np.roll(LEAF, 40, axis=1)
    assert hint(LEAF, glance(moved)) == "hold_still"
    assert hint(LEAF, glance(LEAF)) == "good"


def test_given_a_live_view_then_a_picture_is_shared_while_it_is_fresh() -> None:
    class Counting:
        frames = 0

        def preview(self) -> np.ndarray:
            self.frames += 1
            return np.tile(LEAF, (2, 2, 1))

        def capture(self) -> np.ndarray:
            return LEAF

        def close(self) -> None: ...

    camera = Counting()
    live = LiveView(lambda: camera)
    looks = {id(live.look()) for _ in range(3)}
    assert camera.frames == len(looks)
    shown = cv2.imdecode(np.frombuffer(live.look().jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[1] <= 640
    assert live.capture() is LEAF


def test_given_heat_in_a_corner_then_the_photograph_is_orange_there_and_its_own_colour_elsewhere() -> None:
    heat = np.zeros((6, 6), np.float32)
    heat[0, 0] = 3
    shown = overlay(LEAF, heat, ViewSpec("whole", 1.0, "centre", "always"))
    assert shown is not None and shown.shape == LEAF.shape
    corner, beside = shown[20:60, 100:140].astype(int), shown[300:, 400:].astype(int)
    assert corner[..., 0].mean() > corner[..., 2].mean() + 80
    assert np.abs(beside - LEAF[300:, 400:] * 0.78).mean() < 3


@pytest.mark.parametrize("heat", [np.zeros((6, 6)), np.full((6, 6), np.nan), np.full((2, 2), 7.0)])
def test_given_a_map_that_says_nothing_then_there_is_no_overlay(heat: np.ndarray) -> None:
    assert overlay(LEAF, heat.astype(np.float32), ViewSpec("whole", 1.0, "centre", "always")) is None


TABLE = SymptomTable(load_advice("").package.symptoms)


def test_given_a_touched_picture_or_its_spoken_word_then_what_shows_it_gains_and_strangers_keep_their_weight() -> None:
    labels = ("maize/common_rust", "maize/healthy", "maize/strange")
    for told in (["rust"], ["sym_rust_powder"]):
        found = likelihoods(labels, told, TABLE)
        assert found is not None
        assert found[labels[0]] == 1.0 and found[labels[1]] < 0.5 and found[labels[2]] == 1.0


def test_given_ten_words_then_they_weigh_no_more_than_a_few_and_nothing_is_impossible() -> None:
    labels = ("cotton/fusarium_wilt", "cotton/healthy", "cotton/leaf_curl_virus")
    told = ["wilt", "yellow", "sym_dry", "sym_whole_drying", "col_yellow", "col_brown", "part_leaf", "part_vein"]
    found = likelihoods(labels, told, TABLE)
    assert found is not None and min(found.values()) > 0.01


@pytest.mark.parametrize(("told", "table"), [([], TABLE), (["unheard_of"], TABLE), (["rust"], None)])
def test_given_nothing_that_is_known_then_words_say_nothing(told: list[str], table: SymptomTable | None) -> None:
    assert likelihoods(("maize/common_rust", "maize/healthy"), told, table) is None


def test_given_spoken_meanings_then_they_are_the_pictures_that_stand_for_them() -> None:
    assert pictures_of(["sym_angular_spot", "sym_whitefly", "sym_gum"]) == {"spots", "insects"}
    everything = [meaning for stands_for in SYMPTOMS.values() for meaning in stands_for]
    assert len(everything) == len(set(everything))
