"""How a written Hindi or Marathi word sounds: Devanagari to units, by rule, with the variants speakers use.

Both languages share one set of units. Length of i and u, nasal vowels and doubled consonants are not told apart:
speakers and villages differ in them, and no two phrases of a sensible list differ in them alone.
Schwa deletion follows Narasimhan, Sproat and Kiraz (2004): at the end of a word, and between single consonants with
a vowel before and after, from the right; the medial one is a variant, because speakers vary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import product
from typing import Literal

BLANK = "<blank>"
VOWELS = ("a", "aa", "i", "u", "e", "ai", "o", "au")
CONSONANTS = (
    *("k", "kh", "g", "gh", "ng", "c", "ch", "j", "jh", "ny", "tt", "tth", "dd", "ddh", "nn"),
    *("t", "th", "d", "dh", "n", "p", "ph", "b", "bh", "m", "y", "r", "l", "ll", "v"),
    *("sh", "s", "h", "rr", "rrh", "f", "z", "ts"),
)
UNITS = (BLANK, *VOWELS, *CONSONANTS)
"""Symbols of the recogniser's outputs, in order; index 0 is the CTC blank."""

Language = Literal["hi", "mr"]
MAX_VARIANTS = 12

_INDEPENDENT = dict(
    zip(
        "अआइईउऊएऐओऔऋऍऑऎऒ",
        ("a", "aa", "i", "i", "u", "u", "e", "ai", "o", "au", "ri", "ae", "ao", "e", "o"),
        strict=True,
    )
) | {"ॲ": "ae"}
_SIGNS = dict(zip("ािीुूेैोौृॅॉॆॊ", ("aa", "i", "i", "u", "u", "e", "ai", "o", "au", "ri", "ae", "ao", "e", "o"), strict=True))
_LETTERS = dict(
    zip(
        "कखगघङचछजझञटठडढणतथदधनपफबभमयरलळवशषसह",
        (
            *("k", "kh", "g", "gh", "ng", "c", "ch", "j", "jh", "ny", "tt", "tth", "dd", "ddh", "nn"),
            *("t", "th", "d", "dh", "n", "p", "ph", "b", "bh", "m", "y", "r", "l", "ll", "v", "sh", "sh", "s", "h"),
        ),
        strict=True,
    )
)
_DOTTED = {"क": "k", "ख": "kh", "ग": "g", "ज": "z", "ड": "rr", "ढ": "rrh", "फ": "f", "न": "n", "य": "y", "र": "r"}
_HOMORGANIC = {
    **dict.fromkeys(("k", "kh", "g", "gh", "ng"), "ng"),
    **dict.fromkeys(("c", "ch", "j", "jh", "ny", "ts", "t", "th", "d", "dh", "n", "s", "sh", "z"), "n"),
    **dict.fromkeys(("tt", "tth", "dd", "ddh", "nn", "rr", "rrh"), "nn"),
    **dict.fromkeys(("p", "ph", "b", "bh", "m", "v", "f"), "m"),
}
_VIRAMA, _NUKTA, _ANUSVARA, _CANDRABINDU, _VISARGA, _AVAGRAHA = "्", "़", "ं", "ँ", "ः", "ऽ"
_VOWEL_WAYS: dict[str, dict[str, tuple[tuple[str, ...], ...]]] = {
    "hi": {"ai": (("ai",), ("a", "i")), "ae": (("ai",), ("e",)), "ao": (("au",), ("aa",)), "au": (("au",), ("a", "u"))},
    "mr": {"ai": (("a", "i"), ("ai",)), "ae": (("ai",), ("e",)), "ao": (("au",), ("aa",)), "au": (("a", "u"), ("au",))},
}
"""The Hindi ai and au are plain vowels, the Marathi ones glide; English words' vowels have no letter of their own."""
_BACK = frozenset(("a", "aa", "u", "o", "au", "ao"))
_DIGITS = {
    "hi": ("शून्य", "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ"),
    "mr": ("शून्य", "एक", "दोन", "तीन", "चार", "पाच", "सहा", "सात", "आठ", "नऊ"),
}


class UnspeakableError(ValueError):
    """A word holds a character that no rule reads; the message names it."""


def pronunciations(word: str, language: Language) -> list[tuple[str, ...]]:
    """The ways a word is said, the likeliest first.

    Args:
        word: one Devanagari word; digits are read one by one.
        language: `hi` or `mr`.

    Returns:
        At most `MAX_VARIANTS` different sequences of units without `BLANK`.

    Raises:
        UnspeakableError: empty, or a character that is no Devanagari letter or digit.
    """
    text = unicodedata.normalize("NFD", word.strip()).replace("\u200c", "").replace("\u200d", "")
    if any(c.isdigit() for c in text):
        return _spelled(text, language)
    slots = _slots(unicodedata.normalize("NFD", text), word, language)
    found: dict[tuple[str, ...], None] = {}
    for choice in product(*slots):
        units = [unit for part in choice for unit in part]
        found.setdefault(undoubled(units), None)
        if len(found) >= MAX_VARIANTS:
            break
    return list(found)


def phrase_pronunciations(phrase: str, language: Language) -> list[tuple[str, ...]]:
    """The ways a phrase is said, words run together, likeliest first; see `pronunciations`."""
    return _joined(phrase.split(), language)


def _spelled(text: str, language: Language) -> list[tuple[str, ...]]:
    """Digits one by one, what stands between them as words."""
    spaced = "".join(f" {_DIGITS[language][unicodedata.digit(c)]} " if c.isdigit() else c for c in text)
    return _joined(spaced.split(), language)


def _joined(words: Sequence[str], language: Language) -> list[tuple[str, ...]]:
    ways: list[tuple[str, ...]] = [()]
    for word in words:
        ways = [a + b for a in ways for b in pronunciations(word, language)][:MAX_VARIANTS]
    if ways == [()]:
        raise UnspeakableError("an empty phrase cannot be spoken")
    return ways


def undoubled(units: Sequence[str]) -> tuple[str, ...]:
    """Units with doubled consonants written once; of a plain one and its aspirate the aspirate stays."""
    out: list[str] = []
    for unit in units:
        if out and unit in (out[-1], out[-1] + "h"):
            out[-1] = unit
        else:
            out.append(unit)
    return tuple(out)


_Options = tuple[tuple[str, ...], ...]


def _slots(text: str, word: str, language: Language) -> list[_Options]:
    """Per letter the ways it may sound, the likeliest first."""
    # Each piece: consonant ('' for none), vowel ('' after a virama, 'a' inherent), nasal sign.
    pieces: list[list[str]] = []
    i = 0
    while i < len(text):
        char = text[i]
        if char in _LETTERS:
            consonant = _LETTERS[char]
            if i + 1 < len(text) and text[i + 1] == _NUKTA:
                consonant, i = _DOTTED.get(char, consonant), i + 1
            pieces.append([consonant, "inherent", ""])
        elif char in _INDEPENDENT:
            pieces.append(["", _INDEPENDENT[char], ""])
        elif char in _SIGNS and pieces:
            pieces[-1][1] = _SIGNS[char]
        elif char == _VIRAMA and pieces:
            pieces[-1][1] = ""
        elif char in (_ANUSVARA, _CANDRABINDU) and pieces:
            pieces[-1][2] = "n" if char == _ANUSVARA else "~"
        elif char == _VISARGA and pieces:
            pieces.append(["h", "", ""])
        elif char not in (_AVAGRAHA, _NUKTA, "-", ".", ",", "'"):
            raise UnspeakableError(f"{word[:40]!r}: {char!r} cannot be spoken; write the phrase in Devanagari")
        i += 1
    if not pieces:
        raise UnspeakableError(f"{word[:40]!r} holds nothing that can be spoken")
    dropped = _medial_schwas(pieces)
    slots: list[_Options] = []
    for k, (consonant, vowel, nasal) in enumerate(pieces):
        following = pieces[k + 1][0] if k + 1 < len(pieces) else ""
        last = k == len(pieces) - 1
        breath = language == "hi" and consonant == "h" and last and vowel in ("", "inherent") and k > 0
        if breath and pieces[k - 1][1] == "inherent":
            slots.append(((), ("h",)))  # यह, छह, जगह: the breath colours the vowel and is seldom heard itself
        elif consonant:
            slots.append(_consonant(consonant, vowel, language, following, k))
        if vowel == "inherent" and language == "hi" and k == len(pieces) - 2 and following == "h":
            slots.append((("a",), ("ai",), ("e",)) if pieces[-1][1] in ("", "inherent") else (("a",), ("ai",)))
        elif vowel == "inherent":
            slots.append(_schwa(k, last, k in dropped, bool(nasal), pieces))
        elif vowel == "ri":
            slots.append((("r", "i"), ("r", "u")) if language == "hi" else (("r", "u"), ("r", "i")))
        elif vowel:
            slots.append(_VOWEL_WAYS[language].get(vowel, ((vowel,),)))
        if nasal:
            slots.append(_nasal(nasal, following))
    return slots


def _consonant(consonant: str, vowel: str, language: Language, following: str, k: int) -> _Options:
    if consonant == "j" and following == "ny" and vowel == "":  # ज्ञ
        return (("g",),) if language == "hi" else (("d",),)
    if language == "mr" and consonant in ("c", "j", "jh"):
        back = vowel in _BACK or vowel == "inherent"
        other = {"c": "ts", "j": "z", "jh": "z"}[consonant]
        return ((other,), (consonant,)) if back else ((consonant,),)
    if consonant == "ny" and vowel != "" and k:
        return (("y",), ("n", "y")) if language == "hi" else (("n", "y"), ("y",))
    if consonant == "ph":
        return (("f",), ("ph",)) if language == "hi" else (("ph",), ("f",))
    if consonant == "z":
        return (("z",), ("j",))
    if consonant == "rrh":
        # Said as a flap and a breath of its own.
        return (("rr", "h"), ("rr",))
    return ((consonant,),)


def _schwa(k: int, last: bool, droppable: bool, nasal: bool, pieces: list[list[str]]) -> _Options:
    if last and not nasal and len(pieces) > 1:
        cluster = pieces[k - 1][1] == ""
        return (((), ("a",)) if cluster else ((),)) if pieces[k][0] != "y" or not cluster else (("a",), ())
    if droppable:
        return (), ("a",)
    before_h = not last and pieces[k + 1][0] == "h"
    return (("a",), ("ai",)) if before_h else (("a",),)


def _medial_schwas(pieces: list[list[str]]) -> set[int]:
    """Which inherent vowels inside the word may fall, from the right."""
    dropped: set[int] = set()
    k = len(pieces) - 2
    while k > 0:
        _, vowel, nasal = pieces[k]
        before, after = pieces[k - 1], pieces[k + 1]
        after_sounds = after[1] not in ("", "inherent") or (after[1] == "inherent" and k + 1 < len(pieces) - 1)
        if (
            vowel == "inherent"
            and not nasal
            and pieces[k][0]
            and after[0]
            and before[1] != ""
            and not before[2]
            and k - 1 not in dropped
            and k + 1 not in dropped
            and after_sounds
        ):
            dropped.add(k)
        k -= 1
    return dropped


def _nasal(nasal: str, following: str) -> _Options:
    if not following:
        return ((),)
    murmur = _HOMORGANIC.get(following)
    if murmur is None:
        return ((), ("n",))
    return ((murmur,), ()) if nasal == "n" else ((), (murmur,))
