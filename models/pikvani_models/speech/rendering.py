"""Sentences to a prompt pack: the best voice of each language, levelled, a little slow, as Opus. A second run goes on.

Input is what `pikvani-device prompts` prints: one JSON object a line with `id`, `locale`, `text`. A clip whose words
have not changed is taken over from the pack that is there.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import MANIFEST_FILE, FileEntry, PackageError
from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.prompts import (
    CLIPS_FILE,
    Locale,
    PromptClip,
    PromptManifest,
    load_prompt_pack,
    text_mark,
)
from pikvani_models.speech.ipa import ipa_of, with_marathi_ts
from pikvani_models.speech.voices import Kokoro, espeak_plain, festival

if TYPE_CHECKING:
    from av import AudioFrame

Clip = NDArray[np.float32]
SPEED = 0.9
BIT_RATE_BPS = 14_000
LOUDNESS = "I=-18:TP=-2:LRA=7"
"""EBU R 128, as FFmpeg's `loudnorm` measures and sets it."""
_ESPEAK: dict[str, str] = {"mr-IN": "mr", "hi-IN": "hi", "en-IN": "en-us"}
_STYLES: dict[str, dict[str, float]] = {
    "mr-IN": {"hf_alpha": 0.7, "hf_beta": 0.3},
    "hi-IN": {"hf_alpha": 0.7, "hf_beta": 0.3},
    "en-IN": {"af_heart": 0.7, "hf_alpha": 0.3},
}
_LICENCE = {
    "kokoro": "spoken by Kokoro-82M (Apache-2.0), pronunciation by espeak-ng (GPL program, output not covered)",
    "festival": "spoken by Festival and festvox NSK voices (GPL programs, output not covered)",
    "espeak": "spoken by espeak-ng (GPL program, output not covered)",
}
_PAUSE_S = 0.22
_CLAUSE = re.compile(r"[^.!?।,;:()\n]+[.!?।,;:()\n]*")
_MAX_CLAUSE = 110
_KEPT_EVERY = 25


@dataclass(frozen=True)
class _Said:
    """One sentence as Ogg Opus, how long it is, and the mark of its words."""

    opus: bytes
    ms: int
    mark: str


def clauses(text: str) -> list[str]:
    """A text in pieces short enough for a voice, parted where it pauses, or between words where it does not."""
    found = []
    for piece in _CLAUSE.findall(text):
        words = piece.split()
        while words:
            take = len(words)
            while len(" ".join(words[:take])) > _MAX_CLAUSE and take > 1:
                take -= 1
            found.append(" ".join(words[:take]))
            words = words[take:]
    return [piece for piece in found if any(char.isalnum() for char in piece)]


def speaker_of(locale: Locale, voice: str) -> Callable[[str], Clip]:
    """A voice that says one sentence of a language at 16 kHz.

    Args:
        locale: of the sentence.
        voice: `kokoro`, `espeak`, or for Marathi and Hindi `festival`.
    """
    code = _ESPEAK[locale]
    pause = np.zeros(int(_PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    if voice == "festival":
        language = "mr" if locale == "mr-IN" else "hi"

        def by_festival(text: str) -> Clip:
            said = festival(clauses(text), language, 1 / SPEED)  # type: ignore[arg-type]
            return np.concatenate([part for clip in said for part in (clip, pause)])

        return by_festival
    if voice == "espeak":

        def by_espeak(text: str) -> Clip:
            return np.concatenate([part for clause in clauses(text) for part in (espeak_plain(clause, code), pause)])

        return by_espeak
    kokoro, style = Kokoro(threads=2), _STYLES[locale]

    def by_kokoro(text: str) -> Clip:
        parts = clauses(text)
        sounds = ipa_of([part.strip(" .!?।,;:()") for part in parts], code)  # type: ignore[arg-type]
        if locale == "mr-IN":
            sounds = [with_marathi_ts(sound) for sound in sounds]
        return np.concatenate([part for sound in sounds for part in (kokoro.say(sound, style, SPEED), pause)])

    return by_kokoro


def as_opus(samples: Clip) -> bytes:
    """Levelled Ogg Opus of a 16 kHz clip."""
    import av

    out = io.BytesIO()
    with av.open(out, mode="w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ, layout="mono", options={"application": "voip"})
        stream.bit_rate = BIT_RATE_BPS
        for frame in _levelled(samples):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def _levelled(samples: Clip) -> Iterator[AudioFrame]:
    """Frames of a clip through `LOUDNESS`, 16 bit."""
    from av import AudioFrame
    from av.filter import Graph

    graph = Graph()
    steps = [
        graph.add_abuffer(sample_rate=SAMPLE_RATE_HZ, format="flt", layout="mono"),
        graph.add("loudnorm", LOUDNESS),
        graph.add("aresample", str(SAMPLE_RATE_HZ)),
        graph.add("aformat", "sample_fmts=s16:channel_layouts=mono"),
        graph.add("asetnsamples", "n=320"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*steps).configure()
    frame = AudioFrame.from_ndarray(samples.astype(np.float32)[None], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    graph.push(frame)
    graph.push(None)
    while True:
        try:
            yield graph.pull()
        except (BlockingIOError, EOFError):
            return


def render(lines: Iterable[str], locale: Locale, voice: str, out: Path, version: str) -> tuple[int, int]:
    """Write the pack of one language; what was said is kept every so many sentences, so a stopped run goes on.

    Args:
        lines: JSON lines with `id`, `locale`, `text`; those of other languages are passed over.
        locale: whose pack.
        voice: `kokoro`, `festival` or `espeak`.
        out: folder of the pack; what it holds already is taken over where the words are the same.
        version: such as 1.0.0.

    Returns:
        Sentences rendered anew, sentences in the pack.
    """
    wanted = {row["id"]: row["text"] for row in map(json.loads, lines) if row["locale"] == locale}
    said = _said_before(out, wanted, voice)
    missing = sorted(wanted.keys() - said.keys())
    speak = speaker_of(locale, voice)
    for number, prompt in enumerate(missing, 1):
        samples = speak(wanted[prompt])
        ms = len(samples) * 1_000 // SAMPLE_RATE_HZ
        said[prompt] = _Said(as_opus(samples), max(ms, 1), text_mark(wanted[prompt]))
        if number % _KEPT_EVERY == 0:
            _write(said, locale, voice, out, version)
            print(f"{locale}: {number} of {len(missing)} sentences", flush=True)
    _write(said, locale, voice, out, version)
    load_prompt_pack(out)
    return len(missing), len(said)


def _said_before(out: Path, wanted: dict[str, str], voice: str) -> dict[str, _Said]:
    """What the pack in `out` holds by this voice in today's words."""
    try:
        before = load_prompt_pack(out)
    except PackageError:
        return {}
    said = {}
    for prompt, text in wanted.items():
        opus = before.clip(prompt, text)
        if opus is not None and before.manifest.clips[prompt].voice == voice:
            said[prompt] = _Said(opus, before.manifest.clips[prompt].ms, text_mark(text))
    return said


def _write(said: dict[str, _Said], locale: Locale, voice: str, out: Path, version: str) -> None:
    clips, data = {}, bytearray()
    for prompt, one in sorted(said.items()):
        clips[prompt] = PromptClip(len(data), len(one.opus), one.ms, one.mark, voice)
        data += one.opus
    manifest = PromptManifest(
        schema=1,
        name=f"prompts-{locale[:2]}",
        version=version,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        locale=locale,
        rate_hz=SAMPLE_RATE_HZ,
        files=(FileEntry(CLIPS_FILE, hashlib.sha256(data).hexdigest(), len(data)),),
        licence=_LICENCE[voice],
        clips=clips,
    )
    text = json.dumps(msgspec.to_builtins(manifest), ensure_ascii=False, indent=1) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    for name, content in ((CLIPS_FILE, bytes(data)), (MANIFEST_FILE, text.encode())):
        beside = out / f"{name}.new"
        beside.write_bytes(content)
        beside.replace(out / name)
