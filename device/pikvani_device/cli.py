"""The command line of the appliance. Words and exit codes only: `app` builds, `diagnosis` thinks.

Exit codes: 0 done, 2 something was wrong with what was given (one line on stderr says what). There is never a
traceback for bad input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from pikvani_contract.errors import ContractError
from pikvani_device import __version__
from pikvani_device.config import Config, as_toml, load_config, reference
from pikvani_device.errors import DeviceError, PhotoError, SpeechError

if TYPE_CHECKING:
    from pikvani_device.app import Device
    from pikvani_device.diagnosis.result import Diagnosis

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_READ_LIMIT_BYTES = 25 * 2**20 + 1  # one over what a photograph may have, so that the reader can say so


@click.group()
@click.version_option(__version__, prog_name="pikvani-device")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file (TOML).")
@click.pass_context
def cli(context: click.Context, config_path: Path | None) -> None:
    """The Pikvani appliance: photographs of a sick leaf in, an answer or a referral out, no network needed."""
    context.obj = config_path


@cli.command()
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
    config = _overridden(load_config(config_path), model_dir, runtime, threads)
    device = _device(config)
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
        _say(line if jsonl else f"{shown}: refuse ({error.reason}): {error}")
        return
    case_id = device.record(diagnosis, decoded, crop).case_id if record else None
    _say(case_line(shown, diagnosis, case_id) if jsonl else case_text(shown, diagnosis, device.config.device.locale))


def case_line(photo: str, diagnosis: Diagnosis, case_id: str | None = None) -> str:
    """A case as one JSON line; with `case_id` where it was recorded."""
    recorded = {"case_id": case_id} if case_id else {}
    return _json(
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
    return _json(
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


@cli.command()
@click.option("--lang", "language", required=True, type=click.Choice(["hi", "mr"]), help="Hindi or Marathi.")
@click.option("--phrases", type=click.Path(path_type=Path), help="One Devanagari phrase a line; else the full grammar.")
@click.option("--jsonl", is_flag=True, help="One JSON line a clip.")
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_obj
def listen(
    config_path: Path | None, language: Literal["hi", "mr"], phrases: Path | None, jsonl: bool, clips: tuple[Path, ...]
) -> None:
    """Understand voice notes: the best phrase of a list, or the words of a sentence."""
    from pikvani_device.voice.vocabulary import phrases_of_file

    device = _device(load_config(config_path))
    try:
        wanted = phrases_of_file(phrases, language) if phrases else None
        ear, bad = device.voice.ear(language, wanted), 0
        for clip in clips:
            try:
                samples = device.voice.decoder.decode(_read_clip(clip), str(clip))
            except SpeechError as error:
                bad += 1
                if jsonl:
                    _say(_json({"clip": str(clip), "decision": "reject", "phrase": "", "error": str(error)}))
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
                _say(_json(line | ({"sound": heard.sound.trouble} if heard.sound.trouble else {})))
            else:
                slots = ", ".join(f"{slot}={value}" for slot, value in said.slots.items())
                _say(f"{clip}: {said.decision} {said.phrase} ({said.confidence:.0%}) {slots}".rstrip())
    finally:
        device.close()
    if bad and not jsonl:
        sys.exit(2)


def _read_clip(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_READ_LIMIT_BYTES)
    except OSError as error:
        raise SpeechError(f"{path}: cannot be read ({error.strerror}); name a recording that is there") from None


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def status(config_path: Path | None, as_json: bool) -> None:
    """Say how this device is: model, runtime, what waits for the centre."""
    device = _device(load_config(config_path))
    try:
        found = device.status()
    finally:
        device.close()
    if as_json:
        _say(_json(found))
        return
    for key, value in found.items():
        _say(f"{key:>16}: {value}")


@cli.command()
@click.option("--part", type=click.Choice(["all", "web", "sync", "update"]), default="all", help="Run only one part.")
@click.pass_obj
def run(config_path: Path | None, part: str) -> None:
    """Run the appliance: its pages and the link to the centre, until it is told to stop."""
    import logging

    from pikvani_device.serving import serve

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    device = _device(load_config(config_path))
    try:
        serve(
            device, web=part in ("all", "web"), sync=part in ("all", "sync"), update=part in ("all", "update"), say=_say
        )
    finally:
        device.close()


@cli.command("self-test")
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help="The package to be no slower than.")
@click.option("--runtime", type=click.Choice(["onnx", "tflite", "fake"]))
@click.option("--threads", type=click.IntRange(1, 16))
@click.pass_obj
def self_test(
    config_path: Path | None, package: Path, against: Path | None, runtime: str | None, threads: int | None
) -> None:
    """Try a model package here: golden cases, time, memory. Exit 1 where it fails."""
    from pikvani_device.app.update import self_test as run_test

    config = _overridden(load_config(config_path), None, runtime, threads)
    tested = run_test(config, package, against, config.update.max_rss_mb)
    _say(_json({"passed": tested.passed, "detail": tested.detail}))
    sys.exit(0 if tested.passed else 1)


@cli.group()
def update() -> None:
    """Signed model updates: look for one, take one from a stick, see how it stands, go back."""


@update.command("check")
@click.option("--from", "source", type=click.Path(path_type=Path, file_okay=False), help="A folder or stick.")
@click.pass_obj
def update_check(config_path: Path | None, source: Path | None) -> None:
    """Look once and go on as far as can be gone: download, self-test, switch, watch. Exit 1 where it was refused."""
    device = _device(load_config(config_path))
    try:
        state = device.updates(source).run()
    finally:
        device.close()
    _say(_json(msgspec.to_builtins(state)))
    sys.exit(1 if state.reason and state.phase == "idle" else 0)


@update.command("status")
@click.pass_obj
def update_status(config_path: Path | None) -> None:
    """Say how the last update stands and which model answers."""
    device = _device(load_config(config_path))
    try:
        engine = device.updates()
        manifest = engine.active().manifest
        _say(_json({"answers": f"{manifest.name}@{manifest.version}"} | msgspec.to_builtins(engine.state)))
    finally:
        device.close()


@update.command("roll-back")
@click.option("--because", default="a technician said so", help="Told to the centre.")
@click.pass_obj
def update_roll_back(config_path: Path | None, because: str) -> None:
    """Go back to the model before."""
    device = _device(load_config(config_path))
    try:
        state = device.updates().roll_back(because)
    finally:
        device.close()
    _say(f"{state.name}@{state.version} gave way to {state.previous}")


@cli.command()
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="The stick.")
@click.pass_obj
def export(config_path: Path | None, folder: Path) -> None:
    """Carry the outbox by hand: take receipts off a USB stick, then put on it what still waits, sealed."""
    device = _device(load_config(config_path))
    try:
        released, exported = device.export(folder)
    finally:
        device.close()
    _say(f"{released} records let go by receipts on the stick, {exported} records put on it for the centre")


@cli.command()
@click.pass_obj
def rescue(config_path: Path | None) -> None:
    """Replace a damaged case store by what can still be read of it; stop the device first."""
    from pikvani_device.app import Device

    found = Device(load_config(config_path)).rescue()
    _say(f"{found.cases} cases and {found.waiting} waiting records saved, {found.unnamed} records lost their outbox")
    _say(f"the damaged file is kept: {found.damaged}")


@cli.group()
def config() -> None:
    """The configuration file: check it, show it, describe it."""


@config.command("check")
@click.pass_obj
def config_check(config_path: Path | None) -> None:
    """Say whether the configuration can be used."""
    load_config(config_path)
    _say("the configuration is good")


@config.command("show")
@click.pass_obj
def config_show(config_path: Path | None) -> None:
    """Print the configuration with every default filled in."""
    _say(as_toml(load_config(config_path)))


@config.command("reference")
def config_reference() -> None:
    """Print the reference of all keys, as kept in docs/configuration.md."""
    _say(reference().rstrip("\n"))


def main() -> None:
    """Entry point: every expected failure becomes one line on stderr and exit code 2."""
    try:
        cli(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        _forget_stdout()
        sys.exit(0)
    except (DeviceError, ContractError) as error:
        _fail(str(error))
    except OSError as error:
        _forget_stdout()
        where = f" {error.filename}" if error.filename else ""
        _fail(f"cannot read or write{where}: {error.strerror}; if the disk is full, free some space")


def _fail(message: str) -> None:
    print(f"pikvani-device: {message}", file=sys.stderr)
    sys.exit(2)


def _forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _device(config: Config) -> Device:
    from pikvani_device.app import Device

    return Device(config)


def _overridden(config: Config, model_dir: str | None, runtime: str | None, threads: int | None) -> Config:
    changes: dict[str, Any] = {}
    if model_dir is not None:
        changes["model"] = msgspec.structs.replace(config.model, dir=model_dir)
    asked = {key: value for key, value in (("adapter", runtime), ("threads", threads)) if value is not None}
    if asked:
        changes["runtime"] = msgspec.structs.replace(config.runtime, **asked)
    return msgspec.structs.replace(config, **changes)


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
            return file.read(_READ_LIMIT_BYTES)
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror}); name a photograph that is there") from None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


if __name__ == "__main__":
    main()
