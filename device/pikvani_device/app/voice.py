"""Builds what listens: the decoder of notes, the acoustic model, and the grammars over it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.speech.package import SpeechPackage, load_speech_package
from pikvani_contract.speech.phones import Language
from pikvani_device.errors import ModelError
from pikvani_device.ports import AcousticModel
from pikvani_device.voice.clips import RATE_HZ, ClipDecoder, Sound, sound_of, spoken_part
from pikvani_device.voice.recognition import PhraseList, Sentence, Understood
from pikvani_device.voice.vocabulary import Phrase, vocabulary


def shipped_speech() -> Path:
    """Folder of the speech package that came with the software: in the wheel, else in the checkout.

    Raises:
        ModelError: it is in neither.
    """
    here = Path(__file__).resolve().parents[1]
    for place in (here / "packages" / "speech", here.parents[1] / "models" / "packages" / "speech"):
        if (place / "manifest.json").is_file():
            return place
    raise ModelError("no speech package came with this installation: name one with voice.dir, or install again")


@dataclass(frozen=True)
class Listened:
    """One clip, listened to.

    Attributes:
        understood: what it says.
        sound: how it sounds.
        latency_ms: from samples to what it says.
    """

    understood: Understood
    sound: Sound
    latency_ms: float


class Ear:
    """Understands clips in one language.

    Args:
        model: gives log probabilities.
        package: whose rejection to use.
        language: of the vocabulary.
        phrases: a list to choose from; None for sentences over the whole vocabulary.
    """

    def __init__(
        self, model: AcousticModel, package: SpeechPackage, language: Language, phrases: Sequence[Phrase] | None
    ) -> None:
        self._model = model
        rejection = package.manifest.rejection
        self._grammar: PhraseList | Sentence
        if phrases is None:
            self._grammar = Sentence(vocabulary(language), rejection)
        else:
            self._grammar = PhraseList(phrases, rejection)

    def listen(self, samples: NDArray[np.float32]) -> Listened:
        """Understand a clip of mono 16 kHz samples."""
        began = time.perf_counter()
        sound = sound_of(samples)
        understood = self._grammar.understand(self._model.log_probs(spoken_part(samples)))
        if sound.trouble == "silent":
            understood = Understood("reject", understood.phrase, 0.0)
        return Listened(understood, sound, (time.perf_counter() - began) * 1_000)


class VoiceRoom:
    """What listens on this device; its parts are built when first asked for.

    Args:
        directory: of the speech package; empty for the shipped one.
    """

    def __init__(self, directory: str = "") -> None:
        self._directory = directory
        self.decoder = ClipDecoder()

    @cached_property
    def package(self) -> SpeechPackage:
        """The speech package, verified.

        Raises:
            ModelError: it is missing, changed or made for other software.
        """
        try:
            return load_speech_package(Path(self._directory) if self._directory else shipped_speech())
        except (PackageError, OSError) as error:
            raise ModelError(f"speech package: {error}") from None

    @cached_property
    def model(self) -> AcousticModel:
        """Its network."""
        from pikvani_device.adapters.acoustic_onnx import OnnxAcousticModel

        return OnnxAcousticModel(self.package)

    def ear(self, language: Language, phrases: Sequence[Phrase] | None = None) -> Ear:
        """An ear for a phrase list, or for sentences."""
        return Ear(self.model, self.package, language, phrases)

    def seconds(self, samples: NDArray[np.float32]) -> float:
        """Length of a clip."""
        return len(samples) / RATE_HZ

    def close(self) -> None:
        """Let everything go."""
        self.decoder.close()
