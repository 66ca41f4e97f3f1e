"""Voice notes as samples: reads any common audio file, without trusting it, and says what is wrong with the sound."""

from __future__ import annotations

import os
import selectors
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pikvani_device.errors import SpeechError

MAX_BYTES = 16 * 2**20
RATE_HZ = 16_000
_TIMEOUT_S = 30.0
_CLIPPED_SHARE = 0.005
_SILENT_PEAK = 0.004
_FRAME = 320


class ClipDecoder:
    """A process of its own that decodes; started when first needed, replaced when a file kills or hangs it.

    Safe to share between threads; one file at a time.
    """

    def __init__(self, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def decode(self, data: bytes, name: str) -> NDArray[np.float32]:
        """Samples of an audio file, mono, 16 kHz, -1 to 1.

        Args:
            data: WAV, FLAC, Ogg or WebM Opus, M4A, MP3, AMR.
            name: what to call it in errors.

        Raises:
            SpeechError: too large, too long, no sound in it, or not an audio file.
        """
        if not data:
            raise SpeechError(f"{name}: the file is empty; record the note again")
        if len(data) > MAX_BYTES:
            raise SpeechError(f"{name}: {len(data)} bytes are too many; a note of 60 s is far smaller")
        with self._lock:
            answer = self._ask(data)
        if answer is None:
            raise SpeechError(f"{name}: the file could not be read in time; record the note again")
        if answer[:1] != b"\0":
            raise SpeechError(f"{name}: {answer[1:].decode('utf-8', 'replace')}; record the note again")
        return np.frombuffer(answer, "<f4", offset=1).astype(np.float32)

    def close(self) -> None:
        """End the process. May be called twice."""
        with self._lock:
            self._stop()

    def _ask(self, data: bytes) -> bytes | None:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "pikvani_device.voice.decoder_process"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            )
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(struct.pack("<Q", len(data)) + data)
            stdin.flush()
            end_s = time.monotonic() + self._timeout_s
            head = self._read(8, end_s)
            return self._read(struct.unpack("<Q", head)[0], end_s) if head else None
        except OSError:
            self._stop()
            return None

    def _read(self, size: int, end_s: float) -> bytes | None:
        assert self._process is not None and self._process.stdout is not None
        stdout, found = self._process.stdout, bytearray()
        with selectors.DefaultSelector() as waiting:
            waiting.register(stdout, selectors.EVENT_READ)
            while len(found) < size:
                late = not waiting.select(max(0.0, end_s - time.monotonic()))
                piece = b"" if late else os.read(stdout.fileno(), min(size - len(found), 1 << 20))
                if not piece:
                    self._stop()
                    return None
                found += piece
        return bytes(found)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    pipe.close()
            self._process = None


@dataclass(frozen=True)
class Sound:
    """How a clip sounds.

    Attributes:
        seconds: its length.
        level: loudest frame's root mean square, 0 to 1.
        trouble: empty, or an id to be said: `silent`, `clipped`, `noisy`.
    """

    seconds: float
    level: float
    trouble: str


def sound_of(samples: NDArray[np.float32]) -> Sound:
    """Whether a clip can be understood at all."""
    seconds = len(samples) / RATE_HZ
    if len(samples) < _FRAME:
        return Sound(seconds, 0.0, "silent")
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    levels = np.sqrt((frames.astype(np.float64) ** 2).mean(axis=1))
    level, floor = float(levels.max()), float(np.quantile(levels, 0.1))
    if float(np.abs(samples).max()) < _SILENT_PEAK:
        return Sound(seconds, level, "silent")
    if float((np.abs(samples) > 0.985).mean()) > _CLIPPED_SHARE:
        return Sound(seconds, level, "clipped")
    if seconds > 0.6 and floor > 0.5 * level:
        return Sound(seconds, level, "noisy")
    return Sound(seconds, level, "")


def spoken_part(samples: NDArray[np.float32], margin_s: float = 0.25) -> NDArray[np.float32]:
    """The clip from shortly before the first speech to shortly after the last, by energy over the clip's own floor.

    A clip without a clear floor is given back whole.
    """
    if len(samples) < 20 * _FRAME:
        return samples
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    levels = 10 * np.log10((frames**2).mean(axis=1) + 1e-10)
    floor, peak = float(np.quantile(levels, 0.15)), float(np.quantile(levels, 0.98))
    if peak - floor < 8:
        return samples
    loud = np.flatnonzero(levels > floor + max(5.0, 0.3 * (peak - floor)))
    margin = int(margin_s * RATE_HZ)
    first, last = int(loud[0]) * _FRAME - margin, (int(loud[-1]) + 1) * _FRAME + margin
    return samples[max(0, first) : last]
