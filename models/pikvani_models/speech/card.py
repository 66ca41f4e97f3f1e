"""The manifest of a speech package, and its model card, which is written from the manifest's figures alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import msgspec

from pikvani_contract.model.manifest import MANIFEST_FILE, FileEntry
from pikvani_contract.speech.package import Rejection, Score, SpeechManifest, load_speech_package

CARD_FILE = "MODEL_CARD.md"
WHISPER = "whisper tiny.en, first layers"
"""The corpus that stands for what the network went on from."""
_MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice and
this permission notice shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED
"AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""
_KINDS = {"real": "Real speech, never trained on", "synthetic": "Voices kept from training"}


def write_manifest(folder: Path, manifest: SpeechManifest) -> None:
    """Write `MODEL_CARD.md`, and `manifest.json` with the card among its files."""
    card = "\n".join(_lines(manifest)) + "\n"
    (folder / CARD_FILE).write_text(card, "utf-8")
    data = card.encode()
    entry = FileEntry(CARD_FILE, hashlib.sha256(data).hexdigest(), len(data))
    files = (*(file for file in manifest.files if file.path != CARD_FILE), entry)
    listed = msgspec.to_builtins(msgspec.structs.replace(manifest, files=files))
    (folder / MANIFEST_FILE).write_text(json.dumps(listed, ensure_ascii=False, indent=1) + "\n", "utf-8")


def record(folder: Path, name: str, kind: Literal["real", "synthetic"], clips: int, right: float) -> None:
    """Keep one measured figure in a package, in the place of an older one of the same name.

    Raises:
        PackageError: `folder` holds no package that can be used.
    """
    manifest = load_speech_package(folder).manifest
    score = Score(name, kind, clips, round(right, 4))
    kept = [one for one in manifest.scores if one.name != name]
    write_manifest(folder, msgspec.structs.replace(manifest, scores=(*kept, score)))


def _lines(manifest: SpeechManifest) -> list[str]:
    return [
        f"# Model card: {manifest.name} {manifest.version}",
        "",
        "Hears Hindi and Marathi words of a list or of the crop vocabulary, offline, and turns away what it does not "
        "believe. It is no dictation: what it takes in is read back and confirmed, and touch stands beside it.",
        "",
        f"- Network: log-mel features of {manifest.features.sample_rate_hz // 1_000} kHz speech to "
        f"{len(manifest.units)} sounds of both languages, heard in {len(manifest.views)} views; {_size(manifest)}.",
        f"- Quantised: {manifest.quantisation or 'not said'}.",
        f"- **Trained on synthetic voices{_but_real(manifest)}.** Expect more mistakes with voices, rooms and "
        "villages it was never measured on; short words of one vowel are the usual ones.",
        *_rejection(manifest.rejection),
        "- What was tried, and which bars are not reached: `models/EXPERIMENTS.md`, Speech.",
        "",
        "## Measured",
        *(line for kind in _KINDS for line in _table(manifest, kind)),
        "",
        "## Voices",
        "",
        "| voices | clips | licence |",
        "|---|---|---|",
        *(f"| {corpus.name} | {corpus.clips:,} | {corpus.licence} |" for corpus in manifest.corpora),
        *_notice(manifest),
    ]


_REAL = {"real": "real clips of our languages", "foreign": "of real speakers of others"}


def _size(manifest: SpeechManifest) -> str:
    return f"{sum(file.size for file in manifest.files if file.path != CARD_FILE) / 1e6:.2f} MB"


def _but_real(manifest: SpeechManifest) -> str:
    clips = {corpus.name: corpus.clips for corpus in manifest.corpora}
    others = [f"{clips[kind]:,} {what}" for kind, what in _REAL.items() if kind in clips]
    return f" and {' and '.join(others)}" if others else " alone"


def _notice(manifest: SpeechManifest) -> list[str]:
    if WHISPER not in [corpus.name for corpus in manifest.corpora]:
        return []
    return ["", "## Whisper", "", "The network goes on from Whisper tiny.en. Copyright (c) 2022 OpenAI.", "", _MIT]


def _rejection(rejection: Rejection) -> list[str]:
    def least(judged: float | None) -> str:
        return f"{rejection.accept:.2f} by its score alone" if judged is None else f"{judged:.2f} by a judge"

    phrase, sentence = rejection.phrase, rejection.sentence
    return [
        f"- Believed from a confidence of {least(sentence.accept if sentence else None)} (a note over the whole "
        f"vocabulary), {least(phrase.accept if phrase else None)} (a phrase of a list)."
    ]


def _table(manifest: SpeechManifest, kind: str) -> list[str]:
    rows = [score for score in manifest.scores if score.kind == kind]
    if not rows:
        return []
    table = [f"| {row.name} | {row.clips} | {row.right:.1%} |" for row in rows]
    return ["", f"### {_KINDS[kind]}", "", "| what | clips | right |", "|---|---|---|", *table]
