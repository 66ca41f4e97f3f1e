"""Single words of real speakers: our recogniser beside CMU Sphinx with a grammar of the same words.

    scripts/bench speech

Closed sets: what was said is one of the list. Our side is `pikvani-device listen --phrases` as it ships; Sphinx gets
the same pronunciations, one thread each, clips levelled and padded with faint noise, which it needs. It does worse here
than where it was first measured, with a lexicon of its own: that figure is the one to beat, and is printed too.
Recordings below PIKVANI_DATASETS are for evaluation only; the Sphinx model is in `../baselines` beside them.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.bench.answer import PEERS
from tests.conftest import datasets

from pikvani_contract.speech.phones import Language, phrase_pronunciations
from pikvani_device.voice.clips import ClipDecoder


def _words(language: Language) -> dict[str, str]:
    with (Path(__file__).parent / f"words_{language}.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row["word"] for row in csv.DictReader(file)}


HINDI, MARATHI = _words("hi"), _words("mr")
_TO_TEN = [str(number) for number in range(1, 11)]
FIRST_MEASURED = {"hindi_30_words": 0.635, "hindi_digits": 0.625, "marathi_1_20": 0.707, "marathi_1_10": 0.71}
SETS: dict[str, tuple[str, Language, dict[str, str]]] = {
    "hindi_30_words": ("hindi_words_eval", "hi", HINDI),
    "hindi_digits": ("hindi_words_eval", "hi", {k: HINDI[k] for k in _TO_TEN}),
    "marathi_1_20": ("marathi_numbers_eval", "mr", MARATHI),
    "marathi_1_10": ("marathi_numbers_eval", "mr", {k: MARATHI[k] for k in _TO_TEN}),
}
_RENAMED = "ng=ng~ c=ch ch=chh ny=nj~ tt=t: tth=t:h dd=d: ddh=d:h nn=nd~ ll=l: rr=d~ rrh=dh~ f=ph~ z=j~ ts=ch"
_SPHINX = dict(pair.split("=") for pair in _RENAMED.split())
"""Our units where Sphinx's Hindi model calls them otherwise."""
MARGIN_S = 0.4
_decoder = ClipDecoder()


def read_clip(path: Path) -> NDArray[np.float32]:
    """Samples of a recording, 16 kHz."""
    return _decoder.decode(path.read_bytes(), path.name)


def ours(clips: list[Path], words: list[str], language: Language, folder: Path) -> dict[str, tuple[str, float]]:
    """Word and seconds by clip."""
    phrases = folder / "phrases.txt"
    phrases.write_text("\n".join(words) + "\n", "utf-8")
    command = [sys.executable, "-m", "pikvani_device.cli", "listen", "--lang", language, "--phrases", str(phrases)]
    done = subprocess.run([*command, "--jsonl", *map(str, clips)], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["clip"]: (line["phrase"], line["latency_ms"] / 1_000) for line in lines}


def _in_sphinx(units: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A pronunciation in its phones. It tells long vowels from short ones, which our units do not: both are offered."""
    yield from product(*({"i": ("i", "ii"), "u": ("u", "uu")}.get(u, (_SPHINX.get(u, u),)) for u in units))


def sphinx(clips: list[Path], words: list[str], language: Language, folder: Path) -> dict[str, tuple[str, float]]:
    """The same of the baseline."""
    lexicon = []
    for word in words:
        ways = sorted({way for units in phrase_pronunciations(word, language) for way in _in_sphinx(units)})
        for number, way in enumerate(ways):
            name = word if number == 0 else f"{word}({number + 1})"
            lexicon.append(f"{name} {' '.join(way)}")
    (folder / "words.dict").write_text("\n".join(lexicon) + "\n", "utf-8")
    grammar = f"#JSGF V1.0 UTF-8;\ngrammar words;\npublic <word> = {' | '.join(words)};\n"
    (folder / "words.gram").write_text(grammar, "utf-8")
    rng, raws = np.random.default_rng(1), {}
    for number, clip in enumerate(clips):
        samples = read_clip(clip)
        margin = np.zeros(int(MARGIN_S * 16_000), np.float32)
        whole = np.concatenate([margin, samples / max(1e-6, float(np.abs(samples).max())) * 0.5, margin])
        whole = np.clip(whole + rng.normal(0, 1e-3, len(whole)), -1, 1)
        raw = folder / f"{number}.raw"
        raw.write_bytes((whole * 32_767).astype("<i2").tobytes())
        raws[str(raw)] = clip
    model = datasets().parent / "baselines" / "pocketsphinx-hi"
    script = str(Path(__file__).parent / "peers" / "sphinx.py")
    command = [str(PEERS), script, str(model), str(folder / "words.dict"), str(folder / "words.gram")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, input="\n".join(raws) + "\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {str(raws[line["clip"]]): (line["word"], line["s"]) for line in lines}


def measure() -> dict[str, Any]:
    """Shares right and seconds a second of speech, of both, on each set."""
    found: dict[str, Any] = {}
    for name, (place, language, words) in SETS.items():
        clips = sorted(p for p in (datasets() / "speech" / place).glob("*/*") if p.parent.name in words)
        if not clips:
            sys.exit(f"no recordings at {datasets() / 'speech' / place}: set PIKVANI_DATASETS")
        audio_s = sum(len(read_clip(clip)) for clip in clips) / 16_000
        found[name] = {"clips": len(clips), "sphinx_first_measured": FIRST_MEASURED[name]}
        for who, listen in (("ours", ours), ("sphinx", sphinx)):
            with tempfile.TemporaryDirectory() as folder:
                heard = listen(clips, sorted(set(words.values())), language, Path(folder))
            right = sum(heard[str(clip)][0] == words[clip.parent.name] for clip in clips)
            found[name] |= {
                f"{who}_right": round(right / len(clips), 3),
                f"{who}_rtf": round(sum(s for _, s in heard.values()) / audio_s, 4),
            }
    return found


if __name__ == "__main__":
    print(json.dumps(measure()))
    _decoder.close()
