"""Notes to fit and to judge the rejection on: what the grammar knows, and speech it must turn away.

Our own: phrases of the vocabulary alone, closed sentences, and such with a few foreign words around them. Others:
running sentences (`texts/running.csv`: news, talk, numbers, farm talk that is no answer), pieces cut out of them,
pieces of two set end to end, and several sentences one after the other. Each is spoilt as training clips are. A fourth
of the running sentences, and some voices, are kept for judging.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.phones import Language
from pikvani_models.speech import voices
from pikvani_models.speech.hardship import harden, noise
from pikvani_models.speech.ipa import ipa_of, with_marathi_ts
from pikvani_models.speech.sentences import closed_sentences
from pikvani_models.speech.voices import Clip

Engine = Literal["kokoro", "espeak", "festival"]
Part = Literal["fit", "judge"]
_PIECE_S = (0.4, 2.5)
_ALONE_SHARE, _CLOSED_SHARE = 0.5, 0.35
_BEFORE: dict[Language, tuple[str, ...]] = {
    "hi": ("भाई साहब", "नमस्ते", "देखिए", "सुनिए जी", "हमारे यहां", "मुझे लगता है", "अरे डॉक्टर साहब", "इस बार", "", "", ""),
    "mr": ("भाऊ", "नमस्कार", "बघा", "ऐका जरा", "आमच्याकडे", "मला वाटतं", "अहो डॉक्टर", "यंदा", "", "", ""),
}
_AFTER: dict[Language, tuple[str, ...]] = {
    "hi": ("क्या करूं", "कोई दवा बताइए", "बहुत परेशान हूं", "समझ नहीं आ रहा", "जल्दी बताओ", "दिख रहा है", "", ""),
    "mr": ("काय करू", "काहीतरी औषध सांगा", "फार काळजी वाटते", "काही कळत नाही", "लवकर सांगा", "दिसत आहे", "", ""),
}
"""What farmers say around an answer; no word of ours."""


@dataclass(frozen=True)
class Note:
    """Words and whether the grammar knows them."""

    text: str
    kind: str
    own: bool


def running(language: Language, part: Part) -> list[Note]:
    """The running sentences of one part; which part is told by a hash of the words."""
    text = resources.files("pikvani_models.speech.texts").joinpath("running.csv").read_text("utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row["language"] == language]
    return [Note(row["text"], row["kind"], False) for row in rows if (part == "judge") == _for_judging(row["text"])]


def _for_judging(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % 4 == 0


def own(vocabulary: Path, language: Language, count: int, rng: np.random.Generator) -> list[Note]:
    """Random phrases of the vocabulary: alone, in closed sentences, and in such with a few foreign words around."""
    phrases = _phrases(vocabulary, language)
    alone, bare = round(count * _ALONE_SHARE), round(count * _CLOSED_SHARE)
    chosen = [phrases[int(k)] for k in rng.permutation(np.resize(np.arange(len(phrases)), max(alone, len(phrases))))]
    closed = closed_sentences(vocabulary, language, count - alone, rng)
    notes = [Note(said, "phrase", True) for said in chosen[:alone]]
    for k, one in enumerate(closed):
        before, after = (str(rng.choice(words[language])) for words in (_BEFORE, _AFTER))
        around = k >= bare and bool(before or after)
        text = f"{before} {one.text} {after}".strip() if around else one.text
        notes.append(Note(text, "carried" if around else "closed", True))
    return notes


def _phrases(vocabulary: Path, language: Language) -> list[str]:
    with vocabulary.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["slot"] != "filler"]
    return sorted({said for row in rows for said in row[language].split("|")})


def write_lists(vocabulary: Path, language: Language, out: Path) -> None:
    """Write `half.txt`, every second phrase of the vocabulary, and `few.txt`, one of twenty: lists to be held to."""
    phrases = _phrases(vocabulary, language)
    for name, some in (("half.txt", phrases[::2]), ("few.txt", phrases[::20])):
        (out / name).write_text("\n".join(some) + "\n", "utf-8")


def say_notes(notes: Sequence[Note], language: Language, engine: Engine, part: Part, out: Path, seed: int) -> int:
    """Write `own/NNNN-KIND.flac` and `others/NNNN-KIND.flac`, numbered on from what is there, and `said.jsonl`.

    Returns:
        Clips written.
    """
    rng = np.random.default_rng(seed)
    backgrounds = [noise(48_000, [], rng) for _ in range(30)]
    for folder in ("own", "others"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    at = len(list(out.glob("o*/*.flac")))
    began, heard = at, dict[bool, list[Clip]]({True: [], False: []})
    with (out / "said.jsonl").open("a", encoding="utf-8") as said:
        for note, clip in _spoken(notes, language, engine, part, rng):
            for kind, samples in [(note.kind, clip), *_more(note, clip, heard[note.own], rng)]:
                length = -(-int(len(samples) * 1.2 + rng.uniform(0.2, 1.0) * SAMPLE_RATE_HZ) // 1_600) * 1_600
                hard = harden(samples, backgrounds, length, rng)
                name = f"{'own' if note.own else 'others'}/{at:04d}-{kind}.flac"
                soundfile.write(out / name, hard / max(float(np.abs(hard).max()), 1e-6) * 0.7, SAMPLE_RATE_HZ)
                line = {"clip": name, "text": note.text, "kind": kind, "engine": engine, "language": language}
                said.write(json.dumps(line, ensure_ascii=False) + "\n")
                at += 1
    return at - began


def _more(note: Note, clip: Clip, heard: list[Clip], rng: np.random.Generator) -> Iterator[tuple[str, Clip]]:
    """What else can be made of a clip and those `heard` before it, to which it is added."""
    if note.kind == "phrase":
        return
    heard.append(clip)
    if not note.own:
        yield "piece", _piece(clip, rng)
        if len(heard) > 1:
            yield "spliced", np.concatenate([_piece(heard[-2], rng), _piece(clip, rng)])
    if len(heard) % 3 == 0:
        pause = np.zeros(int(rng.uniform(0.1, 0.5) * SAMPLE_RATE_HZ), np.float32)
        parts = heard[-int(rng.integers(2, 5)) :] if not note.own else heard[-2:]
        yield "long", np.concatenate([sound for part in parts for sound in (part, pause)])


def _piece(clip: Clip, rng: np.random.Generator) -> Clip:
    size = min(int(rng.uniform(*_PIECE_S) * SAMPLE_RATE_HZ), len(clip))
    start = int(rng.integers(0, len(clip) - size + 1))
    return clip[start : start + size]


def _spoken(
    notes: Sequence[Note], language: Language, engine: Engine, part: Part, rng: np.random.Generator
) -> Iterator[tuple[Note, Clip]]:
    for note, clip in _said_by(notes, language, engine, part, rng):
        if len(clip) > SAMPLE_RATE_HZ // 5 and float(np.abs(clip).max()) > 0.01:
            yield note, clip


def _said_by(
    notes: Sequence[Note], language: Language, engine: Engine, part: Part, rng: np.random.Generator
) -> Iterator[tuple[Note, Clip]]:
    if engine == "espeak":
        for note in notes:
            if part == "judge":
                yield note, voices.espeak(note.text, language, rng, voices.HELD_OUT_VARIANTS)
            else:
                yield note, voices.espeak(note.text, language, rng)
    elif engine == "festival":
        for k in range(0, len(notes), 20):
            some = notes[k : k + 20]
            stretch = float(rng.uniform(0.8, 1.3))
            yield from zip(some, voices.festival([note.text for note in some], language, stretch), strict=True)
    else:
        model = voices.Kokoro()
        sounds = ipa_of([note.text for note in notes], language)
        for note, ipa in zip(notes, sounds, strict=True):
            share = float(rng.random())
            kept = {voices.HELD_OUT_STYLES[0]: share, voices.HELD_OUT_STYLES[1]: 1 - share}
            style = kept if part == "judge" else model.speaker(rng)
            sound = with_marathi_ts(ipa) if language == "mr" else ipa
            yield note, model.say(sound, style, float(rng.uniform(0.75, 1.25)))
