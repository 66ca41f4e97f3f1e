"""Holds a quoted command line to the program it names: its sub-commands, options and choices. Nothing is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise

import click
from tests.docs.pages import ROOT

from pikvani_device.cli import cli as device
from pikvani_models.cli import main as models
from pikvani_provision.cli import cli as provision
from pikvani_server.cli import cli as server

PROGRAMS: dict[str, click.Command] = {
    "pikvani-device": device,
    "pikvani-server": server,
    "pikvani-models": models,
    "pikvani-provision": provision,
}
_PLACEHOLDER = re.compile(r"^[A-Z][A-Z0-9_@.-]*$|^<.*>$|^\.\.\.$")
"""A word the reader replaces by their own."""


class WrongCommandError(Exception):
    """A line that its program would refuse; says why."""


def spellings(line: str) -> list[list[str]]:
    """The command lines that one quoted line stands for: `users add|list` is two; brackets and a comment go."""
    words = shlex.split(line.replace("[", "").replace("]", ""), comments=True)
    lines: list[list[str]] = [[]]
    for word in words:
        choices = word.split("|") if re.fullmatch(r"[\w-]+(\|[\w-]+)+", word) else [word]
        lines = [[*before, choice] for before in lines for choice in choices]
    return lines


def simple_commands(line: str) -> Iterator[str]:
    """The commands of a shell line, where `&&`, `;` or a pipe joins several; a file read from is left out."""
    told = re.sub(r"\s<\s*[^\s<>&|;]+(?=\s|$)", "", line)  # `< passphrase.txt` is the shell's, not the program's
    yield from (part.strip() for part in re.split(r"\s(?:&&|;|\|)\s", told) if part.strip())


def check(words: list[str], whole: bool) -> None:
    """Hold words that begin with a program's name to that program.

    Args:
        words: the program first, with or without a folder before it.
        whole: False where the words need not be complete, as in a sentence.

    Raises:
        WrongCommandError: if the program would not understand them.
    """
    name = words[0].rpartition("/")[2]
    if words[0].startswith("scripts/"):
        _check_script(words)
    elif name in PROGRAMS:
        left_out = not whole or "..." in words
        # `--reason ...` leaves out a value; anywhere else three dots leave out words.
        told = [word for before, word in pairwise(words) if word != "..." or before.startswith("--")]
        if not whole and told and told[-1].startswith("--"):
            told.append("...")
        _check_click(PROGRAMS[name], name, told, left_out, None)


def knows(words: list[str]) -> bool | None:
    """Whether a program understands words quoted without its name; None where they are no command at all.

    `ca list` and `run --part enrol` are commands: their first word names a group and more follows, or a command with
    an option.
    """
    owners = {}
    for name, program in PROGRAMS.items():
        assert isinstance(program, click.Group)
        first = program.get_command(click.Context(program), words[0]) if words else None
        more = words[1] if len(words) > 1 else ""
        group = isinstance(first, click.Group) and re.fullmatch(r"[a-z-]+", more)
        if group or (first is not None and more.startswith("--")):
            owners[name] = program
    if not owners:
        return None
    for name in owners:
        try:
            check([name, *words], whole=False)
        except WrongCommandError:
            continue
        return True
    return False


def _check_click(
    command: click.Command, name: str, words: list[str], left_out: bool, parent: click.Context | None
) -> None:
    context = click.Context(command, info_name=name, parent=parent)
    if {"--help", "-h"} & set(words[-2:]):
        words, left_out = words[: words.index("--help" if "--help" in words else "-h")], True
    try:
        given, rest, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        raise WrongCommandError(f"{context.command_path}: {error.format_message()}") from None
    for parameter in command.params:
        value = given.get(parameter.name or "")
        if value is None or parameter.value_is_missing(value):
            if parameter.required and not left_out:
                raise WrongCommandError(f"{context.command_path}: {parameter.get_error_hint(context)} is missing")
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            _check_value(parameter, one, context)
    if not isinstance(command, click.Group):
        if set(rest) - {"..."}:
            raise WrongCommandError(f"{context.command_path}: {' '.join(rest)} is too much")
        return
    if not rest:
        return
    below = command.get_command(context, rest[0])
    if below is None:
        raise WrongCommandError(f"{context.command_path} has no command {rest[0]!r}")
    _check_click(below, rest[0], rest[1:], left_out, context)


def _check_value(parameter: click.Parameter, value: object, context: click.Context) -> None:
    if not isinstance(value, str) or _PLACEHOLDER.match(value):
        return
    if isinstance(parameter.type, click.Choice | click.types.IntParamType | click.types.FloatParamType):
        try:
            parameter.type.convert(value, parameter, context)
        except click.BadParameter as error:
            raise WrongCommandError(f"{context.command_path}: {error.format_message()}") from None


def _check_script(words: list[str]) -> None:
    """Options of a script must be spelled in it or in a program it starts; folders given to it must be there."""
    script = ROOT / words[0]
    if not script.is_file():
        raise WrongCommandError(f"{words[0]} is not there")
    if words[0] == "scripts/test":
        for word in words[1:]:
            if "/" in word and not (ROOT / word).exists():
                raise WrongCommandError(f"{words[0]}: {word} is not there")
        return
    text = script.read_text()
    chosen = [word for word in words[1:] if re.fullmatch(r"[a-z]+", word)][:1]
    one_of = rf"^  (\S+\|)?{re.escape(chosen[0])}(\|\S+)?\)" if chosen else ""
    if re.search(r"^case ", text, re.MULTILINE) and not re.search(one_of, text, re.MULTILINE):
        raise WrongCommandError(f"{words[0]} knows no {chosen[0]!r}")
    for module in re.findall(r"-m (tests[\w.]+)", text):
        place = ROOT / module.replace(".", "/")
        text += (place / "__main__.py" if place.is_dir() else place.with_suffix(".py")).read_text()
    for file in re.findall(r"((?:scripts|tests)/[\w/]+\.py)", text):
        text += (ROOT / file).read_text()
    for word in words[1:]:
        option = word.partition("=")[0]
        if word.startswith("-") and not re.search(rf"""["']{re.escape(option)}["']|{re.escape(option)}\)""", text):
            raise WrongCommandError(f"{words[0]} knows no option {option}")
