"""A microphone of the machine, through PortAudio (which speaks ALSA): frames until somebody stops asking."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pikvani_device.errors import MicrophoneError

_RATE_HZ = 16_000
_FRAME = 320
_WAITING_FRAMES = 250
_DEAF_S = 3.0


class AlsaMicrophone:
    """See `Microphone`.

    Args:
        device: its name or a part of it, as `arecord -L` or `python -m sounddevice` lists them; empty for the default.

    Raises:
        MicrophoneError: PortAudio is missing.
    """

    def __init__(self, device: str = "") -> None:
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            raise MicrophoneError(
                f"PortAudio cannot be used ({error}): apt-get install libportaudio2, pip install sounddevice"
            ) from None
        self._sounddevice: Any = sounddevice
        self._device = device or None

    def frames(self) -> Iterator[NDArray[np.float32]]:
        """See `Microphone.frames`."""
        waiting: queue.Queue[NDArray[np.float32]] = queue.Queue(_WAITING_FRAMES)

        def arrived(data: NDArray[np.float32], _frames: int, _time: object, _status: object) -> None:
            with suppress(queue.Full):
                waiting.put_nowait(data[:, 0].copy())

        try:
            stream = self._sounddevice.InputStream(
                samplerate=_RATE_HZ, blocksize=_FRAME, channels=1, dtype="float32", device=self._device,
                callback=arrived,
            )  # fmt: skip
            stream.start()
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise MicrophoneError(
                f"microphone {self._device or 'default'}: {error}; plug it in, or name another with voice.microphone"
            ) from None
        try:
            while True:
                try:
                    yield waiting.get(timeout=_DEAF_S)
                except queue.Empty:
                    raise MicrophoneError(
                        f"microphone {self._device or 'default'} gave no sound for {_DEAF_S:.0f} s: plug it in again"
                    ) from None
        finally:
            with suppress(self._sounddevice.PortAudioError):
                stream.close(ignore_errors=True)

    def close(self) -> None:
        """Nothing is held between recordings."""
