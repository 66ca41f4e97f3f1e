"""Closed sentences for measuring: said by voices no training clip was made with, in the noise of a field.

The sentences are made of the product's own words; the voices and the noise are not those of training.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.phones import Language
from pikvani_models.speech.hardship import noise
from pikvani_models.speech.ipa import ipa_of, with_marathi_ts
from pikvani_models.speech.voices import HELD_OUT_STYLES, Kokoro, festival

_TEMPLATES: dict[Language, tuple[tuple[str, ...], ...]] = {
    "hi": (
        ("crop", "के", "part", "पर", "colour", "symptom", "है"),
        ("मेरे", "crop", "के", "part", "में", "symptom", "है"),
        ("crop", "में", "symptom", "है", "since", "से"),
        ("part", "पर", "colour", "symptom"),
    ),
    "mr": (
        ("crop", "part", "colour", "symptom", "आहे"),
        ("माझ्या", "crop", "part", "symptom", "आहे"),
        ("crop", "symptom", "आहे", "since"),
        ("part", "colour", "symptom", "आहेत"),
    ),
}
_LEAD_S = 0.3


@dataclass(frozen=True)
class Closed:
    """A sentence and what it says: slot to every id its words may mean."""

    text: str
    slots: dict[str, tuple[str, ...]]


def phrases_by_slot(vocabulary: Path, language: Language) -> dict[str, list[str]]:
    """What may be said for each slot, out of a vocabulary (CSV: id, slot, hi, mr; ways parted by |)."""
    found: dict[str, set[str]] = {}
    with vocabulary.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["slot"], set()).update(row[language].split("|"))
    return {slot: sorted(said) for slot, said in found.items()}


def closed_sentences(vocabulary: Path, language: Language, count: int, rng: np.random.Generator) -> list[Closed]:
    """Random sentences out of the vocabulary's words (CSV: id, slot, hi, mr; ways parted by |)."""
    meanings: dict[tuple[str, str], set[str]] = {}
    with vocabulary.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for said in row[language].split("|"):
                meanings.setdefault((row["slot"], said), set()).add(row["id"])
    by_slot = {slot: sorted(word for s, word in meanings if s == slot) for slot, _ in meanings}
    made = []
    for _ in range(count):
        template = _TEMPLATES[language][int(rng.integers(len(_TEMPLATES[language])))]
        words, slots = [], {}
        for part, following in zip(template, (*template[1:], ""), strict=True):
            if part in by_slot:
                word = by_slot[part][int(rng.integers(len(by_slot[part])))]
                words.append(word)
                # "Today", and then "since": what the two say together counts too.
                slots[part] = tuple(sorted(meanings[part, word] | meanings.get((part, f"{word} {following}"), set())))
            else:
                words.append(part)
        made.append(Closed(" ".join(words), slots))
    return made


def say_closed(
    sentences: Iterable[Closed], language: Language, ratio_db: float, out: Path, seed: int, voice: str = "kokoro"
) -> None:
    """Write `NNN.wav` in noise, and `expected.json` with what each says.

    Args:
        sentences: to be said.
        language: of them.
        ratio_db: speech over noise.
        out: folder, made when missing.
        seed: of voices and noise.
        voice: `kokoro` for the styles kept from training, `festival` for a voice of training: to tune on, not to
            report.
    """
    rng, kokoro = np.random.default_rng(seed), Kokoro(threads=1) if voice == "kokoro" else None
    chosen = list(sentences)
    if kokoro is None:
        said = festival([one.text for one in chosen], language, 1.1)
    sounds = ipa_of([one.text for one in chosen], language)
    out.mkdir(parents=True, exist_ok=True)
    expected: dict[str, object] = {}
    for k, (one, ipa) in enumerate(zip(chosen, sounds, strict=True)):
        if kokoro is None:
            spoken = said[k]
        else:
            share, speed = float(rng.random()), float(rng.uniform(0.8, 1.15))
            style = {HELD_OUT_STYLES[0]: share, HELD_OUT_STYLES[1]: 1 - share}
            spoken = kokoro.say(with_marathi_ts(ipa) if language == "mr" else ipa, style, speed)
        name = f"{k:03d}.wav"
        soundfile.write(out / name, _in_noise(spoken, ratio_db, rng), SAMPLE_RATE_HZ, subtype="PCM_16")
        expected[name] = {"text": one.text, "slots": one.slots}
    (out / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _in_noise(speech: NDArray[np.float32], ratio_db: float, rng: np.random.Generator) -> NDArray[np.float32]:
    quiet = np.zeros(int(_LEAD_S * SAMPLE_RATE_HZ), np.float32)
    whole = np.concatenate([quiet, speech, quiet])
    background = noise(len(whole), [], rng)
    level = float(np.sqrt(np.mean(speech**2))) * 10 ** (-ratio_db / 20)
    mixed = whole + background * level
    return np.asarray(mixed / max(float(np.abs(mixed).max()), 1e-6) * 0.7, np.float32)
