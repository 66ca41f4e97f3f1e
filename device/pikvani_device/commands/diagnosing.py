"""`pikvani-device diagnose` and `listen`: photographs and voice notes from the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pikvani_device.commands.common import READ_LIMIT_BYTES, as_json_line, open_device, overridden, say
from pikvani_device.config import load_config
from pikvani_device.errors import DeviceError, PhotoError, SpeechError

if TYPE_CHECKING:
    from pikvani_device.app import Device
    from pikvani_device.diagnosis.result import Diagnosis

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO...")
@click.option("--crop", help="The crop, e.g. cotton; the answer is then one of its conditions.")
@click.option("--each", is_flag=True, help="Every photo is a case of its own; without it, all are one case.")
@click.option("--jsonl", is_flag=True, help="One JSON line a case on stdout.")
@click.option("--record", is_flag=True, help="Keep the case and queue it for the centre.")
@click.option("--model", "model_dir", help="Folder of a model package; the shipped one if left out.")
@click.option("--runtime", type=click.Choice(["onnx", "tflite", "fake"]), help="Which runtime runs it.")
@click.option("--threads", type=click.IntRange(1, 16), help="Processor threads for one inference.")
@click.pass_obj
def diagnose(
    config_path: Path | None,
    photos: tuple[Path, ...],
    crop: str | None,
    each: bool,
    jsonl: bool,
    record: bool,
    model_dir: str | None,
    runtime: str | None,
    threads: int | None,
) -> None:
    """Diagnose photographs of leaves. A PHOTO may be a directory: its photographs are taken in name order."""
    config = overridden(load_config(config_path), model_dir, runtime, threads)
    device = open_device(config)
    try:
        _check_crop(device, crop)
        paths = _files(photos)
        cases = ([path] for path in paths) if each else iter([list(paths)])
        for case in cases:
            _one_case(device, case, crop, each, jsonl, record)
    finally:
        device.close()


def _one_case(device: Device, paths: Sequence[Path], crop: str | None, each: bool, jsonl: bool, record: bool) -> None:
    if not paths:
        raise PhotoError("no photograph to diagnose: the directory holds no .jpg, .png or .webp")
    if len(paths) > device.pipeline.max_photos:
        raise PhotoError(
            f"{len(paths)} photographs in one case: give 1 to {device.pipeline.max_photos}, or --each to take "
            "every one as a case of its own"
        )
    shown = ", ".join(str(path) for path in paths)
    try:
        diagnosis, decoded = device.diagnose([(str(path), _read(path)) for path in paths], crop)
    except PhotoError as error:
        if not each:
            raise
        line = unreadable_line(shown, error, device)
        say(line if jsonl else f"{shown}: refuse ({error.reason}): {error}")
        return
    case_id = device.record(diagnosis, decoded, crop).case_id if record else None
    say(case_line(shown, diagnosis, case_id) if jsonl else case_text(shown, diagnosis, device.config.device.locale))


def case_line(photo: str, diagnosis: Diagnosis, case_id: str | None = None) -> str:
    """A case as one JSON line; with `case_id` where it was recorded."""
    recorded = {"case_id": case_id} if case_id else {}
    return as_json_line(
        recorded
        | {
            "photo": photo,
            "decision": diagnosis.decision,
            "reason": diagnosis.reason,
            "crop": diagnosis.crop,
            "condition": diagnosis.condition,
            "confidence": round(diagnosis.confidence, 6),
            "probabilities": {label: round(p, 6) for label, p in diagnosis.probabilities.items()},
            "latency_ms": round(diagnosis.latency_ms, 3),
            "model_version": diagnosis.model,
            "runtime": diagnosis.runtime,
        }
    )


def unreadable_line(photo: str, error: PhotoError, device: Device) -> str:
    """A photograph that could not be read, as a JSON line of the same form, with `error` added."""
    return as_json_line(
        {
            "photo": photo,
            "decision": "refuse",
            "reason": error.reason,
            "crop": None,
            "condition": None,
            "confidence": 0.0,
            "probabilities": {},
            "latency_ms": 0.0,
            "model_version": device.pipeline.model_version,
            "runtime": device.pipeline.runtime.name,
            "error": str(error),
        }
    )


def case_text(photo: str, diagnosis: Diagnosis, locale: str) -> str:
    """A case as a person reads it."""
    from pikvani_device.diagnosis.advice import referral

    verdict = {"answer": "answer", "more": "one more photo", "refuse": "refused"}[diagnosis.decision]
    why = f" ({diagnosis.reason})" if diagnosis.reason else ""
    return (
        f"{photo}: {verdict}{why}: {diagnosis.condition} {diagnosis.confidence:.0%}, "
        f"{diagnosis.latency_ms:.0f} ms, {diagnosis.model} on {diagnosis.runtime}\n"
        f"  {referral(diagnosis.decision, locale)}"
    )


@click.command()
@click.option("--lang", "language", required=True, type=click.Choice(["hi", "mr"]), help="Hindi or Marathi.")
@click.option("--phrases", type=click.Path(path_type=Path), help="One Devanagari phrase a line; else the full grammar.")
@click.option("--jsonl", is_flag=True, help="One JSON line a clip.")
@click.option("--figures", is_flag=True, help="Each JSON line also holds what its confidence was weighed of.")
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_obj
def listen(
    config_path: Path | None,
    language: Literal["hi", "mr"],
    phrases: Path | None,
    jsonl: bool,
    figures: bool,
    clips: tuple[Path, ...],
) -> None:
    """Understand voice notes: the best phrase of a list, or the words of a sentence."""
    from pikvani_device.voice.vocabulary import phrases_of_file

    device = open_device(load_config(config_path))
    try:
        wanted = phrases_of_file(phrases, language) if phrases else None
        ear, bad = device.voice.ear(language, wanted), 0
        for clip in clips:
            try:
                samples = device.voice.decoder.decode(_read_clip(clip), str(clip))
            except SpeechError as error:
                bad += 1
                if jsonl:
                    nothing = {"decision": "reject", "phrase": "", "confidence": 0.0, "slots": {}, "audio_s": 0.0}
                    say(as_json_line({"clip": str(clip)} | nothing | {"latency_ms": 0.0, "error": str(error)}))
                else:
                    print(f"pikvani-device: {error}", file=sys.stderr)
                continue
            heard = ear.listen(samples)
            said = heard.understood
            line = {
                "clip": str(clip),
                "decision": said.decision,
                "phrase": said.phrase,
                "confidence": round(said.confidence, 4),
                "slots": said.slots,
                "audio_s": round(heard.sound.seconds, 3),
                "latency_ms": round(heard.latency_ms, 2),
            }
            if jsonl:
                more: dict[str, object] = {"sound": heard.sound.trouble} if heard.sound.trouble else {}
                if figures:
                    more["figures"] = {name: round(value, 4) for name, value in said.figures.items()}
                say(as_json_line(line | more))
            else:
                slots = ", ".join(f"{slot}={value}" for slot, value in said.slots.items())
                say(f"{clip}: {said.decision} {said.phrase} ({said.confidence:.0%}) {slots}".rstrip())
    finally:
        device.close()
    if bad and not jsonl:
        sys.exit(2)


def _read_clip(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(READ_LIMIT_BYTES)
    except OSError as error:
        raise SpeechError(f"{path}: cannot be read ({error.strerror}); name a recording that is there") from None


def _check_crop(device: Device, crop: str | None) -> None:
    known = device.package.manifest.crops
    if crop is not None and crop not in known:
        raise DeviceError(f"crop {crop!r} is not one this model knows: take one of {', '.join(known)}")


def _files(given: Sequence[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        else:
            yield path


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(READ_LIMIT_BYTES)
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror}); name a photograph that is there") from None
