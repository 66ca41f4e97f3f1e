"""How a written word sounds: rules both ends share, checked on words anybody here can say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.speech.phones import (
    BLANK,
    MAX_VARIANTS,
    UNITS,
    UnspeakableError,
    phrase_pronunciations,
    pronunciations,
    undoubled,
)

DEVANAGARI = st.text(st.sampled_from("कखगचजटडतदनपबमयरलवशसहळड़ा िीुूेैोौंँ़्ॅॉअआइउएओऔ"), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("word", "language", "said"),
    [
        ("किताब", "hi", "k i t aa b"),
        ("समझना", "hi", "s a m a jh n aa"),
        ("पाँच", "hi", "p aa c"),
        ("बुद्धि", "hi", "b u dh i"),
        ("पत्ता", "hi", "p a t aa"),
        ("अंगूर", "hi", "a ng g u r"),
        ("लड़का", "hi", "l a rr k aa"),
        ("चार", "mr", "ts aa r"),
        ("चार", "mr", "c aa r"),
        ("चार", "hi", "c aa r"),
        ("पानं", "mr", "p aa n a"),
        ("ओळखता", "mr", "o ll a kh t aa"),
        ("ज्ञान", "mr", "d n y aa n"),
        ("ज्ञान", "hi", "g y aa n"),
        ("फल", "hi", "f a l"),
        ("छह", "hi", "ch ai"),
        ("यह", "hi", "y e"),
        ("जगह", "hi", "j a g a h"),
        ("कहना", "hi", "k ai h n aa"),
        ("पढ़ाई", "hi", "p a rr h aa i"),
    ],
)
def test_given_a_word_then_the_way_it_is_said_is_among_its_pronunciations(word: str, language: str, said: str) -> None:
    assert tuple(said.split()) in pronunciations(word, language)  # type: ignore[arg-type]


def test_given_digits_then_they_are_read_one_by_one() -> None:
    assert phrase_pronunciations("१०", "mr") == phrase_pronunciations("एक शून्य", "mr")
    assert phrase_pronunciations("10", "hi") == phrase_pronunciations("एक शून्य", "hi")


@pytest.mark.parametrize("word", ["", "   ", "hello", "कa", "🙂", "क\x00"])
def test_given_what_nobody_can_say_then_the_error_says_so(word: str) -> None:
    with pytest.raises(UnspeakableError):
        phrase_pronunciations(word, "hi")


@given(DEVANAGARI, st.sampled_from(("hi", "mr")))
def test_given_any_devanagari_then_units_are_known_and_never_doubled(word: str, language: str) -> None:
    try:
        found = phrase_pronunciations(word, language)  # type: ignore[arg-type]
    except UnspeakableError:
        return
    assert 1 <= len(found) <= MAX_VARIANTS and len(set(found)) == len(found)
    for way in found:
        assert set(way) <= set(UNITS) - {BLANK}
    for word_way in (w for part in word.split() for w in _ways(part, language)):
        assert undoubled(word_way) == word_way


def _ways(word: str, language: str) -> list[tuple[str, ...]]:
    try:
        return pronunciations(word, language)  # type: ignore[arg-type]
    except UnspeakableError:
        return []
