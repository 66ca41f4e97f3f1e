"""Notes of strangers are read in a process of their own; hostile ones are refused and the next good one is heard."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Iterator

import av
import numpy as np
import pytest

from pikvani_device.errors import SpeechError
from pikvani_device.voice.clips import RATE_HZ, ClipDecoder, sound_of, spoken_part


def tone(seconds: float, level: float = 0.3, hz: float = 440) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def wav(samples: np.ndarray, rate: int = RATE_HZ) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return out.getvalue()


def encoded(samples: np.ndarray, container: str, codec: str, rate: int = 48_000) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 960
        )
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="flt", layout="mono")
        frame.sample_rate = RATE_HZ
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()


@pytest.fixture(scope="module")
def decoder() -> Iterator[ClipDecoder]:
    found = ClipDecoder(timeout_s=20)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("ogg", "libopus", 48_000), ("webm", "libopus", 48_000), ("ipod", "aac", 44_100), ("flac", "flac", 44_100)],
)
def test_given_what_phones_and_browsers_record_then_it_is_heard(
    decoder: ClipDecoder, container: str, codec: str, rate: int
) -> None:
    samples = decoder.decode(encoded(tone(1.0), container, codec, rate), "note")
    assert len(samples) == pytest.approx(RATE_HZ, rel=0.1)
    middle = samples[4_000:12_000]
    loudest = np.abs(np.fft.rfft(middle)).argmax() * RATE_HZ / len(middle)
    assert loudest == pytest.approx(440, abs=5)


def test_given_a_wav_of_another_rate_then_it_is_resampled(decoder: ClipDecoder) -> None:
    assert len(decoder.decode(wav(tone(1.0), 8_000), "note")) == pytest.approx(2 * RATE_HZ, rel=0.02)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not a sound at all" * 50, "cannot be read"),
        (wav(tone(1.0))[:30], "cannot be read|empty|no sound"),
        (wav(tone(61.0)), "longer than 60"),
        (wav(np.zeros(0)), "empty|no sound"),
        (b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WAVE" + bytes(40), "cannot be read|no sound"),
        (b"\x00" * 100_000, "cannot be read"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "cannot be read|no audio format"),
        (b"\xff\xd8\xff\xe0" + bytes(2_000), "cannot be read|no audio format|no sound"),
    ],
)
def test_given_a_hostile_or_broken_file_then_it_is_refused_and_the_next_is_heard(
    decoder: ClipDecoder, data: bytes, reason: str
) -> None:
    with pytest.raises(SpeechError, match=reason):
        decoder.decode(data, "note")
    assert len(decoder.decode(wav(tone(0.5)), "note")) == RATE_HZ // 2


def test_given_a_decoder_that_was_killed_then_the_next_note_is_heard(decoder: ClipDecoder) -> None:
    decoder.decode(wav(tone(0.2)), "note")
    assert decoder._process is not None
    decoder._process.kill()
    decoder._process.wait()
    assert len(decoder.decode(wav(tone(0.5)), "note")) == RATE_HZ // 2


def test_given_a_file_that_hangs_the_decoder_then_it_is_given_up_in_time() -> None:
    decoder = ClipDecoder(timeout_s=0.01)
    with pytest.raises(SpeechError, match="in time"):
        decoder.decode(wav(tone(59.0)), "note")
    decoder.close()


def test_given_silence_clipping_or_noise_then_the_trouble_has_a_name() -> None:
    rng = np.random.default_rng(1)
    word = np.concatenate([rng.standard_normal(8_000) * 0.003, tone(0.5), rng.standard_normal(8_000) * 0.003])
    assert sound_of(np.zeros(16_000, np.float32)).trouble == "silent"
    assert sound_of(np.clip(tone(1.0, 5.0), -1, 1)).trouble == "clipped"
    assert sound_of((rng.standard_normal(16_000) * 0.1).astype(np.float32)).trouble == "noisy"
    assert sound_of(word.astype(np.float32)).trouble == ""


def test_given_a_word_in_a_long_silence_then_only_its_part_is_kept() -> None:
    rng = np.random.default_rng(2)
    clip = (rng.standard_normal(5 * RATE_HZ) * 0.002).astype(np.float32)
    clip[2 * RATE_HZ : 3 * RATE_HZ] += tone(1.0)
    kept = spoken_part(clip)
    assert 1.0 <= len(kept) / RATE_HZ <= 1.8
