"""Speaker and microphone in one: a tone is played and must be heard. Arithmetic on samples; the rest asks ALSA."""

from __future__ import annotations

import math
import struct
import tempfile
import threading
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pikvani_provision.checking.around import Around, Finding

RATE_HZ, TONE_HZ, SECONDS = 16_000, 1_000, 2
_CLEAR_DB, _FAINT_DB = 12.0, 4.0


def tone() -> NDArray[np.int16]:
    """`[n]` samples of the tone, mono, 16 kHz, softly begun and ended."""
    at = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    swell = np.minimum(1.0, np.minimum(at, SECONDS - at) * 20)
    return (np.sin(2 * math.pi * TONE_HZ * at) * swell * 12_000).astype(np.int16)


def tone_over_room_db(samples: NDArray[np.float64]) -> float:
    """How far the tone stands above what else is in the recording, in dB; very low for silence.

    Args:
        samples: `[n]`, mono, 16 kHz.
    """
    if len(samples) < RATE_HZ // 4:
        return -math.inf
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    near = np.abs(hertz - TONE_HZ) <= 15
    room = (hertz > 300) & (hertz < 3_400) & (np.abs(hertz - TONE_HZ) > 60)
    heard, rest = float(spectrum[near].sum()), float(np.median(spectrum[room])) * int(near.sum())
    if heard <= 0:
        return -math.inf
    return 10 * math.log10(heard / max(rest, 1e-9))


def read_samples(path: Path) -> NDArray[np.float64]:
    """Samples of a WAV of 16 bits, first channel; empty for anything else."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2 or file.getframerate() != RATE_HZ:
                return np.zeros(0)
            data = file.readframes(RATE_HZ * 30)
            return np.frombuffer(data, "<i2")[:: file.getnchannels()].astype(np.float64)
    except (OSError, EOFError, wave.Error, struct.error):
        return np.zeros(0)


def loopback(around: Around) -> Finding:
    """Play the tone, record meanwhile, and listen for it."""
    if "no soundcards" in around.text("proc/asound/cards") or not around.text("proc/asound/cards"):
        return Finding("sound", "absent", "sound_missing")
    with tempfile.TemporaryDirectory() as folder:
        played, recorded = Path(folder) / "tone.wav", Path(folder) / "heard.wav"
        with wave.open(str(played), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(tone().tobytes())
        length = str(SECONDS + 1)
        wanted = ["arecord", "-q", "-f", "S16_LE", "-r", str(RATE_HZ), "-c", "1", "-d", length, str(recorded)]
        results = []
        recorder = threading.Thread(target=lambda: results.append(around.run(wanted, 15)))
        recorder.start()
        speaker = around.run(["aplay", "-q", str(played)], 15)
        recorder.join()
        microphone = results[0]
        if 127 in (speaker.code, microphone.code):
            return Finding("sound", "absent", "sound_no_tools")
        if speaker.code:
            return Finding("sound", "bad", "speaker_failed", {"why": _why(speaker.err)})
        if microphone.code:
            return Finding("sound", "bad", "microphone_failed", {"why": _why(microphone.err)})
        samples = read_samples(recorded)
    loud_db = 20 * math.log10(max(float(np.abs(samples).max(initial=0)), 1.0) / 32_768)
    clear_db = tone_over_room_db(samples)
    values = {"tone_db": round(max(clear_db, -99.0)), "peak_db": round(loud_db)}
    if loud_db < -80:
        return Finding("sound", "bad", "microphone_silent", values)
    if clear_db >= _CLEAR_DB:
        return Finding("sound", "good", "sound_good", values)
    if clear_db >= _FAINT_DB:
        return Finding("sound", "warn", "sound_faint", values)
    return Finding("sound", "bad", "sound_not_heard", values)


def speak(around: Around, text: str, locale: str) -> bool:
    """Say a text aloud where a voice and a speaker are; whether it could be."""
    voice = {"mr-IN": "mr", "hi-IN": "hi"}.get(locale, "en")
    return around.run(["espeak-ng", "-v", voice, "-s", "140", text], 120).code == 0


def _why(words: str) -> str:
    lines = words.strip().splitlines()
    return lines[-1][:120] if lines else "?"
