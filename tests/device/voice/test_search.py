"""Words found in a sentence: in their order, with strange sounds between, and no slot named twice without need."""

from __future__ import annotations

from tests.device.voice.test_lattice import spelled

from pikvani_contract.speech.phones import UNITS
from pikvani_device.voice.lattice import Ways
from pikvani_device.voice.search import Grammar, loop


def test_given_two_words_in_one_clip_then_the_loop_finds_both_in_order() -> None:
    words = [("p", "aa", "n"), ("k", "aa", "l"), ("l", "aa", "l")]
    heard = loop(spelled("k", "aa", "l", "p", "aa", "n"), Ways(words), Grammar(-2.0, -1.1))
    assert [h.way for h in heard] == [1, 0]
    assert heard[0].end <= heard[1].start
    assert all(h.score > -0.3 for h in heard)


def test_given_a_word_between_strange_sounds_then_the_rest_is_garbage() -> None:
    words = [("p", "aa", "n"), ("k", "aa", "l")]
    clip = spelled("gh", "u", "tth", "e", "p", "aa", "n", "bh", "o", "sh", "i", "z")
    heard = loop(clip, Ways(words), Grammar(-2.0, -0.5))
    assert [h.way for h in heard if h.way >= 0] == [0]
    assert sum(h.end - h.start for h in heard if h.way < 0) >= 12


def test_given_a_word_that_fits_two_kinds_then_one_already_had_costs_more() -> None:
    """A crop, then a sound between a crop's and a symptom's: it is no second crop."""
    words = [("k", "aa", "l"), ("p", "aa", "n"), ("b", "aa", "n")]
    clip = spelled("k", "aa", "l", "p", "aa", "n")
    clip[clip[:, UNITS.index("p")] > -1, UNITS.index("b")] = -0.4
    alike = Grammar(-2.0, -1.1, kinds=(0, 0, 1), again=(0.0, 0.0))
    once = Grammar(-2.0, -1.1, kinds=(0, 0, 1), again=(-6.0, 0.0))
    assert [h.way for h in loop(clip, Ways(words), alike)] == [0, 1]
    assert [h.way for h in loop(clip, Ways(words), once)] == [0, 2]


def test_given_a_kind_surely_said_twice_then_both_words_are_found() -> None:
    words = [("k", "aa", "l"), ("p", "aa", "n")]
    clip = spelled("k", "aa", "l", "p", "aa", "n", each=8)
    assert [h.way for h in loop(clip, Ways(words), Grammar(-2.0, -1.1, kinds=(0, 0), again=(-6.0,)))] == [0, 1]
