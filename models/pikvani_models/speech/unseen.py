"""Words that stand in no training text: the recogniser shall know sounds, not lists.

The generator of training text (`corpus.lines`) draws from two places only: the machine's word list, but for the words
kept back, and the product's own words. A word in neither can never have been said in training. `texts/unseen.csv` holds
such words of every day; the lists are read again before anything is said, so that a new phrase of ours is noticed.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from pikvani_contract.speech.phones import Language

LIST_FILE = "phrases.txt"


def unseen_words(language: Language) -> list[str]:
    """The words of the list."""
    text = resources.files("pikvani_models.speech.texts").joinpath("unseen.csv").read_text("utf-8")
    return [row["word"] for row in csv.DictReader(text.splitlines()) if row["language"] == language]


def seen(words: Iterable[str], training: Collection[str], own: Iterable[str]) -> list[str]:
    """Those of `words` that a training text may hold.

    Args:
        words: to be looked up.
        training: the word list a training text is drawn from.
        own: phrases of the product.
    """
    known = {part for phrase in own for part in phrase.split()} | set(training)
    return [word for word in words if word in known]


def say_words(words: Sequence[str], language: Language, out: Path, seed: int) -> int:
    """Write `NNN.wav`, every word by both kept-back Kokoro styles, `expected.json` and the list `phrases.txt`.

    Returns:
        Clips written.
    """
    import soundfile

    from pikvani_contract.speech.features import SAMPLE_RATE_HZ
    from pikvani_models.speech.ipa import ipa_of, with_marathi_ts
    from pikvani_models.speech.voices import HELD_OUT_STYLES, Kokoro

    rng, kokoro = np.random.default_rng(seed), Kokoro(threads=1)
    out.mkdir(parents=True, exist_ok=True)
    expected: dict[str, str] = {}
    for word, ipa in zip(words, ipa_of(words, language), strict=True):
        sound = with_marathi_ts(ipa) if language == "mr" else ipa
        for style in HELD_OUT_STYLES:
            name = f"{len(expected):03d}.wav"
            clip = kokoro.say(sound, {style: 1.0}, float(rng.uniform(0.8, 1.15)))
            soundfile.write(out / name, clip / max(float(np.abs(clip).max()), 1e-6) * 0.7, SAMPLE_RATE_HZ)
            expected[name] = word
    (out / LIST_FILE).write_text("\n".join(words) + "\n", "utf-8")
    (out / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return len(expected)


def words_right(expected: Mapping[str, str], heard: Iterable[str]) -> dict[str, object]:
    """Score the JSON lines of `listen --phrases` against `expected.json`.

    Returns:
        Clips and words, the shares of clips heard right and heard right and accepted, and the mistakes (said, heard).
    """
    lines = [json.loads(line) for line in heard]
    pairs = [(expected[Path(line["clip"]).name], line["phrase"], line["decision"]) for line in lines]
    right = [said == phrase for said, phrase, _ in pairs]
    believed = [said == phrase and decision == "accept" for said, phrase, decision in pairs]
    return {
        "clips": len(pairs),
        "words": len({said for said, _, _ in pairs}),
        "right": round(float(np.mean(right)), 4) if pairs else 0.0,
        "right_and_accepted": round(float(np.mean(believed)), 4) if pairs else 0.0,
        "wrong": [[said, phrase] for said, phrase, _ in pairs if said != phrase],
    }
