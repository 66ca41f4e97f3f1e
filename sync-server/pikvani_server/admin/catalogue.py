"""The pages' words in three languages. English is the message itself; Hindi and Marathi are in `translations/*.po`.

A test fails where a sentence is missing, so the fall-back to English is only ever seen while one is being written.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from flask import g, has_request_context

LOCALES = {"en": "English", "hi": "हिन्दी", "mr": "मराठी"}
"""Languages by the name each has in itself."""
DEFAULT = "en"


def N_(text: str) -> str:  # noqa: N802 - the field's own name for it
    """Mark a text that is translated later, where it is shown."""
    return text


def t(text: str, /, **values: object) -> str:
    """A text in the language of who asks.

    Args:
        text: in English, a literal: the test that looks for missing ones reads the source.
        **values: what its `{...}` stand for.
    """
    said = translated(text, locale_name())
    return said.format(**values) if values else said


def translated(text: str, locale: str) -> str:
    """A text in one language."""
    if locale == DEFAULT:
        return text
    message = catalogue(locale).get(text)
    return str(message.string) if message and message.string else text


def locale_name() -> str:
    """`en`, `hi` or `mr`."""
    found: str = g.get("locale", DEFAULT) if has_request_context() else DEFAULT
    return found


def locale() -> Locale:
    """For numbers and dates: as in India."""
    return _locale(locale_name())


@cache
def _locale(name: str) -> Locale:
    return Locale(name, "IN")


@cache
def catalogue(name: str) -> Catalog:
    """The texts of one language."""
    file = resources.files("pikvani_server.admin") / "translations" / f"{name}.po"
    with file.open("rb") as stream:
        return read_po(stream, locale=name)
