"""A module has one purpose: none is above 400 lines, and none import each other in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache

import pytest
from tests.docs.pages import ROOT, kept

MOST_LINES = 400
LONGER: dict[str, str] = {
    "tests/provision/test_image.py": "one specification of one card, with one bundle made once for all of it",
    "tests/server/repository/test_repository.py": "one ceremony told from its first key to its last rotation",
}
"""Modules above the bound, each with its reason. Product code has none."""
PACKAGES = {
    "pikvani_contract": "contract",
    "pikvani_device": "device",
    "pikvani_server": "sync-server",
    "pikvani_models": "models",
    "pikvani_provision": "provisioning",
}


@cache
def modules() -> dict[str, str]:
    """Every module of the product by its dotted name, with its path."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in kept():
            if path.startswith(f"{folder}/{package}/") and path.endswith(".py"):
                dotted = path.removeprefix(f"{folder}/").removesuffix(".py").replace("/", ".")
                found[dotted.removesuffix(".__init__")] = path
    return found


def statements(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that happen when a module is loaded: not those in functions, not those for types alone."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.dump(node.test):
                yield from statements(node.body)
            yield from statements(node.orelse)
        elif isinstance(node, ast.Try):
            yield from statements([*node.body, *node.orelse, *node.finalbody])
            for handler in node.handlers:
                yield from statements(handler.body)


def imported(source: str, known: frozenset[str]) -> set[str]:
    """Which known modules a source loads: the deepest that is named, so a package only where itself is meant."""
    found = set()
    for node in statements(ast.parse(source).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif node.module and not node.level:
            below = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in known else node.module for full in below.values()}
    return found & known


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Some circle of the graph, its first name again at the end; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, road: list[str]) -> list[str]:
        if name in road:
            return [*road[road.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := walk(other, [*road, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def test_no_module_is_above_four_hundred_lines_without_a_written_reason() -> None:
    long = {
        path: lines
        for path in kept()
        if path.endswith(".py") and (lines := len((ROOT / path).read_text().splitlines())) > MOST_LINES
    }
    assert not {path: lines for path, lines in long.items() if path not in LONGER}
    assert not set(LONGER) - set(long), "shorter again, or gone: its reason may go"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_of_a_package_import_each_other_in_a_circle(package: str) -> None:
    known = frozenset(name for name in modules() if name.partition(".")[0] == package)
    graph = {name: imported((ROOT / modules()[name]).read_text(), known) - {name} for name in known}
    assert sum(map(len, graph.values())) > len(known) // 2, "imports are no longer read: nothing is checked any more"
    assert not circle(graph), " -> ".join(circle(graph))


def test_a_circle_is_found_out() -> None:
    """The check itself can fail, and only on what is loaded with the module."""
    known = frozenset({"p.a", "p.b", "p.c"})
    a = imported("from p import b\n", known)
    b = imported("try:\n    import p.c\nexcept ImportError:\n    pass\n", known)
    lazy = imported("def f():\n    from p.a import x\nif TYPE_CHECKING:\n    import p.a\n", known)
    assert circle({"p.a": a, "p.b": b, "p.c": lazy}) == []
    assert circle({"p.a": a, "p.b": b, "p.c": imported("from p.a import x\n", known)}) == ["p.a", "p.b", "p.c", "p.a"]
