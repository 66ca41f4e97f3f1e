"""Closed-set scores: which of a list's words was said, by the CTC likelihood of each word's likeliest pronunciation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pikvani_contract.speech.features import SAMPLE_RATE_HZ, log_mel
from pikvani_contract.speech.package import load_speech_package
from pikvani_contract.speech.phones import UNITS, Language, phrase_pronunciations

_INDEX = {unit: k for k, unit in enumerate(UNITS)}
LogProbs = NDArray[np.float32]
"""`[frames, units]`."""
EDGE_S = 0.2
"""Faint noise put before and after a clip, so that a tightly cut one has context."""


def read_clip(path: Path) -> NDArray[np.float32]:
    """A recording, mono.

    Raises:
        ValueError: not 16 kHz.
    """
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE_HZ:
        raise ValueError(f"{path}: {rate} Hz, wanted {SAMPLE_RATE_HZ}")
    return np.asarray(samples.mean(axis=1), np.float32)


def features_of(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-mels of a clip with `EDGE_S` of faint noise at both ends."""
    faint = np.random.default_rng(0).standard_normal(int(EDGE_S * SAMPLE_RATE_HZ)).astype(np.float32)
    faint *= float(np.abs(samples).max(initial=1e-3)) * 1e-3
    return log_mel(np.concatenate([faint, samples, faint[::-1]]))


def package_invoke(folder: Path) -> Callable[[NDArray[np.float32]], LogProbs]:
    """The network of a speech package on one thread, from features to log probabilities.

    Raises:
        PackageError: the package cannot be used.
    """
    import onnxruntime

    package = load_speech_package(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(package.model), options)

    def invoke(features: NDArray[np.float32]) -> LogProbs:
        return np.asarray(session.run(None, {"features": features[None]})[0][0], np.float32)

    return invoke


def likelihoods(log_probs: LogProbs, ways: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Natural log of the CTC likelihood of each sequence of units, `[ways]`."""
    probs = torch.from_numpy(log_probs)[:, None, :].expand(-1, len(ways), -1)
    targets = torch.tensor([_INDEX[u] for way in ways for u in way])
    lengths = torch.tensor([len(way) for way in ways])
    frames = torch.full((len(ways),), log_probs.shape[0])
    loss = functional.ctc_loss(probs, targets, frames, lengths, reduction="none", zero_infinity=False)
    return -loss.double().numpy()


def rank(log_probs: LogProbs, words: Mapping[str, Language]) -> list[tuple[str, float]]:
    """Words, the likeliest first, each with its score."""
    names, ways = [], []
    for word, language in words.items():
        for way in phrase_pronunciations(word, language):
            names.append(word)
            ways.append(way)
    best: dict[str, float] = {}
    for name, score in zip(names, likelihoods(log_probs, ways), strict=True):
        best[name] = max(best.get(name, -np.inf), float(score))
    return sorted(best.items(), key=lambda item: -item[1])


def closed_set(
    invoke: Callable[[NDArray[np.float32]], LogProbs], clips: Sequence[tuple[Path, str]], language: Language
) -> tuple[float, list[tuple[str, str]]]:
    """Share of clips whose word is ranked first among all words of `clips`, and the mistakes (said, heard)."""
    words = {word: language for _, word in clips}
    wrong = []
    for path, word in clips:
        heard = rank(invoke(features_of(read_clip(path))), words)[0][0]
        if heard != word:
            wrong.append((word, heard))
    return 1 - len(wrong) / len(clips), wrong
