"""From the IPA of espeak-ng to our units and to the symbols Kokoro was trained on."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from collections.abc import Sequence

from pikvani_contract.speech.phones import Language, undoubled

_VOWELS = {
    **dict.fromkeys("əʌɐ", "a"),
    **dict.fromkeys("ɪiɨ", "i"),
    **dict.fromkeys("ʊu", "u"),
    **dict.fromkeys("ɛæ", "ai"),
    **dict.fromkeys("ɔɒ", "au"),
    "e": "e",
    "o": "o",
    "ɑ": "aa",
}
_CONSONANTS = {
    "k": "k",
    "ɡ": "g",
    "g": "g",
    "ŋ": "ng",
    "c": "c",
    "ɟ": "j",
    "ɲ": "ny",
    "ʈ": "tt",
    "ɖ": "dd",
    "ɳ": "nn",
    "t": "t",
    "d": "d",
    "n": "n",
    "p": "p",
    "b": "b",
    "m": "m",
    "j": "y",
    "r": "r",
    "ɾ": "r",
    "l": "l",
    "ɭ": "ll",
    "v": "v",
    "ʋ": "v",
    "w": "v",
    "ʃ": "sh",
    "ʂ": "sh",
    "s": "s",
    "h": "h",
    "ɦ": "h",
    "f": "f",
    "z": "z",
    "x": "kh",
    "χ": "kh",
    "ɣ": "g",
    "q": "k",
    "ɽ": "rr",
}
_PAIRS = {"tʃ": "c", "dʒ": "j", "ts": "ts", "dz": "z", "r.": "rr"}
_ASPIRATED = frozenset(("k", "g", "c", "j", "tt", "dd", "t", "d", "p", "b", "rr"))
_IGNORED = frozenset("ˈˌː̃ .ˑ-")
_KOKORO = {"tʃ": "ʧ", "dʒ": "ʤ", "ts": "ʦ", "dz": "ʣ", "r.": "ɽ", "c": "ʧ", "ɟ": "ʤ", "ɭ": "ɽ", "ʋ": "v", "g": "ɡ"}


def ipa_of(texts: Sequence[str], language: Language) -> list[str]:
    """What espeak-ng makes of each text, one string of IPA each; empty where it says nothing of one line.

    Raises:
        RuntimeError: espeak-ng is missing or answered another number of lines.
    """
    done = subprocess.run(
        ["espeak-ng", "-q", "--ipa", "-v", language], input="\n".join(texts), capture_output=True, text=True, check=True
    )
    lines = done.stdout.rstrip("\n").split("\n")
    if len(lines) != len(texts):
        raise RuntimeError(
            f"espeak-ng answered {len(lines)} lines for {len(texts)} texts: give one short clause a line"
        )
    return [line.strip() for line in lines]


def with_marathi_ts(ipa: str) -> str:
    """Marathi says च before back vowels as ts in most inherited words, which espeak-ng 1.51 does not know."""
    return re.sub(r"(?<!ː)c(?=[ˈˌ]?(?:aː|[əʌʊo]|uː))(?!ʰ)", "ts", ipa)


def units_of(ipa: str) -> tuple[str, ...] | None:
    """Our units of a string of IPA, doubled ones written once; None when it holds a sound we have no unit for."""
    text = unicodedata.normalize("NFD", ipa)
    out: list[str] = []
    i = 0
    while i < len(text):
        pair = text[i : i + 2]
        if pair in _PAIRS:
            unit, step = _PAIRS[pair], 2
        elif text[i] in _IGNORED:
            i += 1
            continue
        elif text[i] == "a":
            unit, step = ("aa", 1) if text[i + 1 : i + 2] == "ː" or "̃" in text[i + 1 : i + 2] else ("a", 1)
        elif text[i] in _VOWELS:
            unit, step = _VOWELS[text[i]], 1
        elif text[i] in _CONSONANTS:
            unit, step = _CONSONANTS[text[i]], 1
        else:
            return None
        i += step
        if text[i : i + 1] == "ʰ":
            unit, i = (unit + "h" if unit in _ASPIRATED else unit), i + 1
        out.append(unit)
    return undoubled(out) or None


def kokoro_symbols(ipa: str) -> str:
    """The same sounds in the symbols of Kokoro's vocabulary."""
    text = unicodedata.normalize("NFD", ipa)
    for pair in ("tʃ", "dʒ", "ts", "dz", "r."):
        text = text.replace(pair, _KOKORO[pair])
    return "".join(_KOKORO.get(char, char) for char in text)
