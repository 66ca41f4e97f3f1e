"""What speaks for an answer: figures that fall where units are wrong, missing or too many, and the judge over them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.device.voice.test_lattice import every_path, frames, spelled

from pikvani_contract.speech.package import EVIDENCE, Judge, Rejection
from pikvani_contract.speech.phones import UNITS, phrase_pronunciations
from pikvani_device.voice.evidence import Hypothesis, evidence, likelier
from pikvani_device.voice.lattice import numbers, unit_gaps
from pikvani_device.voice.recognition import PhraseList, Sentence
from pikvani_device.voice.vocabulary import phrases_of_lines, vocabulary

SHARP = Judge({"a_heard": 4.0, "distance": -8.0}, 4.0, 0.5)
JUDGED = Rejection(scale=8.0, offset=4.0, accept=0.5, phrase=SHARP, sentence=SHARP)


def one(*words: str) -> Hypothesis:
    return Hypothesis(tuple(numbers(word.split()) for word in words), alone=len(words) == 1)


def test_given_what_was_said_then_every_figure_is_named_and_nothing_speaks_against_it() -> None:
    figures = evidence(spelled("k", "a", "p", "aa", "s"), one("k a p aa s"))
    assert figures is not None and tuple(figures) == EVIDENCE
    assert figures["distance"] == figures["bad_units"] == figures["words"] == 0 and figures["alone"] == 1
    assert figures["a_unit"] == figures["a_heard"] == pytest.approx(0, abs=0.2)


def test_given_one_wrong_word_of_four_then_the_worst_word_tells_it_and_the_mean_hides_it() -> None:
    clip = spelled(*["k", "a", "p", "aa", "s", "p", "aa", "n", "l", "aa", "l", "d", "aa", "g"])
    good = evidence(clip, one("k a p aa s", "p aa n", "l aa l", "d aa g"))
    bad = evidence(clip, one("k a p aa s", "p aa n", "g e r", "d aa g"))
    assert good is not None and bad is not None
    assert bad["worst_word"] < good["worst_word"] - 3
    assert bad["a_unit"] - good["a_unit"] > bad["worst_word"] - good["worst_word"]
    assert bad["distance"] == pytest.approx(3 / 14)


def test_given_a_long_clip_and_a_short_phrase_then_size_and_distance_tell_it() -> None:
    figures = evidence(spelled(*["k", "a", "p", "aa", "s"] * 4), one("k a p aa s"))
    assert figures is not None
    assert figures["size"] == pytest.approx(np.log(5 / 20)) and figures["distance"] == pytest.approx(15 / 20)


def test_given_fewer_frames_than_units_then_there_is_nothing_to_weigh() -> None:
    assert evidence(frames(1, 3), one("k a p aa s")) is None


def test_given_two_hypotheses_then_the_likelier_is_taken() -> None:
    said, other = one("k a p aa s"), one("p aa n", "l aa l")
    assert likelier(spelled(*["k", "a", "p", "aa", "s"]), [other, said]) is said


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(("a", "k", "t")), min_size=1, max_size=3), st.integers(3, 6))
def test_given_any_clip_then_the_gaps_of_units_add_up_to_the_best_path(seed: int, way: list[str], count: int) -> None:
    log_probs = frames(seed, count)
    if np.isinf(every_path(log_probs, tuple(way))):
        return
    best = _best_path(log_probs, [UNITS.index(unit) for unit in way])
    gaps = unit_gaps(log_probs, numbers(way))
    assert gaps.shape == (len(way),) and (gaps <= 0).all()
    assert gaps.sum() == pytest.approx(best - float(log_probs.max(axis=1).astype(np.float64).sum()), abs=1e-4)


def _best_path(log_probs: np.ndarray, wanted: list[int]) -> float:
    import itertools

    paths = itertools.product(sorted({0, *wanted}), repeat=len(log_probs))
    return max(
        sum(float(log_probs[t, k]) for t, k in enumerate(path))
        for path in paths
        if [k for k, _ in itertools.groupby(path) if k] == wanted
    )


def test_given_a_judge_then_the_words_of_a_list_are_believed_by_it() -> None:
    ear = PhraseList(phrases_of_lines(["कपास", "गेहूं", "टमाटर"], "hi", "list"), JUDGED)
    clear = spelled(*phrase_pronunciations("कपास", "hi")[0])
    heard = ear.understand(clear)
    assert heard.decision == "accept" and heard.phrase == "कपास"
    assert heard.confidence == pytest.approx(SHARP.confidence(heard.figures))
    strange = ear.understand(spelled(*phrase_pronunciations("नमस्ते आप कैसे हैं", "hi")[0]))
    assert strange.decision == "reject" and strange.phrase and strange.slots == {}


def test_given_a_judge_then_a_sentence_of_ours_is_believed_and_talk_with_one_of_our_words_is_not() -> None:
    ear = Sentence(vocabulary("hi"), JUDGED)
    ours = ear.understand(spelled(*phrase_pronunciations("कपास पत्ता पीला धब्बा", "hi")[0]))
    assert ours.decision == "accept" and ours.slots["crop"] == "crop_cotton"
    talk = ear.understand(spelled(*phrase_pronunciations("मंडी से कपास बेचकर हम मेले में घूमने गए", "hi")[0]))
    assert talk.decision == "reject" and talk.slots == {} and talk.phrase


def test_given_nobody_speaks_then_no_judge_is_asked() -> None:
    welcoming = Judge({}, 9.0, 0.1)
    for ear in (
        Sentence(vocabulary("hi"), Rejection(8.0, 4.0, 0.5, welcoming, welcoming)),
        PhraseList(vocabulary("hi"), Rejection(8.0, 4.0, 0.5, welcoming, welcoming)),
    ):
        heard = ear.understand(spelled())
        assert heard.decision == "reject" and heard.confidence == 0 and heard.figures == {}
