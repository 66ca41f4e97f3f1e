"""Builds what listens: the decoder of notes, the acoustic model, and the grammars over it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.speech.package import SpeechPackage, load_speech_package
from pikvani_contract.speech.phones import Language
from pikvani_contract.speech.prompts import PromptPack, load_prompt_pack
from pikvani_device.app.parts import PARTS, answering, part_slots
from pikvani_device.assets import Assets
from pikvani_device.config import VoiceSection
from pikvani_device.errors import MicrophoneError, ModelError, RuntimeAdapterError, SpeechError
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
        failed: told `name@version` of a package whose network fails.
    """

    def __init__(
        self,
        model: AcousticModel,
        package: SpeechPackage,
        language: Language,
        phrases: Sequence[Phrase] | None,
        failed: Callable[[str], None] = lambda package: None,
    ) -> None:
        self._model = model
        self._failed = partial(failed, f"{package.manifest.name}@{package.manifest.version}")
        rejection = package.manifest.rejection
        self._grammar: PhraseList | Sentence
        if phrases is None:
            self._grammar = Sentence(vocabulary(language), rejection)
        else:
            self._grammar = PhraseList(phrases, rejection)

    def understand(self, samples: NDArray[np.float32]) -> Understood:
        """What a clip of mono 16 kHz samples says."""
        try:
            return self._grammar.understand(self._model.log_probs(samples))
        except RuntimeAdapterError:
            self._failed()
            raise


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
        data_dir: where installed assets lie, and what signed updates brought.
        failed: told `name@version` of a package that fails.
    """

    def __init__(
        self, settings: VoiceSection, data_dir: Path, failed: Callable[[str], None] = lambda package: None
    ) -> None:
        self._settings = settings
        self._failed = failed
        self._slots = {name: part_slots(data_dir, name) for name in PARTS if name != "advice"}
        self._followed = self._switches()
        self._assets = Assets(data_dir / "assets")
        self.decoder = ClipDecoder()

    def _switches(self) -> tuple[int, ...]:
        return tuple(slots.switched_at_ns for slots in self._slots.values())

    def _follow_updates(self) -> None:
        """Forget what was built of packages where an update, of this process or another, has switched one."""
        now = self._switches()
        if now != self._followed:
            self._followed = now
            for part in ("package", "model", "_speaker"):
                self.__dict__.pop(part, None)

    @property
    def speech_folder(self) -> Path:
        """The speech package this device was installed with.

        Raises:
            ModelError: there is none.
        """
        return Path(self._settings.dir) if self._settings.dir else shipped_speech()

    @cached_property
    def package(self) -> SpeechPackage:
        """The speech package that answers, verified.

        Raises:
            ModelError: it is missing, changed or made for other software.
        """
        try:
            held = answering(self._slots["speech"], lambda: load_speech_package(self.speech_folder))
            return cast(SpeechPackage, held)
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
        self._follow_updates()
        return Listener(Ear(self.model, self.package, language, phrases, self._failed))

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

    @property
    def speaker(self) -> Speaker:
        """What speaks; a damaged prompt pack is left out and said so in the log."""
        self._follow_updates()
        return self._speaker

    @cached_property
    def _speaker(self) -> Speaker:
        packs: dict[str, PromptPack] = {}
        for locale in ("mr-IN", "hi-IN", "en-IN"):
            name = f"prompts-{locale[:2]}"
            folder = self.prompts_folder(name)
            if folder is None and not self._slots[name].switched_at_ns:
                continue
            try:
                held = answering(self._slots[name], partial(load_prompt_pack, folder or Path()))
                packs[locale] = cast(PromptPack, held)
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

    def prompts_folder(self, name: str) -> Path | None:
        """The prompt pack this device was installed with, or was given by hand; None for none."""
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
