"""Every command in the pages is one: each is held to its program, and blocks marked `<!-- run -->` are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from tests.docs.command_lines import PROGRAMS, WrongCommandError, check, knows, simple_commands, spellings
from tests.docs.pages import Page, pages, parse

from pikvani_device.drawn_leaves import draw_leaf

SPEAKS = re.compile(
    r"(?:[A-Z_]+=\S+ )*(?:sudo (?:-u \S+ )?)?(?:\S*/)?"
    r"((?:pikvani-(?:device|server|models|provision)|scripts/[a-z-]+)\b.*)"
)
"""A line of a block that speaks to one of the project's programs."""
PATIENCE_S = 240


def in_blocks(page: Page) -> Iterator[tuple[int, str]]:
    """Line and text of each command in the page's blocks; a backslash at the end joins the next line."""
    for block in page.blocks:
        if block.language not in ("", "sh", "bash", "console"):
            continue
        joined = "\n".join(block.lines).replace("\\\n", " ")
        for offset, line in enumerate(joined.split("\n")):
            for part in simple_commands(line.strip().removeprefix("$ ")):
                if found := SPEAKS.match(part):
                    yield block.line + 1 + offset, found[1]


def wrongs(page: Page) -> list[str]:
    found = []
    for whole, (line, text) in [(True, c) for c in in_blocks(page)] + [(False, c) for c in page.quoted()]:
        if "`" in text or text.count('"') % 2 or text.count("'") % 2:
            continue
        for words in spellings(text):
            try:
                if words and (words[0].rpartition("/")[2] in PROGRAMS or re.fullmatch(r"scripts/[a-z-]+", words[0])):
                    check(words, whole)
                elif not whole and knows(words) is False:
                    raise WrongCommandError(f"no program has `{' '.join(words)}`")
            except WrongCommandError as wrong:
                found.append(f"{page.path}:{line}: {wrong}")
    return found


def every(page: Page) -> object:
    return pytest.param(page, id=page.path)


@pytest.mark.parametrize("page", [every(page) for page in pages()])
def test_every_command_of_a_page_is_understood_by_its_program(page: Page) -> None:
    found = wrongs(page)
    assert not found, "\n".join(found)


def test_a_wrong_command_is_found_out() -> None:
    """The check itself can fail, and on what."""
    text = (
        "```sh\npikvani-device diagnose --kropp cotton leaf.jpg\npikvani-server rollout begin X\n"
        "pikvani-models validate\nscripts/demo --twice\npikvani-device run --part nothing\n"
        "pikvani-server users add asha --role admin    # fine\n```\n"
        "`ca burn`, `ca list`, `users add|forget asha`, `scripts/bench nothing`, `crop/condition`"
    )
    found = wrongs(parse("x.md", text))
    assert [f.partition(": ")[0] for f in found] == [*(f"x.md:{n}" for n in (2, 3, 4, 5, 6)), *("x.md:9",) * 3], found


def pages_to_run() -> list[object]:
    return [every(page) for page in pages() if any(block.runs for block in page.blocks)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder such as a reader may stand in: leaves (drawn), a series, places to plug something in; nothing else."""
    for seed, name in enumerate(("leaf.jpg", "another.jpg")):
        cv2.imwrite(str(tmp_path / name), draw_leaf(seed)[:, :, ::-1])
    rows = [f"{0.2 + 0.01 * (day % 3) + (0.5 if day > 60 else 0)}\n" for day in range(90)]
    (tmp_path / "series.csv").write_text("".join(rows))
    for plugged in ("stick", "card"):
        (tmp_path / "media" / plugged).mkdir(parents=True)
    (tmp_path / "passphrase").write_text("a passphrase only for this test\n")
    return tmp_path


@pytest.mark.parametrize("page", pages_to_run())
def test_blocks_marked_to_be_run_run_as_they_stand(page: Page, place: Path) -> None:
    """Given a new folder, each line in the order of the page succeeds. Only `/media/` becomes a folder of the test."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "PIKVANI_CA_PASSPHRASE_FILE": str(place / "passphrase"),
    }
    for block in (block for block in page.blocks if block.runs):
        script = "\n".join(block.lines).replace("/media/", f"{place}/media/").replace(".venv/bin/", "")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=place,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{page.path}:{block.line}\n{done.stdout}\n{done.stderr}"
