"""Which installable voice is understood best: the words of what the device says, each alone, heard by two recognisers.

    scripts/bench voices

Words are drawn from `pikvani-device prompts`; each voice says each of them as a prompt pack would (`rendering.py`).
Ours (`pikvani-device listen --phrases`) and CMU Sphinx hear which of all the words it was. Ours has been trained with
clips of all three voices, Sphinx with none. Kokoro needs `PIKVANI_KOKORO` (docs/voice.md); a voice that is not there is
left out and said to be.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.bench.speech import ours, sphinx

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.phones import Language, UnspeakableError, phrase_pronunciations
from pikvani_contract.speech.prompts import Locale
from pikvani_models.speech.rendering import speaker_of

LOCALES: dict[Language, Locale] = {"mr": "mr-IN", "hi": "hi-IN"}
VOICES = ("kokoro", "festival", "espeak")
_WORD = re.compile(r"[\u0900-\u0963\u0970-\u097f]{2,12}")


def spoken_words(language: Language, count: int) -> list[str]:
    """Words of the catalogue that our rules can read; which of them is chance, the same in every run."""
    command = [sys.executable, "-m", "pikvani_device.cli", "prompts"]
    catalogue = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in catalogue.splitlines()]
    words = {w for row in rows if row["locale"] == LOCALES[language] for w in _WORD.findall(row["text"])}
    return random.Random(5).sample(sorted(word for word in words if _readable(word, language)), count)


def _readable(word: str, language: Language) -> bool:
    try:
        return bool(phrase_pronunciations(word, language))
    except UnspeakableError:
        return False


def write(path: Path, samples: NDArray[np.float32]) -> None:
    """A WAV file of 16 bit."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE_HZ)
        out.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())


def measure(language: Language, count: int) -> dict[str, Any]:
    """By voice, the share of words each recogniser hears right."""
    words = spoken_words(language, count)
    found: dict[str, Any] = {"language": language, "words": len(words)}
    for voice in VOICES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                speak = speaker_of(LOCALES[language], voice)
                said = {folder / f"{number:03d}.wav": word for number, word in enumerate(words)}
                for path, word in said.items():
                    write(path, speak(word))
            except (KeyError, OSError, RuntimeError) as error:
                found[voice] = f"left out: {error}"
                continue
            found[voice] = {}
            for who, listen in (("ours", ours), ("sphinx", sphinx)):
                heard = listen(list(said), words, language, folder)
                right = sum(heard[str(path)][0] == word for path, word in said.items())
                found[voice][who] = round(right / len(said), 3)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--words", type=int, default=150)
    chosen = parser.parse_args().words
    for each in LOCALES:
        print(json.dumps(measure(each, chosen), ensure_ascii=False), flush=True)
