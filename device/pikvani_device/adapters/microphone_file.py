"""A microphone that plays a WAV file: for machines without one, for rehearsals and for tests."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pikvani_device.errors import MicrophoneError

_RATE_HZ = 16_000
_FRAME = 320
_TAIL_FRAMES = 500


class FileMicrophone:
    """See `Microphone`. After the file come ten seconds of silence, then it has nothing more.

    Args:
        path: WAV, 16 kHz, 16 bit, mono.

    Raises:
        MicrophoneError: not such a file.
    """

    def __init__(self, path: Path) -> None:
        try:
            with wave.open(str(path), "rb") as file:
                if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (_RATE_HZ, 2, 1):
                    raise MicrophoneError(f"{path}: must be a WAV file of 16 kHz, 16 bit, one channel")
                pcm = file.readframes(_RATE_HZ * 60)
        except (OSError, EOFError, wave.Error) as error:
            raise MicrophoneError(f"{path} cannot be read as WAV ({error}); name a recording that is there") from None
        self._samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32) / 32_768

    def frames(self) -> Iterator[NDArray[np.float32]]:
        """See `Microphone.frames`."""
        short = -len(self._samples) % _FRAME
        whole = np.concatenate([self._samples, np.zeros(short + _TAIL_FRAMES * _FRAME, np.float32)])
        yield from whole.reshape(-1, _FRAME)

    def close(self) -> None:
        """Nothing is held."""
