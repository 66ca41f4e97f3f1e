"""The words the product understands: meanings with the ways farmers say them, in both languages."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pikvani_contract.speech.phones import Language, UnspeakableError, phrase_pronunciations
from pikvani_device.errors import SpeechError

MAX_PHRASES = 2_000
MAX_PHRASE_CHARS = 120


@dataclass(frozen=True)
class Phrase:
    """One way of saying something.

    Attributes:
        text: in Devanagari.
        slot: what it fills, such as `crop` or `symptom`; empty in a list of an operator.
        value: the meaning's id; empty in a list of an operator.
        ways: pronunciations.
    """

    text: str
    slot: str
    value: str
    ways: tuple[tuple[str, ...], ...]


def vocabulary(language: Language) -> list[Phrase]:
    """All phrases of a language, as shipped in `vocabulary.csv`."""
    text = resources.files("pikvani_device.voice").joinpath("vocabulary.csv").read_text("utf-8")
    found: dict[tuple[str, str], Phrase] = {}
    for row in csv.DictReader(text.splitlines()):
        for said in row[language].split("|"):
            ways = tuple(phrase_pronunciations(said.replace("-", " "), language))
            found.setdefault((said, row["slot"]), Phrase(said, row["slot"], row["id"], ways))
    return list(found.values())


def phrases_of_file(path: Path, language: Language) -> list[Phrase]:
    """A list of an operator: one Devanagari phrase a line; empty lines are passed over.

    Raises:
        SpeechError: unreadable, empty, too long, or a line nobody can speak; the message names the line.
    """
    try:
        text = path.read_bytes()[: MAX_PHRASES * MAX_PHRASE_CHARS * 4].decode("utf-8-sig")
    except OSError as error:
        raise SpeechError(f"{path} cannot be read ({error.strerror}); name a text file, one phrase a line") from None
    except UnicodeDecodeError:
        raise SpeechError(f"{path} is not UTF-8 text: save it as UTF-8, one phrase a line") from None
    return phrases_of_lines(text.splitlines(), language, str(path))


def phrases_of_lines(lines: Iterable[str], language: Language, source: str) -> list[Phrase]:
    """Phrases out of lines; see `phrases_of_file`."""
    found: dict[str, Phrase] = {}
    for number, line in enumerate(lines, 1):
        said = " ".join(line.split())
        if not said:
            continue
        if len(said) > MAX_PHRASE_CHARS or len(found) >= MAX_PHRASES:
            raise SpeechError(
                f"{source}: line {number}: at most {MAX_PHRASES} phrases of {MAX_PHRASE_CHARS} characters each"
            )
        try:
            found.setdefault(said, Phrase(said, "", "", tuple(phrase_pronunciations(said, language))))
        except UnspeakableError as error:
            raise SpeechError(f"{source}: line {number}: {error}") from None
    if not found:
        raise SpeechError(f"{source} holds no phrase: write one Devanagari phrase a line")
    return list(found.values())
