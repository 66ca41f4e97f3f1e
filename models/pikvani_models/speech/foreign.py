"""Real speakers of other languages, whose sounds are ours too: the spoken names of Tux Paint's stamps.

Debian's `tuxpaint-stamps-default` (GPL-2; read, never shipped) holds some six hundred to nine hundred short phrases in
each of several languages, said by one volunteer each at a computer's microphone, with their texts beside them. Nothing
else that can be had says short words, with their text, by real people: made voices teach a network their own faults.

espeak-ng says how a text is read. Where a foreign sound is near two of ours, a recogniser that is there already
chooses; where it is near none, or is not heard, the clip is left out.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.phones import undoubled
from pikvani_models.speech.hardship import spoken
from pikvani_models.speech.scoring import LogProbs, likelihoods

Ear = Callable[[NDArray[np.float32]], LogProbs]
VOICES = {"bg": "bg", "ca": "ca", "el": "el", "es": "es-419", "ro": "ro", "ru": "ru"}
"""Languages taken, and the voice of espeak-ng that reads them. Danish and French have other vowels than ours."""
_SOUNDS = {
    **dict.fromkeys("aɑ", ("aa", "a")),
    **dict.fromkeys("ɐʌ", ("a", "aa")),
    "ə": ("a",),
    **dict.fromkeys("eɛ", ("e", "ai")),
    **dict.fromkeys("oɔ", ("o", "au")),
    "ɵ": ("o",),
    **dict.fromkeys("iy", ("i",)),
    "ɪ": ("i", "e"),
    "ɨ": ("i", "u", "a"),
    "u": ("u",),
    "ʊ": ("u", "o"),
    **{c: (c,) for c in ("p", "b", "t", "d", "k", "g", "m", "n", "l", "r", "s", "z", "f", "v", "h", "ts")},
    "dz": ("z",),
    "tʃ": ("c",),
    "dʒ": ("j",),
    "ɡ": ("g",),
    "ɣ": ("g",),
    "ɟ": ("g",),
    "c": ("k",),
    "x": ("kh", "h"),
    "ŋ": ("n", "ng"),
    "ɲ": ("n y", "ny"),
    **dict.fromkeys("ɫɭ", ("l",)),
    "ʎ": ("l y", "y"),
    "ɾ": ("r",),
    **dict.fromkeys("ʃʂɕ", ("sh",)),
    "ʒ": ("z", "j", "sh"),
    "ʑ": ("j", "z"),
    "β": ("b", "v"),
    "w": ("v", "u"),
    "ʋ": ("v",),
    "j": ("y", "i"),
    "ʝ": ("y", "j"),
}
"""What of ours a sound may be, the usual first. Stops of these languages are dental or unaspirated, as ours."""
_SOFT_D = frozenset(("es", "ca"))
"""Where ð is a d between vowels; in Greek it is a sound of its own, which we have not."""
_PAIRS = frozenset(("ts", "dz", "tʃ", "dʒ"))
_PASSED = frozenset("ˈˌː ʲ\u0329\u0361\u032a\u033b-_\"'")
_MOST_CHOICES, _MOST_WAYS = 6, 64
_LEAST_SCORE = -4.0
"""Log likelihood a unit less than the best free one, below which the text is not what is said."""
_LONGEST_S, _ROOM = 6.0, 2_400


@dataclass(frozen=True)
class Name:
    """A stamp's name as it was said.

    Attributes:
        text: as written.
        units: what is heard, of ours.
        samples: int16 at 16 kHz, cut to the spoken part.
    """

    text: str
    units: tuple[str, ...]
    samples: NDArray[np.int16]


def ways(ipa: str, language: str) -> list[tuple[str, ...]]:
    """Ways a reading may be written in our units; empty where it holds a sound that is none of ours.

    One sound is the same unit throughout a way, since one speaker says it.
    """
    sounds: list[tuple[str, tuple[str, ...]]] = []
    text, at = unicodedata.normalize("NFD", ipa), 0
    while at < len(text):
        sound = text[at : at + 2] if text[at : at + 2] in _PAIRS else text[at]
        at += len(sound)
        if sound in _PASSED:
            continue
        choices = ("d",) if sound == "ð" and language in _SOFT_D else _SOUNDS.get(sound)
        if choices is None or text[at : at + 1] == "\u0327":
            return []
        sounds.append((sound, choices))
    open_ones = [sound for sound, choices in dict(sounds).items() if len(choices) > 1][:_MOST_CHOICES]
    table, found = dict(sounds), dict[tuple[str, ...], None]()
    for chosen in itertools.islice(itertools.product(*(table[sound] for sound in open_ones)), _MOST_WAYS):
        said = dict(zip(open_ones, chosen, strict=True))
        found[undoubled([unit for s, choices in sounds for unit in said.get(s, choices[0]).split()])] = None
    return [way for way in found if len(way) >= 2]


def names(stamps: Path, language: str, ear: Ear) -> Iterator[Name]:
    """What is said in `language` below the folder `stamps`, where it can be written in our units."""
    for sound, text in _listed(stamps, language):
        written = ways(_read_aloud(text, VOICES[language]), language)
        samples = _samples(sound)
        if not written or samples is None:
            continue
        heard = ear(samples)
        scores = likelihoods(heard, written)
        best = int(scores.argmax())
        if (float(scores[best]) - float(heard.max(axis=1).sum())) / len(written[best]) > _LEAST_SCORE:
            level = float(np.abs(samples).max())
            yield Name(text, written[best], (samples / level * 32_000).astype(np.int16))


def write(stamps: Path, out: Path, ear: Ear, languages: Sequence[str] = tuple(VOICES)) -> int:
    """Write a shard a language into `out`, as `corpus` does, and return how many clips there are."""
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for language in languages:
        found = list(names(stamps, language, ear))
        if not found:
            continue
        count += len(found)
        stem = out / f"foreign-{language}-0000"
        sizes = np.array([len(one.samples) for one in found])
        np.savez(stem.with_suffix(".npz"), samples=np.concatenate([one.samples for one in found]), sizes=sizes)
        lines = [{"text": one.text, "language": language, "units": one.units} for one in found]
        partial = stem.with_suffix(".partial")
        partial.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
        partial.replace(stem.with_suffix(".jsonl"))
        print(f"{language}: {len(found)}", flush=True)
    return count


def _listed(stamps: Path, language: str) -> Iterator[tuple[Path, str]]:
    """Recordings with their texts; figures and brackets are read in too many ways."""
    ending, key = f"_desc_{language}.ogg", f"{language}.utf8="
    for sound in sorted(stamps.rglob(f"*{ending}")):
        texts = sound.with_name(sound.name.removesuffix(ending) + ".txt")
        lines = texts.read_text("utf-8", "replace").splitlines() if texts.is_file() else []
        text = next((line.removeprefix(key).strip() for line in lines if line.startswith(key)), "")
        if text and not re.search(r"[0-9$(]", text):
            yield sound, re.sub(r"[.,;:!?«»“”\"()…–—|]", " ", text).strip()


def _read_aloud(text: str, voice: str) -> str:
    command = ["espeak-ng", "-q", "--ipa", "-v", voice, "--", text]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.replace("\n", " ").strip()


def _samples(path: Path) -> NDArray[np.float32] | None:
    """A recording at 16 kHz, cut to what is said; None where it cannot be read, is silent or too long."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError:
        return None
    common = int(np.gcd(rate, SAMPLE_RATE_HZ))
    mono = resample_poly(samples.mean(axis=1), SAMPLE_RATE_HZ // common, rate // common).astype(np.float32)
    if len(mono) < SAMPLE_RATE_HZ // 10 or float(np.abs(mono).max()) < 0.01:
        return None
    first, last = spoken(mono)
    cut = mono[max(first - _ROOM, 0) : last + _ROOM]
    return cut if len(cut) <= _LONGEST_S * SAMPLE_RATE_HZ else None
