"""One case from bytes to decision, over the fake runtime and a package of a few bytes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pikvani_contract.model import load_package
from pikvani_device.adapters.runtime_fake import FakeRuntime
from pikvani_device.diagnosis.photo import photo_of_frame
from pikvani_device.diagnosis.pipeline import Pipeline
from pikvani_device.drawn_leaves import draw_leaf, drawn_jpeg
from pikvani_device.errors import ModelError, PhotoError

SHAPES = {"logits": (1, 5), "maps": (1, 2, 2, 5), "embedding": (1, 4)}


@pytest.fixture
def pipeline(sample_package: Path) -> Pipeline:
    return Pipeline(load_package(sample_package).manifest, FakeRuntime(SHAPES))


def leaf(seed: int = 1):
    return photo_of_frame(draw_leaf(seed), f"drawn {seed}")


def blurred():
    return photo_of_frame(cv2.GaussianBlur(draw_leaf(1), (0, 0), 25), "blurred")


def test_given_a_leaf_then_the_diagnosis_names_condition_model_and_runtime(pipeline: Pipeline) -> None:
    diagnosis, photos = pipeline.read_and_diagnose([("a.jpg", drawn_jpeg(1))])
    assert diagnosis.condition in diagnosis.probabilities
    assert diagnosis.crop == diagnosis.condition.split("/")[0]
    assert sum(diagnosis.probabilities.values()) == pytest.approx(1)
    assert (diagnosis.model, diagnosis.runtime) == ("sample@1.2.3", "fake")
    assert diagnosis.latency_ms > 0
    assert len(photos) == len(diagnosis.quality) == 1


def test_given_the_crop_then_only_its_conditions_are_named(pipeline: Pipeline) -> None:
    diagnosis = pipeline.diagnose([leaf()], "maize")
    assert set(diagnosis.probabilities) == {"maize/common_rust", "maize/healthy"}


def test_given_only_blurred_photos_then_it_asks_again_and_still_says_what_it_saw(pipeline: Pipeline) -> None:
    diagnosis = pipeline.diagnose([blurred()])
    assert (diagnosis.decision, diagnosis.reason) == ("more", "blurred")
    assert diagnosis.condition
    assert 0 <= diagnosis.confidence <= 1


def test_given_a_good_photo_beside_a_blurred_one_then_only_the_good_one_counts(pipeline: Pipeline) -> None:
    both, alone = pipeline.diagnose([blurred(), leaf()]), pipeline.diagnose([leaf()])
    assert both.confidence == alone.confidence
    assert [report.accepted for report in both.quality] == [False, True]
    assert both.best_quality is both.quality[1]


def test_given_the_same_photo_twice_then_the_answer_is_the_same_each_time(pipeline: Pipeline) -> None:
    assert pipeline.diagnose([leaf()]).probabilities == pipeline.diagnose([leaf()]).probabilities


def test_given_too_many_photos_or_none_or_an_unknown_crop_then_it_says_so(pipeline: Pipeline) -> None:
    for photos, crop in (([leaf()] * 7, None), ([], None), ([leaf()], "banana")):
        with pytest.raises(ModelError):
            pipeline.diagnose(photos, crop)


def test_given_one_unreadable_file_then_the_case_is_refused_by_its_name(pipeline: Pipeline) -> None:
    with pytest.raises(PhotoError, match=r"b\.jpg"):
        pipeline.read_and_diagnose([("a.jpg", drawn_jpeg(1)), ("b.jpg", b"text")])


def test_given_a_runtime_that_does_not_fit_the_manifest_then_it_is_a_model_error(sample_package: Path) -> None:
    wrong = FakeRuntime(SHAPES | {"logits": (1, 9)})
    with pytest.raises(ModelError, match="logits"):
        Pipeline(load_package(sample_package).manifest, wrong).diagnose([leaf()])


def test_given_different_seeds_then_the_drawn_leaves_differ_and_each_is_always_the_same() -> None:
    assert np.array_equal(draw_leaf(4), draw_leaf(4))
    assert not np.array_equal(draw_leaf(4), draw_leaf(5))
