"""What the device says: recordings of sentences put end to end, and a synthesiser where there is no recording.

Sound goes out as WAV, which every browser and every phone plays.
"""

from __future__ import annotations

import io
import logging
import threading
import wave
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.prompts import PromptPack
from pikvani_device.errors import SpeechError
from pikvani_device.ports import Synthesizer

log = logging.getLogger(__name__)

RATE_HZ = 16_000
GAP_S = 0.15
_MAX_S = 180
_KEPT = 24

Sentence = tuple[str, str]
"""Id and words."""


class Speaker:
    """Speaks sentences. Safe to share between threads.

    Args:
        packs: locale to its pack; a language may have none.
        synthesizer: for sentences no pack holds; None for nothing, gives it when first needed.
    """

    def __init__(self, packs: dict[str, PromptPack], synthesizer: Callable[[], Synthesizer | None]) -> None:
        self._packs = packs
        self._synthesizer = synthesizer
        self._said: OrderedDict[tuple[str, tuple[Sentence, ...]], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def say(self, locale: str, sentences: Sequence[Sentence]) -> bytes | None:
        """Sentences as one WAV file (16 kHz, 16 bit, mono); None where a sentence can be spoken by nothing here.

        Args:
            locale: `mr-IN`, `hi-IN` or `en-IN`.
            sentences: ids and words, in order; what lies beyond three minutes is left out.
        """
        key = (locale, tuple(sentences))
        with self._lock:
            if key in self._said:
                self._said.move_to_end(key)
                return self._said[key]
        parts: list[NDArray[np.float32]] = []
        for prompt, text in sentences:
            sound = self._sentence(locale, prompt, text)
            if sound is None:
                return None
            parts += [sound, np.zeros(int(GAP_S * RATE_HZ), np.float32)]
        if not parts:
            return None
        made = as_wav(np.concatenate(parts)[: _MAX_S * RATE_HZ])
        with self._lock:
            self._said[key] = made
            while len(self._said) > _KEPT:
                self._said.popitem(last=False)
        return made

    def _sentence(self, locale: str, prompt: str, text: str) -> NDArray[np.float32] | None:
        pack = self._packs.get(locale)
        clip = pack.clip(prompt, text) if pack else None
        if clip is not None:
            return decoded(clip)
        synthesizer = self._synthesizer()
        if synthesizer is None:
            return None
        try:
            return synthesizer.speak(text, locale, RATE_HZ)
        except SpeechError as error:
            log.warning("%s is not said: %s", prompt, error)
            return None


def decoded(opus: bytes) -> NDArray[np.float32]:
    """Samples of a clip of a verified pack."""
    import av

    pieces = []
    with av.open(io.BytesIO(opus), mode="r", format="ogg") as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
        for frame in container.decode(container.streams.audio[0]):
            pieces += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
        pieces += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    return np.concatenate(pieces).astype(np.float32) if pieces else np.zeros(0, np.float32)


def as_wav(samples: NDArray[np.float32]) -> bytes:
    """A WAV file of 16 kHz, 16 bit, mono."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return out.getvalue()
