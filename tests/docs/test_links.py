"""Every link and picture of every page is there, and so is every file a page names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest
from tests.docs.pages import ROOT, Page, folders, kept, pages, parse

NAMED = re.compile(r"^(?:[\w.-]+/)*[\w.-]+\.(?:py|md|toml|txt|csv|yml|yaml|service|timer|html|po|css|js|svg|ipynb)$")
"""A quoted word that names a file."""
PLACE = re.compile(r"^(?:[\w.*-]+/)+[\w.*-]*$")
"""A quoted word that names a file or folder, or some by a pattern."""
ELSEWHERE = frozenset({"centre.toml", "device.toml", "site.toml", "series.csv", "labels.csv", "models/runs/mlflow.db"})
"""Files a page tells its reader to write, or a program writes, which the project does not hold."""


def named_paths(page: Page) -> Iterator[tuple[int, str]]:
    """Paths of the project that a page names: below a folder of the root, or a source file or page by its name."""
    tops = {name.partition("/")[0] for name in kept()} | {name.partition("/")[2].partition("/")[0] for name in kept()}
    for line, word in page.quoted():
        if word in ELSEWHERE or word.startswith(("/", ".venv", "~", "http")):
            continue
        first = word.partition("/")[0]
        if (PLACE.match(word) and first in tops) or (NAMED.match(word) and word.endswith((".py", ".md"))):
            yield line, word


def stands(page: Page, word: str) -> bool:
    """Whether what is named is there: from the root, from the page's folder, or below a package of the same row."""
    wanted = word.rstrip("/")
    if wanted in kept() or wanted in folders():
        return True
    if "*" in wanted:
        return any(fnmatch(name, wanted) or fnmatch(name, f"*/{wanted}") for name in kept())
    near = page.folder.relative_to(ROOT).as_posix()
    beside = f"{near}/{wanted}"
    if beside in kept() or beside in folders() or f"{beside}.service" in kept():
        return True
    # The end of a path, such as `photo.py` or `adapters/camera_v4l2.py`, must stand somewhere.
    return any(name.endswith(f"/{wanted}") for name in kept() | folders())


def every(page: Page) -> object:
    return pytest.param(page, id=page.path)


@pytest.mark.parametrize("page", [every(page) for page in pages()])
def test_every_relative_link_of_a_page_leads_somewhere(page: Page) -> None:
    lost = []
    for line, target in page.links():
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.folder / file).resolve() if file else ROOT / page.path
        name = there.relative_to(ROOT).as_posix() if there.is_relative_to(ROOT) else ""
        if name not in kept() and name not in folders():
            lost.append(f"{page.path}:{line}: {target} is not there")
        elif anchor and anchor not in {a for other in pages() if other.path == name for a in other.anchors()}:
            lost.append(f"{page.path}:{line}: {name} has no heading #{anchor}")
    assert not lost, "\n".join(lost)


@pytest.mark.parametrize("page", [every(page) for page in pages()])
def test_every_file_that_a_page_names_is_there(page: Page) -> None:
    lost = [f"{page.path}:{line}: `{word}`" for line, word in named_paths(page) if not stands(page, word)]
    assert not lost, "named, and nowhere to be found:\n" + "\n".join(lost)


def test_a_page_that_names_what_is_not_there_is_found_out() -> None:
    """The checks themselves can fail: a lost link, a lost file, a link in a block, which is none."""
    page = parse("docs/x.md", "See [this](nowhere.md), `tests/no_such.py`.\n\n```sh\ncat [a](b.md)\n```\n")
    assert [target for _, target in page.links()] == ["nowhere.md"]
    assert [word for _, word in named_paths(page)] == ["tests/no_such.py"]
    assert not stands(page, "tests/no_such.py")
    assert stands(page, "adr/0004-updates.md"), "from the page's own folder"
    assert stands(page, "device/pikvani_device/")
