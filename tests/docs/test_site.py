"""The site holds every page of docs/, for each kind of reader, and builds strictly where its tools are."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.docs.pages import ROOT, kept

NAV = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n", 1)[1]
NAMED = re.findall(r": (\S+\.md)$", NAV, re.MULTILINE)
"""Addresses of the navigation, in order; `from/` stands for the root of the project."""


def test_each_page_of_the_navigation_is_there_once() -> None:
    lost = [a for a in NAMED if (a.removeprefix("from/") if a.startswith("from/") else f"docs/{a}") not in kept()]
    assert not lost
    assert len(NAMED) == len(set(NAMED)) > 15


def test_each_page_of_docs_has_its_place_in_the_navigation() -> None:
    assert {p.removeprefix("docs/") for p in kept() if p.startswith("docs/") and p.endswith(".md")} <= set(NAMED)


@pytest.mark.skipif(not (ROOT / ".venv-docs/bin/mkdocs").is_file(), reason="run scripts/docs once: it fetches MkDocs")
def test_the_site_builds_strictly_and_asks_no_other_host() -> None:
    done = subprocess.run(["scripts/docs"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (ROOT / "build/docs/index.html").is_file()
