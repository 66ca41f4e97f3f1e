"""What is said: recordings where there are any and the words are still the same, a synthesiser or nothing otherwise."""

from __future__ import annotations

import hashlib
import io
import json
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.speech.prompts import load_prompt_pack, text_mark
from pikvani_device.errors import SpeechError
from pikvani_device.voice.speaking import RATE_HZ, Speaker


def opus(hz: float, seconds: float = 0.6) -> bytes:
    t = np.arange(int(48_000 * seconds)) / 48_000
    out = io.BytesIO()
    with av.open(out, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (np.sin(2 * np.pi * hz * t) * 12_000).astype(np.int16)[None], format="s16", layout="mono"
        )
        frame.rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return out.getvalue()


def write_pack(folder: Path, **sentences: tuple[str, bytes]) -> Path:
    data, clips = b"", {}
    for prompt, (text, sound) in sentences.items():
        clips[prompt] = {"offset": len(data), "size": len(sound), "ms": 600, "text": text_mark(text), "voice": "kokoro"}
        data += sound
    folder.mkdir()
    (folder / "clips.bin").write_bytes(data)
    entry = {"path": "clips.bin", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    manifest = {
        "schema": 1, "name": "prompts-mr", "version": "1.0.0", "created": "2026-01-01T00:00:00Z", "locale": "mr-IN",
        "rate_hz": 16_000, "files": [entry], "licence": "drawn", "clips": clips,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


class Beep:
    def __init__(self, works: bool = True) -> None:
        self.works, self.said = works, list[str]()

    def speak(self, text: str, locale: str, rate_hz: int) -> np.ndarray:
        self.said.append(text)
        if not self.works:
            raise SpeechError("broken")
        return np.full(rate_hz // 2, 0.1, np.float32)


def loudest_hz(samples: np.ndarray) -> float:
    return float(np.fft.rfftfreq(len(samples), 1 / RATE_HZ)[np.abs(np.fft.rfft(samples)).argmax()])


def samples_of(data: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def test_given_recorded_sentences_then_they_are_heard_one_after_the_other(tmp_path: Path) -> None:
    pack = load_prompt_pack(write_pack(tmp_path / "p", one=("एक", opus(500)), two=("दोन", opus(1_500))))
    beep = Beep()
    said = Speaker({"mr-IN": pack}, lambda: beep).say("mr-IN", [("two", "दोन"), ("one", "एक")])
    assert said is not None
    sound = samples_of(said)
    half = len(sound) // 2
    assert abs(loudest_hz(sound[:half]) - 1_500) < 30 and abs(loudest_hz(sound[half:]) - 500) < 30
    assert beep.said == []


def test_given_words_that_changed_since_then_the_synthesiser_says_the_new_ones(tmp_path: Path) -> None:
    pack = load_prompt_pack(write_pack(tmp_path / "p", one=("एक", opus(500))))
    beep = Beep()
    assert Speaker({"mr-IN": pack}, lambda: beep).say("mr-IN", [("one", "एक पान")]) is not None
    assert beep.said == ["एक पान"]


@pytest.mark.parametrize("synthesizer", [None, Beep(works=False)])
def test_given_nothing_that_can_say_it_then_there_is_no_sound_and_no_fault(synthesizer: Beep | None) -> None:
    assert Speaker({}, lambda: synthesizer).say("hi-IN", [("one", "एक")]) is None
    assert Speaker({}, lambda: Beep()).say("hi-IN", []) is None


def test_given_the_same_sentences_twice_then_they_are_made_once() -> None:
    beep = Beep()
    speaker = Speaker({}, lambda: beep)
    assert speaker.say("hi-IN", [("one", "एक")]) is speaker.say("hi-IN", [("one", "एक")])
    assert beep.said == ["एक"]


def test_given_a_pack_that_was_changed_then_it_is_refused(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "p", one=("एक", opus(500)))
    data = bytearray((folder / "clips.bin").read_bytes())
    data[100] ^= 1
    (folder / "clips.bin").write_bytes(data)
    with pytest.raises(PackageError, match="differs from its hash"):
        load_prompt_pack(folder)
