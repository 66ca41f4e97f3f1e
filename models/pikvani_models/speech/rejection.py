"""Judges of a speech package: a logistic regression from what the device weighs to whether an answer is to be believed.

The figures are the device's own (`pikvani-device listen --jsonl --figures`), so that nothing is computed twice; what
was said in each clip stands in `said.jsonl` of `say-notes`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from pikvani_contract.speech.package import EVIDENCE, Judge, load_speech_package
from pikvani_models.speech.card import write_manifest

ACCEPT_SHARE = 0.95
"""Share of the grammar's own notes that shall be accepted."""
_HOLD = 0.1
"""Inverse strength of the ridge on standardised figures."""


@dataclass(frozen=True)
class Weighed:
    """One clip.

    Attributes:
        figures: what the device weighs.
        own: whether it is what it was taken for.
        of_grammar: whether it is so from end to end: no foreign words around.
    """

    figures: Mapping[str, float]
    own: bool
    of_grammar: bool


def weighed(heard: Iterable[str], said: Path, listed: Sequence[str] | None) -> list[Weighed]:
    """Clips that were listened to, with the truth.

    Args:
        heard: JSON lines of `listen --figures`. A clip too bad to weigh is passed over.
        said: `said.jsonl` beside the clips.
        listed: phrases the clips were held to; None for the full grammar. Held to a list, sentences of ours are
            neither of it nor strange to it, and are passed over.
    """
    rows = [json.loads(line) for line in said.read_text("utf-8").splitlines()]
    notes = {row["clip"]: row for row in rows}
    found = []
    for line in map(json.loads, heard):
        path = Path(line["clip"])
        note = notes[f"{path.parent.name}/{path.name}"]
        own = path.parent.name == "own"
        if not line["figures"] or (listed is not None and own and note["kind"] != "phrase"):
            continue
        own = own and (listed is None or note["text"] in listed)
        found.append(Weighed(line["figures"], own, own and note["kind"] != "carried"))
    return found


def fit_judge(clips: Sequence[Weighed]) -> Judge:
    """Fit a judge; both kinds weigh alike, however many clips there are of each.

    Raises:
        ValueError: clips of one kind only.
    """
    from sklearn.linear_model import LogisticRegression

    own = np.array([clip.own for clip in clips])
    if not 0 < own.sum() < len(own):
        raise ValueError("own notes and other speech are needed, both: give what `listen --figures` heard of either")
    table = np.array([[clip.figures[name] for name in EVIDENCE] for clip in clips])
    mean, spread = table.mean(axis=0), table.std(axis=0) + 1e-6
    model = LogisticRegression(C=_HOLD, class_weight="balanced", max_iter=3_000).fit((table - mean) / spread, own)
    weights = model.coef_[0] / spread
    judge = Judge(
        {name: round(float(weight), 5) for name, weight in zip(EVIDENCE, weights, strict=True)},
        round(float(model.intercept_[0] - weights @ mean), 5),
        0.5,
    )
    sure = [judge.confidence(clip.figures) for clip in clips if clip.of_grammar]
    return Judge(judge.weights, judge.offset, round(float(np.quantile(sure, 1 - ACCEPT_SHARE)), 4))


def rates(judge: Judge, clips: Sequence[Weighed]) -> dict[str, float]:
    """Shares of own clips accepted and of others turned away."""
    accepted = np.array([judge.confidence(clip.figures) >= judge.accept for clip in clips])
    own, ours = (np.array([getattr(clip, name) for clip in clips]) for name in ("own", "of_grammar"))
    return {
        "own": int(own.sum()),
        "own_accepted": round(float(accepted[own].mean()), 4),
        "of_grammar": int(ours.sum()),
        "of_grammar_accepted": round(float(accepted[ours].mean()), 4),
        "others": int((~own).sum()),
        "others_rejected": round(float((~accepted[~own]).mean()), 4),
    }


def with_judge(package: Path, kind: str, judge: Judge, version: str, out: Path) -> None:
    """Write a package as `out`, with a new judge and a new version; its network stays.

    Args:
        package: folder of the package to go on from.
        kind: `phrase` or `sentence`.
        judge: the new one.
        version: of `out`.
        out: its folder; may be `package`.

    Raises:
        PackageError: `package` cannot be used.
    """
    before = load_speech_package(package)
    if out.resolve() != package.resolve():
        out.mkdir(parents=True, exist_ok=True)
        for entry in before.manifest.files:
            shutil.copyfile(package / entry.path, out / entry.path)
    rejection = msgspec.structs.replace(before.manifest.rejection, **{kind: judge})
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest = msgspec.structs.replace(before.manifest, version=version, created=created, rejection=rejection)
    write_manifest(out, manifest)
    load_speech_package(out)
