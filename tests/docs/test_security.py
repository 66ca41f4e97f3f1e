"""The security page: each test it names exists, each provision has its row, and each row a test or an open word."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROVISIONS = {"5.1": 5, "5.2": 3, "5.3": 16, "5.4": 4, "5.5": 8, "5.6": 9, "5.7": 2, "5.8": 3, "5.9": 3, "5.10": 1}
PROVISIONS |= {"5.11": 4, "5.12": 3, "5.13": 1}
"""EN 303 645 V2.1.1: how many provisions each clause has. Clause 6 has 6.1 to 6.5."""


@cache
def held_by(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    return frozenset(n.name for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.FunctionDef))


def rows(begin: str, end: str = "\n## ") -> list[list[str]]:
    part = PAGE.split(begin, 1)[1].split(end, 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_test_the_page_names_exists() -> None:
    lost = [f"{path}::{name}" for path, name in NAMED.findall(PAGE) if name not in held_by(path)]
    assert not lost, "named in docs/security.md and not there:\n" + "\n".join(lost)
    assert len(NAMED.findall(PAGE)) > 60, "the form of names has changed: nothing is checked any more"


def test_every_provision_has_one_row() -> None:
    wanted = [f"{clause}-{n}" for clause, count in PROVISIONS.items() for n in range(1, count + 1)]
    assert [row[0] for row in rows("## ETSI")] == [*wanted, *(f"6.{n}" for n in range(1, 6))]


@pytest.mark.parametrize("begin", ["## Who, what", "## ETSI"])
def test_every_row_names_a_test_or_says_it_is_open(begin: str) -> None:
    silent = [
        row[0] for row in rows(begin) if not (NAMED.search(row[-1]) or "open" in " ".join(row) or row[1][:3] == "n/a")
    ]
    assert not silent
