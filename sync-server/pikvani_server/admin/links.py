"""Addresses and names that templates ask for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask import request

from pikvani_server.admin import words


def csv_query(table: str) -> str:
    """The present address's words, and that one table is wanted as CSV."""
    kept = {name: value for name, value in request.args.items() if name not in ("page", "before", "verify")}
    return urlencode({**kept, "format": "csv", "table": table})


def _with(name: str, value: Any) -> str:
    return f"{request.path}?{urlencode({**request.args.to_dict(), name: value})}"


NAMES: dict[str, Callable[..., str]] = {
    "csv_query": csv_query,
    "page_href": partial(_with, "page"),
    "older_href": partial(_with, "before"),
    "before_href": partial(_with, "before"),
    "place_name": words.place,
    "crop_name": words.crop,
    "condition_name": words.condition,
    **{
        f"{kind}_name": partial(words.label, kind)
        for kind in ("state", "trouble", "sort", "decision", "scope", "group", "rollout_device", "identity")
    },
}
