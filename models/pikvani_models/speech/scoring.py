"""Closed-set scores: which of a list's words was said, by the CTC likelihood of each word's likeliest pronunciation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.hearing import heard
from pikvani_contract.speech.package import SpeechPackage, load_speech_package
from pikvani_contract.speech.phones import UNITS, Language, phrase_pronunciations

_INDEX = {unit: k for k, unit in enumerate(UNITS)}
LogProbs = NDArray[np.float32]
"""`[frames, units]`."""


def read_clip(path: Path) -> NDArray[np.float32]:
    """A recording, mono.

    Raises:
        ValueError: not 16 kHz.
    """
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE_HZ:
        raise ValueError(f"{path}: {rate} Hz, wanted {SAMPLE_RATE_HZ}")
    return np.asarray(samples.mean(axis=1), np.float32)


def package_ear(folder: Path) -> Callable[[NDArray[np.float32]], LogProbs]:
    """What a speech package hears, on one thread: from a clip to log probabilities.

    Raises:
        PackageError: the package cannot be used.
    """
    package = load_speech_package(folder)
    invoke = invoke_of(package)
    return lambda samples: heard(samples, package.manifest.views, package.front_end, invoke)


def invoke_of(package: SpeechPackage) -> Callable[[NDArray[np.float32]], LogProbs]:
    """The network of a speech package on one thread, from features to log probabilities."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(package.model), options)
    return lambda features: np.asarray(session.run(None, {"features": features[None]})[0][0], np.float32)


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
    ear: Callable[[NDArray[np.float32]], LogProbs], clips: Sequence[tuple[Path, str]], language: Language
) -> tuple[float, list[tuple[str, str]]]:
    """Share of clips whose word is ranked first among all words of `clips`, and the mistakes (said, heard)."""
    words = {word: language for _, word in clips}
    wrong = []
    for path, word in clips:
        heard = rank(ear(read_clip(path)), words)[0][0]
        if heard != word:
            wrong.append((word, heard))
    return 1 - len(wrong) / len(clips), wrong
