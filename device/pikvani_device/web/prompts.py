"""Every sentence the pages can say aloud, by the id its recording goes by."""

from __future__ import annotations

from collections.abc import Iterator

from pikvani_device.diagnosis.advice import referral
from pikvani_device.web.catalogue import strings
from pikvani_device.web.desk import Desk

_DECISIONS = ("answer", "more", "refuse")


def prompts(locale: str) -> Iterator[tuple[str, str]]:
    """Ids and words of all sentences of the pages in one language; those of advice come with the advice."""
    for name, text in strings(locale).items():
        if "{" not in text and not name.startswith("service."):
            yield name, text
    for decision in _DECISIONS:
        yield f"referral.{decision}", referral(decision, locale)


def words_of(desk: Desk, locale: str, prompt: str) -> str | None:
    """The words of one id: of the catalogue, a referral, or a sentence of the advice this visit was given."""
    text = strings(locale).get(prompt)
    if text is not None:
        return text if "{" not in text else None
    kind, _, rest = prompt.partition(".")
    if kind == "referral" and rest in _DECISIONS:
        return referral(rest, locale)
    visit = desk.visit()
    if visit is None or visit.given is None:
        return None
    from pikvani_device.web.advising import advice_for

    told = advice_for(desk, visit.given.diagnosis, locale)
    return next((sentence.text for sentence in told.sentences if sentence.id == prompt), None) if told else None
