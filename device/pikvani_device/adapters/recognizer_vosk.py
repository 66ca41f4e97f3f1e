"""An operator's own Vosk model, held to a list of phrases by Vosk's grammar."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pikvani_device.errors import SpeechError

log = logging.getLogger(__name__)

_RATE_HZ = 16_000
_PIECE = 512
"""Samples of a spectrum, 32 ms."""
_UNKNOWN = ("[unk]", "<UNK>", "<unk>")
"""What models call a word they do not know."""
_HISS = 0.8
"""Flatness of the spectrum from which a clip is hiss: clean speech has under 0.1, as loud as white noise 0.7."""


class VoskModel:
    """A model folder, loaded once; gives a recogniser for each list of phrases.

    Args:
        folder: as Vosk models are unpacked: with `am/` and `conf/`, or `final.mdl` in it.

    Raises:
        SpeechError: vosk is not installed, or the folder is no model.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import vosk
        except (ImportError, OSError) as error:
            raise SpeechError(f"vosk cannot be used ({error}): pip install vosk") from None
        if not (folder / "am" / "final.mdl").is_file() and not (folder / "final.mdl").is_file():
            raise SpeechError(f"{folder} is no Vosk model: it holds no final.mdl; unpack one there")
        vosk.SetLogLevel(-1)
        try:
            self._model: Any = vosk.Model(str(folder))
        except Exception as error:
            raise SpeechError(f"{folder}: Vosk cannot load it ({error}); unpack the model again") from None
        self._vosk: Any = vosk
        self.name = f"vosk:{folder.name}"

    def recognizer(self, phrases: Sequence[str]) -> VoskRecognizer:
        """A recogniser of these phrases.

        Raises:
            SpeechError: the model knows none of them.
        """
        known: list[str] = []
        strange: list[str] = []
        for phrase in phrases:
            words = phrase.split()
            missing = [word for word in words if self._model.vosk_model_find_word(word) < 0]
            (strange if missing or not words else known).append(phrase)
        if not known:
            raise SpeechError(f"{self.name} knows no word of this list: it is for another language or spelling")
        if strange:
            log.warning("%s cannot hear %d of %d phrases: %s", self.name, len(strange), len(phrases), strange[:8])
        return VoskRecognizer(self, self._vosk.KaldiRecognizer, self._model, tuple(known))


class VoskRecognizer:
    """See `Recognizer`. Made by `VoskModel.recognizer`."""

    def __init__(self, owner: VoskModel, kind: Any, model: Any, phrases: tuple[str, ...]) -> None:
        self.name = owner.name
        self.phrases = phrases
        self._kind, self._model = kind, model
        unknown = next((word for word in _UNKNOWN if model.vosk_model_find_word(word) >= 0), _UNKNOWN[0])
        self._grammar = json.dumps([*phrases, unknown], ensure_ascii=False)

    def recognise(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        """See `Recognizer.recognise`. Hiss is nothing said: a model held to few words hears one in it."""
        if _flatness(samples) >= _HISS:
            return "", 0.0
        recognizer = self._kind(self._model, _RATE_HZ, self._grammar)
        recognizer.SetWords(True)
        recognizer.AcceptWaveform((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
        found = json.loads(recognizer.FinalResult())
        words = found.get("result", [])
        said = [word for word in words if word.get("word") not in _UNKNOWN]
        if not said:
            return "", 0.0
        sure = sum(float(word.get("conf", 0.0)) for word in said) / len(words)
        return " ".join(str(word["word"]) for word in said), min(1.0, max(0.0, sure))


def _flatness(samples: NDArray[np.float32]) -> float:
    """Geometric by arithmetic mean of the mean power spectrum: 0 for a tone, 1 for white noise and for silence."""
    if len(samples) < _PIECE:
        return 1.0
    pieces = np.lib.stride_tricks.sliding_window_view(samples, _PIECE)[:: _PIECE // 2]
    power = np.square(np.abs(np.fft.rfft(pieces * np.hanning(_PIECE)))).mean(axis=0)[2:] + 1e-12
    return float(np.exp(np.log(power).mean()) / power.mean())
