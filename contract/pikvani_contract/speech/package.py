"""The speech package: a recogniser as `model.onnx` with a `manifest.json` that says how to feed and judge it.

Like the leaf package it is a TUF target's contents; here the folder is only checked against its own manifest.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pikvani_contract.model.manifest import MANIFEST_FILE, FileEntry, PackageError, Share, Version
from pikvani_contract.speech import features, whisper
from pikvani_contract.speech.features import HOP, SAMPLE_RATE_HZ, WINDOW
from pikvani_contract.speech.phones import UNITS

SCHEMA = 1
MODEL_FILE = "model.onnx"
MAX_MANIFEST_BYTES = 200_000
MAX_MODEL_BYTES = 6_000_000


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all parts of a manifest."""


class FeatureSpec(Part, frozen=True):
    """How samples become the input `features [1, frames, bands]`; see `FRONT_ENDS`."""

    sample_rate_hz: int
    bands: int
    window: int
    hop: int
    stride: Annotated[int, Meta(ge=1, le=8)]
    doubt_frames: int


STRIDE = 3
"""Frames of features in one frame of log probabilities."""
LEVELLED = FeatureSpec(SAMPLE_RATE_HZ, features.BANDS, WINDOW, HOP, STRIDE, features.DOUBT_FRAMES)
"""Of the packages up to 1.2.0, `speech.features`: a device that goes back to one must still hear."""
WHISPER = FeatureSpec(SAMPLE_RATE_HZ, whisper.BANDS, WINDOW, HOP, STRIDE, 0)
"""Of packages that go on from Whisper's first layers, `speech.whisper`."""
FrontEnd = Callable[[NDArray[np.float32], float], NDArray[np.float32]]
"""From samples and a warp to features."""
FRONT_ENDS: Mapping[FeatureSpec, FrontEnd] = {LEVELLED: features.log_mel, WHISPER: whisper.log_mel}
"""What this software can make of samples."""


class View(Part, frozen=True):
    """One way of hearing a clip; see `speech.hearing`.

    Attributes:
        edge: level of the noise at both ends, as a share of the clip's peak.
        warp: stretches the frequency axis.
    """

    edge: Annotated[float, Meta(gt=0, le=0.1)] = 1e-3
    warp: Annotated[float, Meta(ge=0.8, le=1.25)] = 1.0


EVIDENCE = (
    *("a_unit", "a_heard", "worst_unit", "worst_word", "low_units", "bad_units", "distance", "size", "word_units"),
    *("words", "alone", "free", "entropy", "pace"),
)
"""What a judge may weigh; what each means stands in `pikvani_device.voice.evidence`."""


class Judge(Part, frozen=True):
    """A logistic regression over what speaks for and against an answer.

    Attributes:
        weights: of each figure, by its name in `EVIDENCE`.
        offset: added to their weighted sum.
        accept: least confidence at which an answer counts as heard.
    """

    weights: dict[str, float]
    offset: float
    accept: Share

    def confidence(self, figures: Mapping[str, float]) -> float:
        """`1 / (1 + exp(-(offset + sum of weight * figure)))`."""
        exponent = -(self.offset + sum(weight * figures[name] for name, weight in self.weights.items()))
        return 0.0 if exponent > 700 else 1 / (1 + math.exp(exponent))


class Rejection(Part, frozen=True):
    """When an answer is not given.

    The score of a phrase is its log likelihood minus that of the best free sequence of units, divided by the phrase's
    units: 0 at best. A frame would be the wrong measure: the more silence around a word, the surer it would seem. The
    confidence is `1 / (1 + exp(-(scale * score + offset)))`, fitted on synthetic speech; `accept` is the least
    confidence at which a phrase counts as heard.

    Attributes:
        phrase: judges one of a list of phrases; without it, the score alone does.
        sentence: judges what was understood of a note over the whole vocabulary; without it, the scores of its words
            and their share of the note do. Which words are heard in it, the score alone says.
        least_sure: log probability of the best free path a unit it hears, below which nobody speaks; -3 was that of the
            packages up to 1.2.0.
    """

    scale: float
    offset: float
    accept: Share
    phrase: Judge | None = None
    sentence: Judge | None = None
    least_sure: Annotated[float, Meta(lt=0)] = -3.0


class Corpus(Part, frozen=True):
    """One source of training speech."""

    name: str
    clips: Annotated[int, Meta(ge=0)]
    licence: str


class Score(Part, frozen=True):
    """One measured figure: what was recognised, of how many clips, how many right."""

    name: str
    kind: Literal["real", "synthetic"]
    clips: Annotated[int, Meta(ge=0)]
    right: Share


class SpeechManifest(Part, frozen=True):
    """`manifest.json` of a speech package."""

    schema: Literal[1]
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
    version: Version
    created: str
    languages: tuple[Literal["hi", "mr"], ...]
    units: tuple[str, ...]
    features: FeatureSpec
    rejection: Rejection
    files: tuple[FileEntry, ...]
    corpora: tuple[Corpus, ...]
    scores: tuple[Score, ...] = ()
    views: Annotated[tuple[View, ...], Meta(min_length=1, max_length=8)] = (View(),)
    quantisation: str = ""


@dataclass(frozen=True)
class SpeechPackage:
    """A package that was read and fits its manifest and this software."""

    folder: Path
    manifest: SpeechManifest

    @property
    def model(self) -> Path:
        """The network."""
        return self.folder / MODEL_FILE

    @property
    def front_end(self) -> FrontEnd:
        """What makes its features."""
        return FRONT_ENDS[self.manifest.features]


def load_speech_package(folder: Path) -> SpeechPackage:
    """Read a speech package and verify its files.

    Raises:
        PackageError: something is missing, changed, oversize, or made for other software.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise PackageError(f"{folder} holds no {MANIFEST_FILE}: give the folder of a speech package")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise PackageError(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes: not a manifest")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=SpeechManifest)
    except msgspec.MsgspecError as error:
        raise PackageError(f"{path} does not validate: {error}; fetch the package again") from error
    if manifest.units != UNITS:
        raise PackageError(f"{path}: its units are not this software's: update the software or the package")
    if manifest.features not in FRONT_ENDS:
        raise PackageError(f"{path}: its features are not this software's: update the software or the package")
    judges = (manifest.rejection.phrase, manifest.rejection.sentence)
    if not all(set(judge.weights) <= set(EVIDENCE) for judge in judges if judge):
        raise PackageError(f"{path}: a judge weighs what this software does not know: update the software")
    if [entry.path for entry in manifest.files].count(MODEL_FILE) != 1:
        raise PackageError(f"{path} does not list {MODEL_FILE} once: fetch the package again")
    for entry in manifest.files:
        _verify(folder, entry)
    return SpeechPackage(folder, manifest)


def _verify(folder: Path, entry: FileEntry) -> None:
    file = folder / entry.path
    if ".." in entry.path.split("/") or not file.is_file():
        raise PackageError(f"{file} is listed in {MANIFEST_FILE} but not there: fetch the package again")
    if file.stat().st_size != entry.size or entry.size > MAX_MODEL_BYTES:
        raise PackageError(f"{file} has not the size {MANIFEST_FILE} says, or too much: fetch the package again")
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
            raise PackageError(f"{file} differs from its hash in {MANIFEST_FILE}: fetch the package again")
