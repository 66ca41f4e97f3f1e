"""The technician's guide is one guide in three languages: what one of them says to do, the others say too."""

from __future__ import annotations

import re

import pytest
from tests.docs.pages import ROOT, Page, read

ENGLISH = read("docs/technician.en.md")
LANGUAGES = {"mr": read("docs/technician.mr.md"), "hi": read("docs/technician.hi.md")}
DEVANAGARI = re.compile(r"[\u0900-\u097f]")


def headings(page: Page) -> list[str]:
    """Each heading's depth and number: `## 3`."""
    found = [re.match(r"(#+)\s+(\d*)", line) for _, line in page.prose]
    return [f"{heading[1]} {heading[2]}" for heading in found if heading]


def commands(page: Page) -> list[str]:
    """Every line of every block, in order."""
    return [line for block in page.blocks for line in block.lines]


def pictures(page: Page, language: str) -> list[str]:
    """Every picture in order, the language of its own left open."""
    links = [target for _, target in page.links() if target.startswith("pictures/")]
    return [target.replace(f"-{language}.png", "-LANGUAGE.png") for target in links]


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_given_another_language_then_the_guide_has_the_same_sections(language: str) -> None:
    assert headings(LANGUAGES[language]) == headings(ENGLISH)
    assert len(headings(ENGLISH)) > 7, "the form of headings has changed: nothing is compared any more"


def test_given_another_language_then_the_same_commands_stand_in_the_same_order(language: str) -> None:
    assert commands(LANGUAGES[language]) == commands(ENGLISH)
    assert any(line.startswith("pikvani-provision image") for line in commands(ENGLISH))


def test_given_another_language_then_each_picture_is_there_with_its_own_words(language: str) -> None:
    assert pictures(LANGUAGES[language], language) == pictures(ENGLISH, "en")
    own = [target for _, target in LANGUAGES[language].links() if target.endswith(".png")]
    assert own, "no picture of a page"
    assert all(target.endswith(f"-{language}.png") and (ROOT / "docs" / target).is_file() for target in own)


def test_given_another_language_then_its_sentences_are_in_it(language: str) -> None:
    """A paragraph left in English is a paragraph a technician cannot read."""
    told = [line for _, line in LANGUAGES[language].prose if line.startswith(("#", "1.")) or len(line) > 60]
    assert told and not [line for line in told if not DEVANAGARI.search(line)]
