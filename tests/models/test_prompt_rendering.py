"""A pack of spoken sentences: only what has changed is said anew, and a stopped run goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pikvani_contract.speech.prompts import load_prompt_pack
from pikvani_models.speech import rendering

WORDS = {"ask.crop": "कौन सी फ़सल?", "ask.part": "पौधे का कौन सा हिस्सा?", "thanks": "धन्यवाद।"}


def catalogue(words: dict[str, str]) -> list[str]:
    rows = [{"id": name, "locale": "hi-IN", "text": text} for name, text in words.items()]
    return [json.dumps(row) for row in [*rows, {"id": "thanks", "locale": "en-IN", "text": "Thank you."}]]


class Voice:
    """Hums for as long as a text is, remembers what it said, and may stop as a machine does whose power goes."""

    def __init__(self, until: int = 99) -> None:
        self.said: list[str] = []
        self._until = until

    def __call__(self, text: str) -> NDArray[np.float32]:
        if len(self.said) == self._until:
            raise KeyboardInterrupt
        self.said.append(text)
        return (0.2 * np.sin(np.arange(1_600 * len(text)) / 9)).astype(np.float32)


@pytest.fixture
def speaking(monkeypatch: pytest.MonkeyPatch) -> Callable[[Voice], Voice]:
    monkeypatch.setattr(rendering, "_KEPT_EVERY", 1)

    def chosen(voice: Voice) -> Voice:
        monkeypatch.setattr(rendering, "speaker_of", lambda *_: voice)
        return voice

    return chosen


def test_given_one_changed_sentence_then_that_alone_is_said_anew(
    speaking: Callable[[Voice], Voice], tmp_path: Path
) -> None:
    speaking(Voice())
    assert rendering.render(catalogue(WORDS), "hi-IN", "kokoro", tmp_path / "pack", "1.0.0") == (3, 3)
    changed = WORDS | {"thanks": "शुक्रिया।"}
    voice = speaking(Voice())
    assert rendering.render(catalogue(changed), "hi-IN", "kokoro", tmp_path / "pack", "1.0.1") == (1, 3)
    assert voice.said == ["शुक्रिया।"]
    pack = load_prompt_pack(tmp_path / "pack")
    assert all((pack.clip(name, text) or b"").startswith(b"OggS") for name, text in changed.items())
    assert pack.clip("thanks", WORDS["thanks"]) is None


def test_given_a_run_that_is_stopped_then_the_next_says_only_the_rest(
    speaking: Callable[[Voice], Voice], tmp_path: Path
) -> None:
    speaking(Voice(until=2))
    with pytest.raises(KeyboardInterrupt):
        rendering.render(catalogue(WORDS), "hi-IN", "kokoro", tmp_path / "pack", "1.0.0")
    assert len(load_prompt_pack(tmp_path / "pack").manifest.clips) == 2
    voice = speaking(Voice())
    assert rendering.render(catalogue(WORDS), "hi-IN", "kokoro", tmp_path / "pack", "1.0.0") == (1, 3)
    assert voice.said == [WORDS["thanks"]]


def test_given_another_voice_then_all_is_said_by_it(speaking: Callable[[Voice], Voice], tmp_path: Path) -> None:
    speaking(Voice())
    rendering.render(catalogue(WORDS), "hi-IN", "kokoro", tmp_path / "pack", "1.0.0")
    assert rendering.render(catalogue(WORDS), "hi-IN", "festival", tmp_path / "pack", "1.1.0") == (3, 3)
    assert {clip.voice for clip in load_prompt_pack(tmp_path / "pack").manifest.clips.values()} == {"festival"}


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed: apt-get install espeak-ng")
def test_given_espeak_then_a_sentence_is_levelled_speech_of_a_plausible_length(tmp_path: Path) -> None:
    assert rendering.render(catalogue(WORDS), "hi-IN", "espeak", tmp_path / "pack", "1.0.0") == (3, 3)
    clip = load_prompt_pack(tmp_path / "pack").manifest.clips["ask.part"]
    assert 1_000 < clip.ms < 5_000 and 500 < clip.size < 20_000
