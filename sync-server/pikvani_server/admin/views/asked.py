"""Reads what a page was asked for: plain words of the address, held to what is known."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from flask import request

from pikvani_server.admin.centre import centre
from pikvani_server.admin.tables import MOST_CSV_ROWS, wants_csv

_MOST_PAGES = 100_000


def word(name: str, known: Collection[str] | None = None, default: str = "") -> str:
    """A word of the address; the default for one that is not known."""
    found = "".join(char for char in request.args.get(name, "") if char.isprintable()).strip()[:100]
    return default if not found or (known is not None and found not in known) else found


def choice(name: str, known: Sequence[str]) -> str:
    """One of some words, the first where none is given."""
    return word(name, known, known[0])


def number(name: str, default: int, least: int, most: int) -> int:
    """A number, held between two."""
    try:
        return min(most, max(least, int(request.args.get(name, default))))
    except ValueError:
        return default


def page_number() -> int:
    """Which page, from 1."""
    return 1 if wants_csv() else number("page", 1, 1, _MOST_PAGES)


def rows(table: str) -> int:
    """How many rows of a table to read: a page's, or all of them where it is the one wanted as CSV."""
    wanted = wants_csv() and request.args.get("table", table) == table
    return MOST_CSV_ROWS if wanted else centre().web.page_rows
