"""The synthetic corpus: which words, said by which voice, kept as shards that a stopped run goes on from.

Words come from the Debian word lists `aspell-hi` and `aspell-mr` (read, never shipped) and from the product's own
phrases. A tenth of a percent of them, chosen by hash, is never said in training: `is_held_out`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.phones import Language, UnspeakableError, phrase_pronunciations, pronunciations
from pikvani_models.speech import voices
from pikvani_models.speech.ipa import ipa_of, units_of, with_marathi_ts
from pikvani_models.speech.sentences import closed_sentences, phrases_by_slot

SHARD_CLIPS = 250
_SLOT_ODDS = {"colour": 3.0, "symptom": 4.0, "part": 3.0, "crop": 2.0, "number": 4.0, "answer": 2.0}
_LISTS = {"hi": "/usr/share/aspell/hi.cwl.gz", "mr": "/usr/share/aspell/mr.cwl.gz"}


@dataclass(frozen=True)
class Line:
    """Words to be said together, with what is then heard."""

    text: str
    language: Language
    ipa: str
    units: tuple[str, ...]


def is_held_out(word: str) -> bool:
    """Whether a word is kept from all training text, 1 in 200."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % 200 == 0


def dictionary(language: Language) -> list[str]:
    """Words of the machine's list that our rules can read, 2 to 12 letters.

    Raises:
        FileNotFoundError: `aspell-hi` or `aspell-mr` is not installed.
    """
    path = Path(_LISTS[language])
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: install aspell-hi and aspell-mr")
    raw = subprocess.run(f"zcat {path} | prezip-bin -d", shell=True, capture_output=True, check=True)  # noqa: S602
    words = sorted({w.split("/")[0] for w in raw.stdout.decode("utf-8", "replace").split("\n")})
    return [w for w in words if 2 <= len(w) <= 12 and _readable(w, language)]


def rarity(words: Sequence[str], language: Language) -> NDArray[np.float64]:
    """Odds of words, summing to 1: the rarer a word's rarest unit among all words, the higher.

    Drawn evenly, the rarest twelve units share one clip in ten, and are then never heard in real speech.
    """
    spelt = [pronunciations(word, language)[0] for word in words]
    counts = Counter(unit for units in spelt for unit in units)
    odds = np.array([max(counts[unit] ** -0.75 for unit in units) for units in spelt])
    return np.asarray(odds / odds.sum())


def lines(
    language: Language,
    own: Sequence[str],
    count: int,
    rng: np.random.Generator,
    marathi_ts: bool = False,
    said: Sequence[str] = (),
) -> list[Line]:
    """`count` random lines: three in five one word, else two or three; a third of the words are the product's own.

    Where there are phrases and sentences of the product, `said`, they are half of the lines.
    """
    common = [w for w in dictionary(language) if not is_held_out(w)]
    odds = rarity(common, language)
    texts = []
    for _ in range(count):
        if said and rng.random() < 0.5:
            texts.append(said[int(rng.integers(len(said)))])
            continue
        size = 1 if rng.random() < 0.6 else int(rng.integers(2, 4))
        words = [
            str(own[rng.integers(len(own))])
            if rng.random() < 0.33 and len(own)
            else common[rng.choice(len(common), p=odds)]
            for _ in range(size)
        ]
        texts.append(" ".join(words))
    made = []
    for text, ipa in zip(texts, ipa_of(texts, language), strict=True):
        if language == "mr" and marathi_ts and rng.random() < 0.85:
            ipa = with_marathi_ts(ipa)
        units = units_of(ipa)
        if units and len(units) >= 2:
            made.append(Line(text, language, ipa, units))
    return made


def vocabulary_lines(vocabulary: Path, language: Language, count: int, rng: np.random.Generator) -> list[str]:
    """Phrases of the vocabulary and sentences of them, half and half; short words that matter come oftener."""
    by_slot = phrases_by_slot(vocabulary, language)
    slots = sorted(by_slot)
    odds = np.array([_SLOT_ODDS.get(slot, 1.0) for slot in slots])
    alone = [by_slot[slots[int(rng.choice(len(slots), p=odds / odds.sum()))]] for _ in range(count // 2)]
    phrases = [some[int(rng.integers(len(some)))] for some in alone]
    return phrases + [one.text for one in closed_sentences(vocabulary, language, count - len(phrases), rng)]


def synthesise(
    engine: str,
    own: dict[Language, list[str]],
    count: int,
    folder: Path,
    seed: int,
    vocabulary: Path | None = None,
) -> None:
    """Fill `folder` with shards of `engine` until it holds `count` clips; a second call goes on.

    Args:
        engine: `kokoro`, `espeak` or `festival`.
        own: the product's phrases by language.
        count: clips in all.
        folder: made when missing; `ENGINE-SEED-NNNN.npz` and `.jsonl`.
        seed: of words and voices.
        vocabulary: CSV (id, slot, hi, mr): half of the lines are its phrases and sentences made of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shard = 0
    while shard * SHARD_CLIPS < count:
        stem = folder / f"{engine}-{seed}-{shard:04d}"
        if not stem.with_suffix(".jsonl").exists():
            _write_shard(stem, list(_clips(engine, own, np.random.default_rng((seed, shard)), vocabulary)))
            print(f"{engine}: {(shard + 1) * SHARD_CLIPS}/{count}", flush=True)
        shard += 1


def _clips(
    engine: str, own: dict[Language, list[str]], rng: np.random.Generator, vocabulary: Path | None
) -> Iterator[tuple[Line, voices.Clip]]:
    half: list[Line] = []
    for language in own:
        said = vocabulary_lines(vocabulary, language, SHARD_CLIPS, rng) if vocabulary else []
        half += lines(language, own[language], SHARD_CLIPS // len(own) + 8, rng, engine == "kokoro", said)
    rng.shuffle(half)  # type: ignore[arg-type]
    chosen = half[:SHARD_CLIPS]
    if engine == "kokoro":
        model = voices.Kokoro()
        for line in chosen:
            yield line, model.say(line.ipa, model.speaker(rng), float(rng.uniform(0.65, 1.35)))
    elif engine == "espeak":
        for line in chosen:
            yield line, voices.espeak(line.text, line.language, rng)
    else:
        for language in own:
            batch = [x for x in chosen if x.language == language and _agrees(x)]
            for k in range(0, len(batch), 25):
                part = batch[k : k + 25]
                said = voices.festival([x.text for x in part], language, float(rng.uniform(0.75, 1.4)))
                yield from zip(part, said, strict=True)


def _agrees(line: Line) -> bool:
    """Festival reads by rules of its own: only words that our rules and espeak-ng read alike are trusted."""
    return line.units == phrase_pronunciations(line.text, line.language)[0]


def _write_shard(stem: Path, made: list[tuple[Line, voices.Clip]]) -> None:
    kept = [(line, clip) for line, clip in made if 0.15 <= len(clip) / 16_000 <= 6 and float(np.abs(clip).max()) > 0.01]
    sizes = np.array([len(clip) for _, clip in kept])
    joined = np.concatenate([np.clip(c / np.abs(c).max(), -1, 1) * 32_000 for _, c in kept]).astype(np.int16)
    np.savez(stem.with_suffix(".npz"), samples=joined, sizes=sizes)
    text = "\n".join(
        json.dumps({"text": x.text, "language": x.language, "units": x.units}, ensure_ascii=False) for x, _ in kept
    )
    partial = stem.with_suffix(".partial")
    partial.write_text(text + "\n", "utf-8")
    partial.replace(stem.with_suffix(".jsonl"))


def _readable(word: str, language: Language) -> bool:
    try:
        return len(pronunciations(word, language)[0]) >= 2
    except UnspeakableError:
        return False
