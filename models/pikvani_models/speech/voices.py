"""Voices that say training words: Kokoro with mixed styles, espeak-ng variants, Festival. 16 kHz, about -1 to 1.

All three run outside the product: Kokoro's files are named by the environment variable `PIKVANI_KOKORO` (a folder with
`model.onnx`, `vocab.json` and `voices/*.bin`), espeak-ng and Festival are programs of the machine.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tempfile
import wave
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.phones import Language
from pikvani_models.speech.ipa import kokoro_symbols

Clip = NDArray[np.float32]
HELD_OUT_STYLES = ("hf_beta", "hm_psi")
"""Kokoro styles no training clip is made with, alone or mixed: what is said of synthetic speech is measured on them."""
HELD_OUT_VARIANTS = ("linda", "max")
_VARIANTS = (
    *("adam", "Alex", "Alicia", "Andrea", "Andy", "Annie", "antonio", "aunty", "belinda", "benjamin", "boris"),
    *("caleb", "david", "ed", "edward", "Gene", "Henrique", "Hugo", "iven", "Jacky", "john", "Lee", "marcelo"),
    *("Marco", "Mario", "Michael", "miguel", "Mike", "pablo", "paul", "pedro", "quincy", "rob", "robert", "steph"),
    *("Storm", "zac", "anika", "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
)
_FESTIVAL = {"hi": "hindi_NSK_diphone", "mr": "marathi_NSK_diphone"}


class Kokoro:
    """Kokoro-82M; new speakers are mixtures of its styles."""

    def __init__(self, folder: Path | None = None, threads: int = 1) -> None:
        self.folder = folder or Path(os.environ["PIKVANI_KOKORO"])
        self.threads = threads

    @cached_property
    def session(self) -> Any:
        """The network."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        return onnxruntime.InferenceSession(str(self.folder / "model.onnx"), options)

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Symbol to token."""
        vocabulary: dict[str, int] = json.loads((self.folder / "vocab.json").read_text("utf-8"))["vocab"]
        return vocabulary

    @cached_property
    def styles(self) -> dict[str, NDArray[np.float32]]:
        """Style name to `[510, 256]`, a row for each count of tokens."""
        return {
            path.stem: np.fromfile(path, np.float32).reshape(-1, 256)
            for path in sorted((self.folder / "voices").glob("*.bin"))
        }

    def say(self, ipa: str, weights: dict[str, float], speed: float) -> Clip:
        """Say one line of IPA.

        Args:
            ipa: as espeak-ng writes it.
            weights: styles and their shares, summing to 1.
            speed: 1 for normal, 0.6 to 1.4.
        """
        tokens = [self.vocabulary[c] for c in kokoro_symbols(ipa) if c in self.vocabulary]
        row = sum(share * self.styles[name][min(len(tokens), 509)] for name, share in weights.items())
        feeds = {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": np.asarray(row, dtype=np.float32).reshape(1, 256),
            "speed": np.array([speed], dtype=np.float32),
        }
        audio = np.asarray(self.session.run(None, feeds)[0], np.float32).ravel()
        return resample_poly(audio, 2, 3).astype(np.float32)

    def speaker(self, rng: np.random.Generator) -> dict[str, float]:
        """A random speaker for training: Hindi styles more often, mostly mixtures."""
        names = [n for n in self.styles if n not in HELD_OUT_STYLES]
        odds = np.array([6.0 if n.startswith("h") else 1.0 for n in names])
        chosen = rng.choice(names, size=int(rng.integers(1, 4)), replace=False, p=odds / odds.sum())
        shares = rng.dirichlet(np.ones(len(chosen)))
        return {str(name): float(share) for name, share in zip(chosen, shares, strict=True)}


def espeak(text: str, language: Language, rng: np.random.Generator, variants: tuple[str, ...] = _VARIANTS) -> Clip:
    """Say one line with a random espeak-ng variant, pitch and speed."""
    command = [
        *("espeak-ng", "--stdout", "-v", f"{language}+{rng.choice(variants)}"),
        *("-p", str(int(rng.integers(20, 85))), "-s", str(int(rng.integers(95, 230))), text),
    ]
    return _read(subprocess.run(command, capture_output=True, check=True).stdout)


def espeak_plain(text: str, code: str) -> Clip:
    """Say one line with espeak-ng's own voice of a language, as the device does where it has no clip."""
    command = ["espeak-ng", "--stdout", "-v", code, "-s", "140", text]
    return _read(subprocess.run(command, capture_output=True, check=True).stdout)


def festival(texts: list[str], language: Language, stretch: float) -> list[Clip]:
    """Say lines with Festival's voice of the language; `stretch` above 1 is slower.

    Raises:
        RuntimeError: the voice is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines = [
            "(Parameter.set 'Int_Method 'DuffInt)",
            "(Parameter.set 'Int_Target_Method 'Simple)",
            "(Parameter.set 'Duration_Method 'Default)",
            f"(voice_{_FESTIVAL[language]})",
            f"(Parameter.set 'Duration_Stretch {stretch:.2f})",
        ]
        for k, text in enumerate(texts):
            plain = text.replace('"', "").replace("\\", "")
            lines += [f'(set! u (Utterance Text "{plain}"))', "(utt.synth u)", f'(utt.save.wave u "{folder}/{k}.wav")']
        script = Path(folder) / "say.scm"
        script.write_text("\n".join(lines), "utf-8")
        done = subprocess.run(["festival", "-b", str(script)], capture_output=True, check=False, timeout=600)
        if b"SIOD ERROR" in done.stderr and not any(Path(folder).glob("*.wav")):
            names = f"festival festival-{language} festvox-{language}-nsk"
            raise RuntimeError(f"Festival has no voice for this language: apt-get install {names}")
        found = []
        for k in range(len(texts)):
            path = Path(folder) / f"{k}.wav"
            found.append(_read(path.read_bytes()) if path.exists() else np.zeros(0, np.float32))
        return found


def _read(data: bytes) -> Clip:
    """Mono 16 kHz of a WAV file of 16-bit samples."""
    with wave.open(io.BytesIO(data)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
    # espeak-ng writes to a pipe and cannot know the length when it writes the header: what follows it is sound.
    start = data.index(b"data") + 8
    mono = (
        np.frombuffer(data[start : start + (len(data) - start) // 2 * 2], "<i2")[::channels].astype(np.float32) / 32_768
    )
    return mono if rate == SAMPLE_RATE_HZ else resample_poly(mono, SAMPLE_RATE_HZ, rate).astype(np.float32)
