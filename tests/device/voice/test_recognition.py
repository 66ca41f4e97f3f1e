"""What is understood of perfect frames: phrases, sentences in any order, and what is no word of ours."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.device.voice.test_lattice import spelled

from pikvani_contract.speech.package import Judge, Rejection
from pikvani_contract.speech.phones import UNITS, Language, phrase_pronunciations
from pikvani_device.errors import SpeechError
from pikvani_device.voice.recognition import PhraseList, Sentence
from pikvani_device.voice.vocabulary import phrases_of_file, phrases_of_lines, vocabulary

REJECTION = Rejection(scale=8.0, offset=4.0, accept=0.5)


def said(text: str, language: Language) -> np.ndarray:
    return spelled(*phrase_pronunciations(text, language)[0])


@pytest.mark.parametrize("language", ["hi", "mr"])
def test_given_every_phrase_of_the_vocabulary_said_clearly_then_its_meaning_is_understood(language: Language) -> None:
    phrases = vocabulary(language)
    ears = {slot: PhraseList([p for p in phrases if p.slot == slot], REJECTION) for slot in {p.slot for p in phrases}}
    wrong = []
    for phrase in phrases:
        heard = ears[phrase.slot].understand(spelled(*phrase.ways[0]))
        alike = {p.value for p in phrases if p.slot == phrase.slot and set(p.ways) & set(phrase.ways)}
        if heard.slots.get(phrase.slot) not in alike:
            wrong.append((phrase.text, heard.phrase))
    assert wrong == []


@pytest.mark.parametrize(
    ("language", "sentence", "slots"),
    [
        ("hi", "कपास पत्ता पीला धब्बा", {"crop": "crop_cotton", "colour": "col_yellow", "symptom": "sym_spot"}),
        ("mr", "कापूस पान पिवळा ठिपका", {"crop": "crop_cotton", "colour": "col_yellow", "symptom": "sym_spot"}),
        ("mr", "ठिपका तपकिरी टोमॅटो", {"crop": "crop_tomato", "colour": "col_brown", "symptom": "sym_spot"}),
        ("hi", "कपास छोटा पौधा", {"crop": "crop_cotton", "symptom": "sym_stunting"}),
        ("hi", "छोटा पौधा पीला धब्बा", {"part": "part_seedling", "symptom": "sym_spot"}),
        ("hi", "आलू पत्ता सफेद पाउडर", {"part": "part_leaf", "colour": "col_white", "symptom": "sym_powder"}),
        ("hi", "आलू पत्ता हरा सफेद पाउडर", {"colour": "col_green", "symptom": "sym_powder"}),
        ("hi", "कपास पूरा पौधा सूखना", {"part": "part_whole_plant", "symptom": "sym_whole_drying"}),
        ("hi", "ईख गन्ना धब्बा", {"crop": "crop_sugarcane", "part": "part_cane", "symptom": "sym_spot"}),
    ],
)
def test_given_a_sentence_in_any_order_then_its_slots_are_filled(
    language: Language, sentence: str, slots: dict[str, str]
) -> None:
    heard = Sentence(vocabulary(language), REJECTION).understand(said(sentence, language))
    assert heard.decision == "accept"
    assert slots.items() <= heard.slots.items(), heard


def test_given_a_word_said_badly_then_it_counts_where_the_note_as_a_whole_is_ours_and_else_is_garbage() -> None:
    clear = said("कपास पत्ता पीला", "hi")
    badly = said("धब्बा", "hi")
    for frame in badly:
        if unit := int(frame.argmax()):
            frame[UNITS.index("z")], frame[unit] = frame[unit], np.log(0.1)
    note, lenient = np.vstack([clear, badly]), Rejection(scale=0.5, offset=4.0, accept=0.5)
    believing = msgspec.structs.replace(lenient, sentence=Judge({}, 9.0, 0.1))
    alone = Sentence(vocabulary("hi"), lenient).understand(note)
    assert alone.slots.keys() == {"crop", "part", "colour"}
    assert Sentence(vocabulary("hi"), believing).understand(note).slots == alone.slots | {"symptom": "sym_spot"}


def test_given_sounds_that_are_no_word_of_ours_then_it_is_rejected_with_the_best_phrase_named() -> None:
    rng = np.random.default_rng(3)
    noise = np.log(rng.dirichlet(np.full(47, 0.2), size=80) + 1e-6).astype(np.float32)
    for ear in (Sentence(vocabulary("hi"), REJECTION), PhraseList(vocabulary("hi"), REJECTION)):
        heard = ear.understand(noise)
        assert heard.decision == "reject" and heard.phrase and heard.slots == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no phrase"),
        ("कपास\nhello\n".encode(), "line 2"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (("क" * 200).encode(), "line 1"),
    ],
)
def test_given_a_list_that_cannot_be_used_then_the_line_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "phrases.txt"
    path.write_bytes(content)
    with pytest.raises(SpeechError, match=reason):
        phrases_of_file(path, "hi")


def test_given_a_list_with_doubles_and_gaps_then_each_phrase_stands_once() -> None:
    assert [p.text for p in phrases_of_lines(["एक", "", "  दो  तीन ", "एक"], "hi", "list")] == ["एक", "दो तीन"]
