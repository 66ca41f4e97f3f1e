"""Real people saying single syllables: recordings of KDE's KLettres (Debian `klettres-data`, GPL-2+), never shipped.

Four of its speakers say syllables of sounds Hindi and Marathi have too: Spanish, Italian and Brazilian Portuguese
(stops without breath, dental t and d) and Malayalam (retroflex and breathed ones). File names are spellings; what each
stands for is written below, and where a spelling may stand for several sounds, a recogniser says which is heard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_models.speech.scoring import LogProbs, likelihoods

Ways = tuple[tuple[str, ...], ...]
WORST_A_UNIT = -9.0
"""Log likelihood a unit below that of the freest reading, under which a file is taken to say something else."""
_ROMANCE_VOWELS = {"a": ("aa",), "e": ("e",), "i": ("i",), "o": ("o",), "u": ("u",)}
_ROMANCE: dict[str, dict[str, tuple[str, ...]]] = {
    "es": {c: (c,) for c in "bdfgklmnprst"} | {"c": ("k",), "qu": ("k",), "gu": ("g",), "v": ("b",), "nn": ("ny",)},
    "it": {c: (c,) for c in "bdfglmnprstv"} | {"c": ("k",), "gn": ("ny",), "z": ("ts", "z")},
    "pt_BR": {c: (c,) for c in "bdfglmnpstvz"} | {"c": ("k",), "x": ("sh",)},
}
_ODD = {
    "es": {"ce", "ci", "ge", "gi", "gua", "guo"},
    "it": {"ce", "ci", "ge", "gi"},
    "pt_BR": {"ce", "ci", "ge", "gi", "ti", "di"},
}
"""Another sound than the letter's."""
_SOFT = {"it": {"ce": ("c", "e"), "ci": ("c", "i"), "ge": ("j", "e"), "gi": ("j", "i")}}
_MALAYALAM_VOWELS: dict[str, Ways] = {
    "": (("a",), ("aa",)),
    "a": (("a",), ("aa",)),
    "aa": (("aa",),),
    "ae": (("e",),),
    "eae": (("e",),),
    "e": (("e",),),
    "ee": (("e",), ("i",)),
    "i": (("i",),),
    "ii": (("i",),),
    "u": (("u",),),
    "uu": (("u",),),
    "o": (("o",),),
    "oo": (("o",), ("u",)),
    "ai": (("ai",), ("e", "i")),
    "au": (("au",), ("o",)),
    "am": (("a", "m"),),
    "aha": (("a", "h", "a"), ("a", "h")),
}
_MALAYALAM = {
    c: c for c in ["k", "kh", "g", "gh", "ng", "j", "jh", "n", "p", "b", "bh", "m", "y", "r", "l", "ll", "v", "s", "h"]
} | {
    "ch": "c",
    "cch": "ch",
    "nj": "ny",
    "nh": "nn",
    "f": "f",
    "rr": "r",
    "sh": "sh",
    "shsh": "sh",
    "t": "tt",
    "tt": "tth",
    "d": "dd",
    "dd": "ddh",
    "th": "t",
    "tth": "th",
    "dh": "d",
    "dhh": "dh",
}


def romance(language: str, spelling: str) -> Ways:
    """Ways of sounding a Spanish (`es`), Italian (`it`) or Portuguese (`pt_BR`) syllable; none for a sound we lack."""
    if spelling in _SOFT.get(language, {}):
        return (_SOFT[language][spelling],)
    vowel, onset = spelling[-1:], spelling[:-1]
    if spelling in _ODD[language] or vowel not in _ROMANCE_VOWELS or onset not in _ROMANCE[language]:
        return ()
    if onset in ("qu", "gu") and vowel not in "ei":
        return ()
    return tuple((first, *_ROMANCE_VOWELS[vowel]) for first in _ROMANCE[language][onset])


def malayalam(spelling: str) -> Ways:
    """Ways of sounding a syllable of Malayalam as KLettres spells it; none where it is no syllable we know."""
    for size in range(min(4, len(spelling)), 0, -1):
        if spelling[:size] in _MALAYALAM and spelling[size:] in _MALAYALAM_VOWELS:
            return tuple((_MALAYALAM[spelling[:size]], *rest) for rest in _MALAYALAM_VOWELS[spelling[size:]])
    return ()


def read_syllables(klettres: Path, ear: Callable[[NDArray[np.float32]], LogProbs], out: Path) -> int:
    """Write `out` with one WAV a syllable and the `text.json` that `training.read_real` reads.

    Args:
        klettres: its data folder, `/usr/share/klettres` where `klettres-data` is installed.
        ear: a recogniser, to choose among ways and to leave out what is none of them.
        out: made when missing.

    Returns:
        Syllables kept.
    """
    out.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, path, ways in _found(klettres):
        samples = _decoded(path)
        heard = ear(samples)
        scores = likelihoods(heard, ways)
        units = ways[int(scores.argmax())]
        if (float(scores.max()) - float(heard.max(axis=1).sum())) / len(units) > WORST_A_UNIT:
            soundfile.write(out / name, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
            entries[name] = {"units": " ".join(units), "kind": "syllable"}
    (out / "text.json").write_text(json.dumps(entries, indent=1) + "\n", "utf-8")
    return len(entries)


def _found(klettres: Path) -> Iterator[tuple[str, Path, Ways]]:
    for language in (*_ROMANCE, "ml"):
        for path in sorted((klettres / language / "syllab").glob("*.ogg")):
            if ways := malayalam(path.stem) if language == "ml" else romance(language, path.stem):
                yield f"{language}-{path.stem}.wav", path, ways


def _decoded(path: Path) -> NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return np.asarray(mono if rate == SAMPLE_RATE_HZ else resample_poly(mono, SAMPLE_RATE_HZ, rate), np.float32)
