"""Every sentence of the device's pages, in Marathi, Hindi and English. No page has words of its own.

The sentences lie in `translations/*.po`, by ids that sound files go by as well. A sentence that is missing in a
language is an error a test finds, not a fallback a farmer sees. Numbers and dates are written by CLDR.
"""

from __future__ import annotations

import datetime
from functools import cache
from importlib import resources

from babel import Locale
from babel.dates import format_date
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LOCALES = {"mr-IN": "मराठी", "hi-IN": "हिन्दी", "en-IN": "English"}
"""Languages of the pages, by the name each has in itself."""


@cache
def strings(locale: str) -> dict[str, str]:
    """All sentences of a language by their ids."""
    name = locale.replace("-", "_")
    with resources.files("pikvani_device.web").joinpath(f"translations/{name}.po").open("rb") as file:
        catalogue = read_po(file, locale=name, abort_invalid=True)
    return {str(message.id): str(message.string) for message in catalogue if message.id}


def say(name: str, locale: str, **values: object) -> str:
    """One sentence in one language.

    Args:
        name: an id of the catalogue.
        locale: `mr-IN`, `hi-IN` or `en-IN`.
        **values: what its `{...}` stand for; numbers are written as the language does.
    """
    said = {key: number(value, locale) if isinstance(value, int | float) else value for key, value in values.items()}
    return strings(locale)[name].format(**said)


def number(value: float, locale: str) -> str:
    """A number as the language writes it."""
    return format_decimal(value, locale=_cldr(locale))


def date(day: datetime.date, locale: str) -> str:
    """A day as the language writes it."""
    return format_date(day, "long", locale=_cldr(locale))


@cache
def _cldr(locale: str) -> Locale:
    return Locale.parse(locale, sep="-")
