"""Reads the project's Markdown: the pages git keeps, their links, their quoted words, their blocks of commands."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN_MARK = "<!-- run -->"
"""Stands alone on the line over a block whose commands a test runs as they are."""
_FENCE = re.compile(r"^\s*(```+|~~~+)\s*([\w+-]*)")
_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.)\s")
_LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_QUOTED = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


@dataclass(frozen=True)
class Block:
    """A block of code: its language (empty for none), its lines, the line it begins on, whether a test runs it."""

    language: str
    lines: tuple[str, ...]
    line: int
    runs: bool


@dataclass(frozen=True)
class Page:
    """One Markdown file.

    Attributes:
        path: below the root, with slashes.
        prose: line number and line, blocks of code left out.
        blocks: blocks of code, fenced and indented, in order.
    """

    path: str
    prose: tuple[tuple[int, str], ...]
    blocks: tuple[Block, ...]

    @property
    def folder(self) -> Path:
        """Where its relative links begin."""
        return (ROOT / self.path).parent

    def links(self) -> Iterator[tuple[int, str]]:
        """Line and target of each link and picture."""
        for number, line in self.prose:
            for found in _LINK.finditer(_QUOTED.sub("", line)):
                yield number, found[1]

    def quoted(self) -> Iterator[tuple[int, str]]:
        """Line and text of each quoted word (`like this`); one may go over a line's end."""
        text, numbers = "", []
        for number, line in self.prose:
            text += line + "\n"
            numbers += [number] * (len(line) + 1)
        for paragraph in re.finditer(r"(?:[^\n]+\n)+", text):
            for found in _QUOTED.finditer(paragraph[0]):
                yield numbers[paragraph.start() + found.start()], " ".join(found[1].split())

    def anchors(self) -> set[str]:
        """What `#...` may name in it, as GitHub and MkDocs make them of headings."""
        headings = [found[1] for _, line in self.prose if (found := _HEADING.match(line))]
        return {re.sub(r"[^\w\- ]", "", h.replace("`", "").lower()).strip().replace(" ", "-") for h in headings}


@cache
def kept() -> frozenset[str]:
    """Every file that git keeps, by its path below the root; a new page joins them with `git add`."""
    listed = ["git", "-C", str(ROOT), "-c", "core.quotePath=off", "ls-files"]
    return frozenset(name for name in subprocess.check_output(listed, text=True).split("\n") if (ROOT / name).is_file())


@cache
def folders() -> frozenset[str]:
    """Every folder that holds a kept file."""
    return frozenset(str(parent) for name in kept() for parent in Path(name).parents)


@cache
def pages() -> tuple[Page, ...]:
    """Every page of the project."""
    return tuple(read(name) for name in sorted(kept()) if name.endswith(".md"))


def read(path: str) -> Page:
    """The page at a path below the root."""
    return parse(path, (ROOT / path).read_text())


def parse(path: str, text: str) -> Page:
    """A page from its text."""
    prose: list[tuple[int, str]] = []
    blocks: list[Block] = []
    lines = text.splitlines()
    at, last = 0, ""
    while at < len(lines):
        line = lines[at]
        begins = at
        if fence := _FENCE.match(line):
            at += 1
            while at < len(lines) and not lines[at].strip().startswith(fence[1]):
                at += 1
            held, language = lines[begins + 1 : at], fence[2]
            at += 1
        elif (
            line.startswith("    ") and not lines[begins - 1].strip() and not last.lstrip().startswith(("-", "*", "1"))
        ):
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            held, language = [inner[4:] for inner in lines[begins:at]], ""
        else:
            prose.append((at + 1, line))
            last = line if line.strip() else last
            at += 1
            continue
        blocks.append(Block(language, tuple(held), begins + 1, lines[begins - 1].strip() == RUN_MARK))
    return Page(path, tuple(prose), tuple(blocks))
