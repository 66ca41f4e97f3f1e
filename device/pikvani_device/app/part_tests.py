"""The self-tests of packages that hold no leaf model: advice, speech, prompts. Each is run in `self_tests`' process."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.advice.rows import Audience
from pikvani_contract.errors import ContractError
from pikvani_contract.speech.package import SpeechPackage, load_speech_package
from pikvani_contract.speech.prompts import load_prompt_pack
from pikvani_device.errors import ModelError, RuntimeAdapterError
from pikvani_device.update.surroundings import Tested

_LOCALES = ("mr-IN", "hi-IN", "en-IN")
_LOST = 0.5
"""A package that is silent on more than this share of what the one before told is a mistake, not a revision."""
_SLOWER = 1.6
_CLIP_S = 2.0
_LENGTH_TOLERANCE = 0.2


def try_advice(candidate: Path, active: Path | None) -> Tested:
    """Tell everything there is to tell, to everybody, in every language; lose little of what was told before.

    Raises:
        ModelError: a package cannot be read or breaks a rule.
    """
    new, took_ms = _told(candidate)
    old = _told(active)[0] if active is not None else set()
    lost = old - new
    if len(lost) > _LOST * len(old):
        return Tested(
            False, f"silent on {len(lost)} of {len(old)} conditions that were told of, {min(lost)} among them"
        )
    return Tested(True, f"{len(new)} conditions told of, {len(lost)} no more, {took_ms:.1f} ms for each at most")


def _told(folder: Path) -> tuple[set[str], float]:
    """Conditions of which a farmer is told something in every language; the longest it took, in milliseconds."""
    from pikvani_device.diagnosis.advice import AdviceTable
    from pikvani_device.diagnosis.advice.symptom_table import SymptomTable

    try:
        table = AdviceTable.load(folder)
    except ContractError as error:
        raise ModelError(f"advice package: {error}") from None
    symptoms = SymptomTable(table.package.symptoms)
    told, worst_ms = set(), 0.0
    for pair in table.pairs:
        began = time.perf_counter()
        texts = [
            table.advice(pair, locale, datetime.now(UTC).date(), audience=audience).sentences
            for locale in _LOCALES
            for audience in get_args(Audience)
        ]
        symptoms.terms(pair)
        worst_ms = max(worst_ms, (time.perf_counter() - began) * 1_000)
        if all(texts):
            told.add(pair)
    return told, worst_ms


def try_speech(candidate: Path, active: Path | None) -> Tested:
    """Hear a clip of noise: probabilities must come out, and not much later than from the one before.

    Raises:
        ModelError: a package cannot be read.
        RuntimeAdapterError: its network does not run here.
    """
    from pikvani_device.adapters.acoustic_onnx import OnnxAcousticModel

    clip = np.random.default_rng(0).normal(0, 0.05, int(_CLIP_S * 16_000)).astype(np.float32)
    models = [OnnxAcousticModel(_speech(folder)) for folder in (candidate, active) if folder is not None]
    took: list[list[float]] = [[] for _ in models]
    for _ in range(5):
        for model, times in zip(models, took, strict=True):
            began = time.perf_counter()
            found = model.log_probs(clip)
            times.append((time.perf_counter() - began) * 1_000)
            if model is models[0] and (why := _not_probabilities(found)):
                return Tested(False, why)
    medians = [sorted(times)[len(times) // 2] for times in took]
    measured = " against ".join(f"{median:.0f} ms" for median in medians)
    if len(medians) == 2 and medians[0] > _SLOWER * medians[1] + 20:
        return Tested(False, f"too slow: {measured} for {_CLIP_S:.0f} s of sound")
    return Tested(True, f"{measured} for {_CLIP_S:.0f} s of sound")


def _not_probabilities(found: NDArray[np.float32]) -> str:
    if not len(found) or not np.isfinite(found).all():
        return "the network gives no numbers"
    worst = float(np.abs(np.logaddexp.reduce(found, axis=1)).max())
    return f"the network's probabilities do not add up to one (by {worst:.2g})" if worst > 0.05 else ""


def _speech(folder: Path) -> SpeechPackage:
    try:
        return load_speech_package(folder)
    except (ContractError, OSError) as error:
        raise ModelError(f"speech package: {error}") from None


def try_prompts(candidate: Path, active: Path | None) -> Tested:
    """Play every clip: each must decode and last as long as it says; few sentences may fall silent.

    Raises:
        ModelError: a pack cannot be read.
        RuntimeAdapterError: clips cannot be decoded here.
    """
    from pikvani_device.voice.speaking import RATE_HZ, decoded

    try:
        new = load_prompt_pack(candidate)
        old = load_prompt_pack(active) if active is not None else None
    except (ContractError, OSError) as error:
        raise ModelError(f"prompt pack: {error}") from None
    data = (new.folder / new.manifest.files[0].path).read_bytes()
    for prompt, clip in new.manifest.clips.items():
        try:
            samples = decoded(data[clip.offset : clip.offset + clip.size])
        except ImportError as error:
            raise RuntimeAdapterError(f"PyAV is not installed ({error}): pip install av") from None
        except Exception as error:  # whatever FFmpeg says of bytes that are no sound
            return Tested(False, f"{prompt} does not play: {error}")
        ms = len(samples) * 1_000 / RATE_HZ
        if abs(ms - clip.ms) > _LENGTH_TOLERANCE * clip.ms + 100:
            return Tested(False, f"{prompt} lasts {ms:.0f} ms, its pack says {clip.ms}")
    before = set(old.manifest.clips) if old is not None else set()
    lost = before - set(new.manifest.clips)
    if len(lost) > _LOST * len(before):
        return Tested(False, f"silent on {len(lost)} of {len(before)} sentences that were spoken")
    return Tested(True, f"{len(new.manifest.clips)} sentences play, {len(lost)} no more")


TESTS: dict[str, Callable[[Path, Path | None], Tested]] = {
    "advice": try_advice,
    "speech": try_speech,
    "prompts": try_prompts,
}
"""By kind of package."""
