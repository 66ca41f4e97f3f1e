"""Voice notes for keeping: samples in, a fresh Ogg Opus file out. Nothing of the sender's file survives.

The encoder runs in a process of its own for a second, so that the appliance does not carry it about for ever.
"""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from pikvani_device.errors import SpeechError
from pikvani_device.voice.clips import RATE_HZ

BITS_S = 16_000
"""A minute of speech is 120 kB."""
_TIMEOUT_S = 30.0


def pcm_of(samples: NDArray[np.float32]) -> bytes:
    """Samples of -1 to 1 as 16-bit mono at 16 kHz: how a note waits in memory."""
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def encode_note(pcm: bytes) -> bytes:
    """A note as Ogg Opus.

    Args:
        pcm: as `pcm_of` gives it, notes of one case one after the other.

    Raises:
        SpeechError: the encoder failed or took too long.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pikvani_device.voice.notes"], input=pcm, capture_output=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise SpeechError("the voice note could not be written in time: the machine is busy, try again") from None
    if done.returncode or not done.stdout.startswith(b"OggS"):
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SpeechError(f"the voice note could not be written: {reason[-1] if reason else 'the encoder died'}")
    return done.stdout


def _main() -> None:
    import av

    samples = np.frombuffer(sys.stdin.buffer.read(), "<i2").reshape(1, -1)
    out = io.BytesIO()
    with av.open(out, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE_HZ, layout="mono")
        stream.bit_rate = BITS_S
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    sys.stdout.buffer.write(out.getvalue())


if __name__ == "__main__":
    _main()
