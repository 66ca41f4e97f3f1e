"""What may stand in the advice tables, and who may be told which row. Pure rules; wrong doses do harm.

Rows that no agronomist has read are told if they name no product. A product is told to technicians, and to farmers only
once a reviewed row says so. What is banned, or may be, is in no row at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

from pikvani_contract.advice.rows import LANGUAGES, Audience, Row, Source, SymptomRow

NUMBER = re.compile(r"\{([0-9]+(?:\.[0-9]+)?)(?:-([0-9]+(?:\.[0-9]+)?))?\}")
"""A number, or a range of two, as sentences carry it."""

NEVER = re.compile(
    r"streptomycin|tetracycline|alachlor|aldicarb|aldrin|benomyl|captafol|carbaryl|carbofuran|chlordane|diazinon|"
    r"dichlorvos|dicofol|dieldrin|dimethoate|dinocap|endosulfan|endrin|fenarimol|fenthion|heptachlor|lindane|linuron|"
    r"malathion|methomyl|methoxy ?ethyl|methyl parathion|monocrotophos|organomercur|paraquat|phorate|phosphamidon|"
    r"thiometon|toxaphene|triazophos|trichlorfon|tridemorph|trifluralin|"
    r"स्ट्रेप्टोमाय?सिन|टेट्रासाय?क्लिन|मोनोक्रोटोफॉस|मैलाथियान|मॅलेथिऑन|डायकोफॉल|कार्बोफ्युरान",
    re.IGNORECASE,
)
"""Banned or restricted in India, or of unclear standing: in no row, not even as a warning by name."""

_LATIN = re.compile(r"[A-Za-z]")
_DIGIT = re.compile(r"[0-9०-९]")
_SENTENCE_END = (".", "?", "!", "।")
MAX_FARMER_WORDS = 24
"""A sentence said aloud, in words: longer ones are not kept in mind."""


def may_be_told(row: Row, language: str, today: date, region: str | None, audience: Audience) -> bool:
    """Whether a row may be told to this audience, in this language, on this day, at this place."""
    if row.withdrawn is not None or NEVER.search(_all_text(row)):
        return False
    if row.valid_until is not None and today > row.valid_until:
        return False
    if row.region and row.region != region:
        return False
    if row.pair.endswith("/healthy") and _names_a_product(row):
        return False
    if audience == "technician":
        return True
    if row.audience != "farmer" or row.confidence == "low":
        return False
    return not _names_a_product(row) or row.is_reviewed(language)


def wrong_rows(rows: Sequence[Row], sources: Iterable[Source]) -> list[str]:
    """What breaks a rule, one line each with the id of its row; nothing if all is well."""
    known = {source.id: source for source in sources}
    wrong = [f"{name}: this id is on {count} rows" for name, count in Counter(r.id for r in rows).items() if count > 1]
    for row in rows:
        wrong += [f"{row.id}: {why}" for why in [*_wrong_source(row, known), *_wrong_words(row), *_wrong_review(row)]]
        wrong += [f"{row.id}: {why}" for why in _wrong_product(row)]
    return wrong


def wrong_symptoms(rows: Sequence[SymptomRow], sources: Iterable[Source]) -> list[str]:
    """What breaks a rule in the table of symptoms; nothing if all is well."""
    known = {source.id for source in sources}
    counted = Counter((row.pair, row.term) for row in rows)
    wrong = [f"{pair} {term}: stands there {count} times" for (pair, term), count in counted.items() if count > 1]
    wrong += [f"{row.pair} {row.term}: source {row.source} is not listed" for row in rows if row.source not in known]
    return wrong


def _names_a_product(row: Row) -> bool:
    return row.kind == "chemical" or bool(row.active_ingredient or row.dose) or row.waiting_days is not None


def _all_text(row: Row) -> str:
    return " ".join((row.en, row.hi, row.mr, row.active_ingredient, row.formulation, row.dose))


def _wrong_source(row: Row, known: dict[str, Source]) -> list[str]:
    source = known.get(row.source)
    if source is None:
        return [f"source {row.source} is not listed"]
    if row.kind == "chemical" and not source.date:
        return ["a product needs a source with a date"]
    return []


def _wrong_words(row: Row) -> list[str]:
    wrong = []
    numbers = {language: sorted(NUMBER.findall(row.words(language))) for language in LANGUAGES}
    if len({str(found) for found in numbers.values()}) > 1:
        wrong.append(f"the languages hold different numbers: {numbers}")
    for language in LANGUAGES:
        words = row.words(language)
        bare = NUMBER.sub("", words)
        if _DIGIT.search(bare) or "{" in bare or "}" in bare:
            wrong.append(f"{language}: a number must stand in braces, such as {{7}} or {{7-10}}")
        if language != "en" and _LATIN.search(bare):
            wrong.append(f"{language}: Latin letters")
        if not words.endswith(_SENTENCE_END):
            wrong.append(f"{language}: a sentence must end")
        if row.audience == "farmer" and len(words.split()) > MAX_FARMER_WORDS:
            wrong.append(f"{language}: {len(words.split())} words, more than the {MAX_FARMER_WORDS} one keeps in mind")
    return wrong


def _wrong_review(row: Row) -> list[str]:
    given = (bool(row.reviewer), row.reviewed_on is not None, bool(row.reviewed_languages))
    if len(set(given)) > 1:
        return ["a review has reviewer, reviewed_on and reviewed_languages, or none of them"]
    return []


def _wrong_product(row: Row) -> list[str]:
    wrong = []
    if (banned := NEVER.search(_all_text(row))) is not None:
        wrong.append(f"{banned.group()} may not be named")
    if not _names_a_product(row):
        return wrong
    if row.pair.endswith("/healthy"):
        wrong.append("a healthy plant gets no product")
    if row.kind not in ("chemical", "biological"):
        wrong.append(f"a product or dose in a row of kind {row.kind}")
    if not row.active_ingredient:
        wrong.append("a dose or waiting period without an active ingredient")
    if row.kind == "chemical" and row.valid_until is None:
        wrong.append("a product needs a last day it may be told")
    if row.audience == "farmer" and (row.reviewed_on is None or row.confidence == "low"):
        wrong.append("a product is for technicians until a review, and while its confidence is low")
    return wrong
