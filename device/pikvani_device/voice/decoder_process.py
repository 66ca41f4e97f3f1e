"""Decodes audio files of strangers in a process that may take little: `python -m pikvani_device.voice.decoder_process`.

Requests come on stdin, answers go to stdout, both as an 8-byte length and so many bytes: an audio file in, and out one
byte 0 with mono 16 kHz float32 samples, or one byte 1 with a reason. FFmpeg (through PyAV) reads hostile files here, so
memory, time and open files are limited and the parent kills what hangs.
"""

from __future__ import annotations

import io
import resource
import struct
import sys
from typing import BinaryIO

import numpy as np

RATE_HZ = 16_000
MAX_S = 60.0
_MEMORY_BYTES = 1_500_000_000
_CPU_S = 600
_FORMATS = "wav,flac,ogg,matroska,webm,mov,mp4,m4a,mp3,aac,amr,3gp"


def decode(data: bytes) -> bytes:
    """Samples of the first audio stream, at most `MAX_S` seconds.

    Raises:
        ValueError: not an audio file we take, too long, or empty; the message is fit to be shown.
    """
    import av

    try:
        with av.open(io.BytesIO(data), mode="r", metadata_errors="ignore") as container:
            if not set(container.format.name.split(",")) & set(_FORMATS.split(",")):
                raise ValueError(f"{container.format.name} is no audio format we take: use WAV, FLAC, Opus or M4A")
            if not container.streams.audio:
                raise ValueError("there is no sound in the file")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
            pieces, total = [], 0
            for frame in container.decode(container.streams.audio[0]):
                for part in resampler.resample(frame):
                    piece = part.to_ndarray().reshape(-1).astype(np.float32)
                    total += len(piece)
                    if total > MAX_S * RATE_HZ:
                        raise ValueError(f"the note is longer than {MAX_S:.0f} s")
                    pieces.append(piece)
            pieces += [part.to_ndarray().reshape(-1).astype(np.float32) for part in resampler.resample(None)]
    except av.FFmpegError as error:
        raise ValueError(f"the file cannot be read as sound ({error.strerror})") from None
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if not len(samples):
        raise ValueError("the note is empty")
    return np.nan_to_num(np.clip(samples, -1, 1)).astype("<f4").tobytes()


def read_exactly(stream: BinaryIO, size: int) -> bytes | None:
    """`size` bytes, None at the end of the stream."""
    found = bytearray()
    while len(found) < size:
        piece = stream.read(size - len(found))
        if not piece:
            return None
        found += piece
    return bytes(found)


def main() -> None:
    """Serve requests until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while (head := read_exactly(stdin, 8)) is not None:
        data = read_exactly(stdin, struct.unpack("<Q", head)[0])
        if data is None:
            return
        try:
            answer = b"\0" + decode(data)
        except Exception as error:
            # Whatever a hostile file provokes is an answer about that file.
            answer = b"\1" + (str(error) or type(error).__name__).encode("utf-8", "replace")[:400]
        stdout.write(struct.pack("<Q", len(answer)) + answer)
        stdout.flush()


if __name__ == "__main__":
    main()
