"""A slip of paper as a picture: Devanagari is shaped as HarfBuzz shapes it, and nothing is cut off."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pikvani_device.errors import DeviceError
from pikvani_device.slip import FONTS, MARGIN, Lettering, Line, draw

pytestmark = pytest.mark.skipif(not all(Path(font).is_file() for font in FONTS), reason="fonts-noto-core is missing")
WIDTH = 384


@pytest.fixture(scope="module")
def letters() -> Lettering:
    return Lettering()


def glyphs(letters: Lettering, word: str) -> list[int]:
    return [glyph.id for glyph in letters.shaped(word)[0]]


def test_given_consonants_that_join_then_they_are_one_form_and_no_virama_is_left(letters: Lettering) -> None:
    (virama,) = glyphs(letters, "्\u200b")[:1]
    for word in ("क्षेत्र", "श्री", "ज्ञान", "रोगग्रस्त", "नष्ट", "द्विदल"):
        assert virama not in glyphs(letters, word), word
        assert len(glyphs(letters, word)) < len(word), word


def test_given_a_short_i_then_it_stands_before_its_consonant(letters: Lettering) -> None:
    (consonant,) = glyphs(letters, "क")
    shaped, _ = letters.shaped("कि")
    assert shaped[-1].id == consonant and len(shaped) == 2
    assert shaped[0].x < shaped[1].x


def test_given_letters_the_first_font_lacks_then_the_second_has_them(letters: Lettering) -> None:
    assert [glyph.font for glyph in letters.shaped("ICAR")[0]] == [1] * 4
    assert {glyph.font for glyph in letters.shaped("कापूस")[0]} == {0}
    assert all(glyph.id for glyph in letters.shaped("µS/cm")[0])


def test_given_a_ring_then_its_middle_is_white(letters: Lettering) -> None:
    ring = draw([Line("०", 120)], WIDTH, letters)
    rows, columns = np.nonzero(ring)
    middle = ((rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2)
    assert not ring[middle]
    assert cv2.connectedComponents(ring.astype(np.uint8))[0] == 2


def test_given_a_long_sentence_then_it_wraps_within_the_paper_and_longer_text_takes_more(letters: Lettering) -> None:
    words = "रोगट पाने काढून शेताबाहेर नष्ट करा. ओल्या पिकात काम करू नका; हत्यारे स्वच्छ धुवा."
    one, two = draw([Line(words)], WIDTH, letters), draw([Line(words), Line(words)], WIDTH, letters)
    assert not one[:, : MARGIN // 2].any() and not one[:, WIDTH - MARGIN // 2 :].any()
    assert one.any() and two.shape[0] > 1.7 * one.shape[0]
    assert not one[0].any() and not one[-1].any()


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_given_any_text_then_a_picture_of_the_papers_width_comes_of_it(letters: Lettering, text: str) -> None:
    image = draw([Line(text)], WIDTH, letters)
    assert image.shape[1] == WIDTH and image.dtype == np.bool_
    assert not image[:, WIDTH - 1].any()


def test_given_a_font_that_is_missing_then_its_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="fonts-noto-core"):
        Lettering([str(tmp_path / "none.ttf")])
