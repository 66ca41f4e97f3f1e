"""Weights to a speech package: INT8 file, a rejection fitted on synthetic speech, and a manifest that says it all."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from pikvani_contract.model.manifest import FileEntry
from pikvani_contract.speech.features import BANDS, DOUBT_FRAMES, HOP, SAMPLE_RATE_HZ, WINDOW, log_mel
from pikvani_contract.speech.hearing import features_of
from pikvani_contract.speech.package import (
    MODEL_FILE,
    Corpus,
    FeatureSpec,
    Rejection,
    SpeechManifest,
    View,
    load_speech_package,
)
from pikvani_contract.speech.phones import UNITS
from pikvani_models.speech.card import write_manifest
from pikvani_models.speech.export import export, without_prior
from pikvani_models.speech.hardship import harden, noise
from pikvani_models.speech.network import STRIDE, SpeechNet
from pikvani_models.speech.scoring import LogProbs, likelihoods, package_ear
from pikvani_models.speech.training import Said, read_shards

_LICENCES = {
    "kokoro": "Apache-2.0 (Kokoro-82M)",
    "espeak": "speech made with espeak-ng (GPL program, output not covered)",
    "festival": "speech made with Festival and festvox NSK voices (GPL programs, output not covered)",
    "real": "MIT (PaadasML)",
}
_RANGE_CLIPS = 240
_FIT_CLIPS = 400
_PRIOR_CLIPS = 200
PRIOR_SHARE = 0.85
"""Of the prior that is taken from the outputs: chosen on the one real set that may train (see EXPERIMENTS.md)."""
VIEWS = (View(1e-3, 0.94), View(3e-3, 1.0), View(1e-2, 1.06))
"""How the device hears a clip: chosen on the one real set that may train, whole and cut tight."""
ACCEPT_SHARE = 0.95
"""Share of right phrases that shall be accepted, of hardened synthetic clips."""


def build(
    weights: Path, corpus: Path, out: Path, version: str, real: Path | None = None, start: Path | None = None
) -> None:
    """Write the package folder `out`.

    Args:
        weights: of a `SpeechNet`.
        corpus: shards, for INT8 ranges and for fitting the rejection.
        out: made when missing.
        version: such as 1.0.0.
        real: real clips the weights were trained on, `text.json` in their folder.
        start: the package they went on from, whose clips count too.
    """
    net = SpeechNet()
    net.load_state_dict(torch.load(weights, map_location="cpu"))
    net.eval()
    said = read_shards(corpus)
    rng = np.random.default_rng(7)
    chosen = [said[i] for i in rng.choice(len(said), min(len(said), _RANGE_CLIPS + _FIT_CLIPS), replace=False)]
    heard = _hardened(chosen, rng)
    natural = [one for one in said if one.kind != "espeak"] or said
    plain = [natural[i] for i in rng.choice(len(natural), min(len(natural), _PRIOR_CLIPS), replace=False)]
    without_prior(net, [features_of(one.samples.astype(np.float32) / 32_768, View()) for one in plain], PRIOR_SHARE)
    out.mkdir(parents=True, exist_ok=True)
    done = export(net, [log_mel(clip) for clip in heard[:_RANGE_CLIPS]], out / MODEL_FILE)
    counts = Counter(one.kind for one in said)
    if real:
        counts["real"] = len(json.loads((real / "text.json").read_text("utf-8")))
    if start:
        counts += Counter({one.name: one.clips for one in load_speech_package(start).manifest.corpora})
    manifest = SpeechManifest(
        schema=1,
        name="speech",
        version=version,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        languages=("hi", "mr"),
        units=UNITS,
        features=FeatureSpec(SAMPLE_RATE_HZ, BANDS, WINDOW, HOP, STRIDE, DOUBT_FRAMES),
        rejection=Rejection(1.0, 0.0, 0.5),
        files=(_entry(out / MODEL_FILE),),
        corpora=tuple(Corpus(kind, clips, _LICENCES[kind]) for kind, clips in sorted(counts.items()) if clips),
        quantisation=f"{done.method}; same best unit as FP32 in {done.agreement:.1%} of frames; outputs less "
        f"{PRIOR_SHARE} of the log prior",
        views=VIEWS,
    )
    write_manifest(out, manifest)
    ear = package_ear(out)
    rejection = fit_rejection([ear(x) for x in heard[_RANGE_CLIPS:]], chosen[_RANGE_CLIPS:], rng)
    write_manifest(out, msgspec.structs.replace(manifest, rejection=rejection))
    load_speech_package(out)


def score_a_unit(log_probs: LogProbs, units: Sequence[int]) -> float:
    """Log likelihood of units less that of the best free sequence, a unit; 0 at best."""
    names = [UNITS[u] for u in units]
    return float((likelihoods(log_probs, [names])[0] - log_probs.max(axis=1).sum()) / len(units))


def fit_rejection(outputs: Sequence[LogProbs], said: Sequence[Said], rng: np.random.Generator) -> Rejection:
    """A logistic from score to the probability that the phrase was said, right against wrong phrases of like length.

    Returns:
        With `accept` set so that `ACCEPT_SHARE` of the right ones are accepted.
    """
    from sklearn.linear_model import LogisticRegression

    right = np.array([score_a_unit(p, s.units) for p, s in zip(outputs, said, strict=True)])
    wrong = []
    for probs, one in zip(outputs, said, strict=True):
        others = [o for o in said if o.units != one.units and abs(len(o.units) - len(one.units)) <= 2]
        tried = [others[int(rng.integers(len(others)))] for _ in range(8)] if others else []
        wrong += [max(score_a_unit(probs, o.units) for o in tried)] if tried else []
    x = np.concatenate([right, wrong])[:, None]
    y = np.concatenate([np.ones(len(right)), np.zeros(len(wrong))])
    model = LogisticRegression(C=100.0).fit(x, y)
    scale, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    least = float(np.quantile(right, 1 - ACCEPT_SHARE))
    return Rejection(scale, offset, round(1 / (1 + float(np.exp(-(scale * least + offset)))), 4))


def _hardened(said: Sequence[Said], rng: np.random.Generator) -> list[NDArray[np.float32]]:
    clips = [one.samples.astype(np.float32) / 32_768 for one in said]
    backgrounds = [noise(48_000, clips[:40], rng) for _ in range(40)]
    return [harden(clip, backgrounds, -(-(len(clip) + 8_000) // 1_600) * 1_600, rng) for clip in clips]


def _entry(path: Path) -> FileEntry:
    with path.open("rb") as file:
        return FileEntry(path.name, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
