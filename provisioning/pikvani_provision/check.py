"""`pikvani-provision check`: is this device fit for the field? On the screen, aloud, and as JSON for the centre."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import click

from pikvani_provision.checking import board, parts, sound
from pikvani_provision.checking.around import Around, Finding
from pikvani_provision.checking.words import LOCALES, PARTS, VERDICTS, pick, sentence, summary
from pikvani_provision.errors import ProvisionError

CHECKS: dict[str, Callable[[Around], Finding]] = {
    "clock": board.clock,
    "temperature": board.temperature,
    "power": board.power,
    "memory": board.memory,
    "card": board.card_wear,
    "data": board.data_space,
    "touch": board.touch,
    "sound": sound.loopback,
    "camera": parts.camera,
    "model": parts.model,
    "services": parts.services,
    "modem": parts.modem,
    "centre": parts.broker,
}
BEFORE_THE_SERVICES = frozenset({"services"})
"""What first boot cannot look at yet: it tests before it starts them."""


def examine(around: Around, names: list[str]) -> list[Finding]:
    """Run the named checks, one after the other."""
    return [CHECKS[name](around) for name in names]


def as_json(findings: list[Finding], locale: str) -> str:
    """The report for machines."""
    lines = [
        {"part": f.part, "verdict": f.verdict, "key": f.key, **f.values, "words": sentence(f, locale)} for f in findings
    ]
    passed = not any(finding.verdict == "bad" for finding in findings)
    return json.dumps({"passed": passed, "at": int(time.time()), "findings": lines}, ensure_ascii=False)


def line_of(finding: Finding, locale: str) -> str:
    """A finding as a person reads it."""
    part, verdict = pick(PARTS[finding.part], locale), pick(VERDICTS[finding.verdict], locale)
    return f"{part:<14} {verdict:<6} {sentence(finding, locale)}"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(CHECKS)))
@click.option("--config", type=click.Path(path_type=Path), help="The device's configuration.")
@click.option("--locale", type=click.Choice(LOCALES), help="The device's own if left out.")
@click.option("--json", "json_out", is_flag=True, help="One JSON object.")
@click.option("--json-to", type=click.Path(path_type=Path), help="Write the JSON to a file as well.")
@click.option("--say", "aloud", is_flag=True, help="Say what is wrong, aloud.")
@click.option("--quiet", is_flag=True, help="Print nothing but the sentence at the end.")
@click.option("--first-boot", is_flag=True, help="Leave out what runs only later.")
def check(
    names: tuple[str, ...],
    config: Path | None,
    locale: str | None,
    json_out: bool,
    json_to: Path | None,
    aloud: bool,
    quiet: bool,
    first_boot: bool,
) -> None:
    """Test the parts of this device: all of them, or those named. Exit 1 where something is bad."""
    around = Around(config=config)
    found_locale = str(around.config.get("device", {}).get("locale", "en-IN"))
    tongue = locale or (found_locale if found_locale in LOCALES else "en-IN")
    wanted = [name for name in names or CHECKS if not (first_boot and name in BEFORE_THE_SERVICES)]
    findings = []
    for name in wanted:
        finding = CHECKS[name](around)
        findings.append(finding)
        if not json_out and not quiet:
            click.echo(line_of(finding, tongue))
    text = as_json(findings, tongue)
    if json_to is not None:
        _write(json_to, text)
    if json_out:
        click.echo(text)
    else:
        click.echo(summary(findings, tongue))
    if aloud:
        worth = [finding for finding in findings if finding.verdict in ("bad", "warn")]
        parts_said = [f"{pick(PARTS[each.part], tongue)}. {sentence(each, tongue)}" for each in worth]
        spoken = " ".join([summary(findings, tongue), *parts_said])
        if not sound.speak(around, spoken, tongue):
            click.echo("no voice to say it with: apt install espeak-ng, and look at the speaker", err=True)
    if any(finding.verdict == "bad" for finding in findings):
        raise SystemExit(1)


def _write(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".new")
    try:
        beside.write_text(text + "\n")
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ProvisionError(f"{path}: the report cannot be written ({error.strerror}); choose another place") from None
