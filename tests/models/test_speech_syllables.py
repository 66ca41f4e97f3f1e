"""What a file's spelling is taken to sound like."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("soundfile")

from pikvani_contract.speech.phones import UNITS
from pikvani_models.speech.syllables import malayalam, romance


@pytest.mark.parametrize(
    ("language", "spelling", "sounds"),
    [
        ("es", "ba", "b aa"),
        ("es", "que", "k e"),
        ("es", "gui", "g i"),
        ("es", "nno", "ny o"),
        ("it", "ci", "c i"),
        ("it", "ge", "j e"),
        ("pt_BR", "xu", "sh u"),
    ],
)
def test_given_a_syllable_of_a_romance_language_then_it_sounds_as_written_there(
    language: str, spelling: str, sounds: str
) -> None:
    assert romance(language, spelling) == (tuple(sounds.split()),)


@pytest.mark.parametrize(
    ("language", "spelling"), [("es", "ce"), ("es", "ja"), ("es", "za"), ("it", "gli"), ("pt_BR", "ti")]
)
def test_given_a_sound_we_lack_then_there_is_no_way(language: str, spelling: str) -> None:
    assert romance(language, spelling) == ()


def test_given_malayalam_spellings_then_breath_and_retroflexion_are_told_apart() -> None:
    onsets = {
        spelling: malayalam(f"{spelling}aa")[0][0] for spelling in ("t", "tt", "th", "tth", "d", "dd", "dh", "dhh")
    }
    assert sorted(onsets.values()) == ["d", "dd", "ddh", "dh", "t", "th", "tt", "tth"]
    assert (onsets["t"], onsets["th"]) == ("tt", "t")
    assert malayalam("kee") == (("k", "e"), ("k", "i")), "who listens says which"
    assert malayalam("zhaa") == () and malayalam("goooo") == ()
    assert all(unit in UNITS for way in malayalam("shshaha") for unit in way)
