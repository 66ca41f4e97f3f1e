"""Builds what listens: the decoder of notes, the acoustic model, and the grammars over it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.speech.package import SpeechPackage, load_speech_package
from pikvani_contract.speech.phones import Language
from pikvani_contract.speech.prompts import PromptPack, load_prompt_pack
from pikvani_device.assets import Assets
from pikvani_device.config import VoiceSection
from pikvani_device.errors import MicrophoneError, ModelError, SpeechError
from pikvani_device.ports import AcousticModel, Microphone, Recognizer, Synthesizer
from pikvani_device.voice.clips import RATE_HZ, ClipDecoder, Sound, sound_of, spoken_part
from pikvani_device.voice.endpointing import Endpointer
from pikvani_device.voice.recognition import PhraseList, Sentence, Understood, meaning_of
from pikvani_device.voice.speaking import Speaker
from pikvani_device.voice.vocabulary import Phrase, vocabulary

if TYPE_CHECKING:
    from pikvani_device.adapters.recognizer_vosk import VoskModel

log = logging.getLogger(__name__)


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
    """Understands clips in one language with our own model.

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

    def understand(self, samples: NDArray[np.float32]) -> Understood:
        """What a clip of mono 16 kHz samples says."""
        return self._grammar.understand(self._model.log_probs(samples))


class OtherEar:
    """Understands clips by another's recogniser, held to the same phrases.

    Args:
        recognizer: made for the texts of `phrases`.
        phrases: what its words mean.
    """

    def __init__(self, recognizer: Recognizer, phrases: Sequence[Phrase]) -> None:
        self._recognizer = recognizer
        self._phrases = phrases

    def understand(self, samples: NDArray[np.float32]) -> Understood:
        """What a clip of mono 16 kHz samples says."""
        return meaning_of(*self._recognizer.recognise(samples), self._phrases)


class Listener:
    """Listens to clips: takes the spoken part, times it, says what is wrong with the sound."""

    def __init__(self, ear: Ear | OtherEar) -> None:
        self._ear = ear

    def listen(self, samples: NDArray[np.float32]) -> Listened:
        """Understand a clip of mono 16 kHz samples."""
        began = time.perf_counter()
        sound = sound_of(samples)
        understood = self._ear.understand(spoken_part(samples))
        if sound.trouble == "silent":
            understood = Understood("reject", understood.phrase, 0.0)
        return Listened(understood, sound, (time.perf_counter() - began) * 1_000)


class VoiceRoom:
    """What listens and speaks on this device; its parts are built when first asked for.

    Args:
        settings: the `[voice]` table.
        data_dir: where installed assets lie.
    """

    def __init__(self, settings: VoiceSection, data_dir: Path) -> None:
        self._settings = settings
        self._assets = Assets(data_dir / "assets")
        self.decoder = ClipDecoder()

    @cached_property
    def package(self) -> SpeechPackage:
        """The speech package, verified.

        Raises:
            ModelError: it is missing, changed or made for other software.
        """
        try:
            return load_speech_package(Path(self._settings.dir) if self._settings.dir else shipped_speech())
        except (PackageError, OSError) as error:
            raise ModelError(f"speech package: {error}") from None

    @cached_property
    def model(self) -> AcousticModel:
        """Its network."""
        from pikvani_device.adapters.acoustic_onnx import OnnxAcousticModel

        return OnnxAcousticModel(self.package)

    @cached_property
    def _vosk(self) -> VoskModel:
        from pikvani_device.adapters.recognizer_vosk import VoskModel

        folder = Path(self._settings.vosk_dir) if self._settings.vosk_dir else self._assets.folder_of("vosk")
        if folder is None:
            raise SpeechError("no Vosk model is installed: name one with voice.vosk_dir, or `assets install` one")
        return VoskModel(folder)

    def ear(self, language: Language, phrases: Sequence[Phrase] | None = None) -> Listener:
        """An ear for a phrase list, or for sentences over the whole vocabulary.

        Raises:
            DeviceError: the configured recogniser cannot be had.
        """
        if self._settings.recognizer == "vosk":
            wanted = list(phrases) if phrases is not None else vocabulary(language)
            return Listener(OtherEar(self._vosk.recognizer([phrase.text for phrase in wanted]), wanted))
        return Listener(Ear(self.model, self.package, language, phrases))

    def seconds(self, samples: NDArray[np.float32]) -> float:
        """Length of a clip."""
        return len(samples) / RATE_HZ

    @cached_property
    def microphone(self) -> Microphone:
        """The configured microphone.

        Raises:
            MicrophoneError: none is configured, or it does not work.
        """
        settings = self._settings
        if settings.microphone == "alsa":
            from pikvani_device.adapters.microphone_alsa import AlsaMicrophone

            return AlsaMicrophone(settings.microphone_name)
        if settings.microphone == "file":
            from pikvani_device.adapters.microphone_file import FileMicrophone

            return FileMicrophone(Path(settings.microphone_name))
        raise MicrophoneError("no microphone is configured: set voice.microphone to alsa or file")

    def record(self, meter: Callable[[float], None] = lambda _level: None) -> NDArray[np.float32]:
        """Record one note from the microphone, from now until somebody has spoken and stopped.

        Args:
            meter: told the level of every 20 ms, 0 to 1.

        Returns:
            Mono 16 kHz samples, at most 60 s.

        Raises:
            MicrophoneError: there is no microphone, or nobody spoke.
        """
        end, heard = Endpointer(), []
        with closing(self.microphone.frames()) as frames:  # type: ignore[type-var]
            for frame in frames:
                heard.append(frame)
                state = end.feed(frame)
                meter(end.level)
                if state in ("ended", "full"):
                    return np.concatenate(heard)
                if state == "nobody":
                    break
        raise MicrophoneError("nobody was heard: speak within seven seconds, close to the microphone")

    @cached_property
    def speaker(self) -> Speaker:
        """What speaks; a damaged prompt pack is left out and said so in the log."""
        packs: dict[str, PromptPack] = {}
        for locale in ("mr-IN", "hi-IN", "en-IN"):
            folder = self._prompts_of(f"prompts-{locale[:2]}")
            if folder is None:
                continue
            try:
                packs[locale] = load_prompt_pack(folder)
            except (PackageError, OSError) as error:
                log.error("%s is not spoken from its pack: %s", locale, error)
        return Speaker(packs, lambda: self._synthesizer)

    @cached_property
    def _synthesizer(self) -> Synthesizer | None:
        if self._settings.synthesizer == "none":
            return None
        from pikvani_device.adapters.synthesizer_espeak import EspeakSynthesizer

        try:
            return EspeakSynthesizer()
        except SpeechError as error:
            log.warning("sentences that were not recorded stay silent: %s", error)
            return None

    def _prompts_of(self, name: str) -> Path | None:
        if self._settings.prompts_dir:
            return Path(self._settings.prompts_dir) / name
        installed = self._assets.folder_of(name)
        if installed is not None:
            return installed
        here = Path(__file__).resolve().parents[1]
        places = (here / "packages" / name, here.parents[1] / "models" / "packages" / name)
        return next((place for place in places if (place / "manifest.json").is_file()), None)

    def close(self) -> None:
        """Let everything go."""
        self.decoder.close()
        microphone = self.__dict__.pop("microphone", None)
        if microphone is not None:
            microphone.close()
