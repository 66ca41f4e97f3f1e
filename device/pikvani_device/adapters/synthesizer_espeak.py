"""espeak-ng, a separate program: a voice for the sentence that no recording holds. Robotic, but never silent."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave

import numpy as np
from numpy.typing import NDArray

from pikvani_device.errors import SpeechError

_VOICES = {"mr-IN": "mr", "hi-IN": "hi", "en-IN": "en"}
_WORDS_PER_MINUTE = 135
_TIMEOUT_S = 10.0
_MAX_CHARS = 1_000


class EspeakSynthesizer:
    """See `Synthesizer`.

    Raises:
        SpeechError: espeak-ng is not installed.
    """

    def __init__(self) -> None:
        found = shutil.which("espeak-ng")
        if found is None:
            raise SpeechError("espeak-ng is not installed: apt-get install espeak-ng, or set voice.synthesizer = none")
        self._program = found

    def speak(self, text: str, locale: str, rate_hz: int) -> NDArray[np.float32]:
        """See `Synthesizer.speak`."""
        command = [self._program, "-v", _VOICES[locale], "-s", str(_WORDS_PER_MINUTE), "--stdin", "--stdout"]
        try:
            done = subprocess.run(
                command, input=text[:_MAX_CHARS].encode(), capture_output=True, timeout=_TIMEOUT_S, check=True
            )
            # What comes through a pipe carries no true length in its header.
            with wave.open(io.BytesIO(done.stdout), "rb") as file:
                rate = file.getframerate()
            samples = np.frombuffer(done.stdout[44 : 44 + (len(done.stdout) - 44) // 2 * 2], "<i2")
        except (OSError, subprocess.SubprocessError, wave.Error, EOFError) as error:
            raise SpeechError(f"espeak-ng could not speak ({error}); install it again") from None
        places = np.arange(0, len(samples) - 1, rate / rate_hz)
        return np.asarray(np.interp(places, np.arange(len(samples)), samples) / 32_768, np.float32)
