"""What the gate turns down, and that it lets the field photographs through."""

import random
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from pikvani_device.diagnosis.photo import Photo, photo_of_frame, read_photo
from pikvani_device.diagnosis.quality_gate import assess
from pikvani_device.drawn_leaves import draw_leaf


def leaf(change=lambda pixels: pixels) -> Photo:
    return photo_of_frame(np.clip(change(draw_leaf(2).astype(np.float32)), 0, 255).astype(np.uint8), "drawn")


def test_given_a_plain_leaf_then_it_is_accepted_with_its_shares() -> None:
    report = assess(leaf())
    assert report.accepted
    for share in (report.sharpness, report.brightness, report.leaf_share):
        assert 0 < share <= 1


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("too_dark", lambda p: p * 0.1),
        ("too_bright", lambda p: 230 + p * 0.1),
        ("blurred", lambda p: cv2.GaussianBlur(p, (0, 0), 25)),
        ("no_leaf", lambda p: np.repeat(p.mean(axis=2, keepdims=True), 3, axis=2)),
        ("too_small", lambda p: cv2.resize(p, (100, 75))),
    ],
)
def test_given_what_a_person_could_put_right_then_the_gate_names_it(reason: str, change) -> None:
    assert assess(leaf(change)).reason == reason


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("shape", [(16, 16), (97, 700), (480, 640)])
def test_given_a_flat_picture_then_it_is_turned_down(value: int, shape: tuple[int, int]) -> None:
    assert not assess(photo_of_frame(np.full((*shape, 3), value, np.uint8), "flat")).accepted


@pytest.mark.needs_photos
def test_given_field_photographs_then_at_most_one_in_a_hundred_is_turned_down(leaf_photos: Path) -> None:
    turned_down: dict[str, float] = {}
    for folder in sorted(leaf_photos.glob("*_field")):
        paths = sorted(folder.glob("*/*.jpg"))
        paths = random.Random(1).sample(paths, min(150, len(paths)))
        reasons = [assess(read_photo(path.read_bytes(), path.name)).reason for path in paths]
        turned_down[folder.name] = sum(map(bool, reasons)) / len(reasons)
    assert turned_down
    assert max(turned_down.values()) <= 0.014, turned_down


@pytest.mark.needs_photos
def test_given_a_field_photograph_then_the_gate_costs_a_few_readings_of_it_at_most(leaf_photos: Path) -> None:
    times_s = []
    for path in sorted(leaf_photos.glob("*_field/*/*.jpg"))[::100]:
        data = path.read_bytes()
        started_s = time.thread_time()
        photo = read_photo(data, path.name)
        read_s = time.thread_time()
        assess(photo)
        times_s.append((read_s - started_s, time.thread_time() - read_s))
    reading_s, assessing_s = map(statistics.median, zip(*times_s, strict=True))
    assert assessing_s < 6 * reading_s, "about twice on a quiet machine"
