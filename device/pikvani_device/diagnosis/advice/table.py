"""The advice table: what may be told about a condition, to whom, in whose words. Nothing is told without a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pikvani_contract.advice.package import AdvicePackage, load_advice_package
from pikvani_contract.advice.rows import STAGES, Audience, Row, Stage
from pikvani_contract.advice.rules import may_be_told
from pikvani_device.diagnosis.advice import locale_words


@dataclass(frozen=True)
class Sentence:
    """One sentence of advice, as it is shown and said.

    Attributes:
        id: of its row; recordings are named by it.
        stage: when it is to be done.
        text: words and numbers in the language asked for.
        source: organisation and title.
        page: address of the source, or the page where it is on paper.
        date: of the source, as the language writes it; empty where the source gives none.
        reviewed: whether an agronomist has read it in this language.
        kind: what sort of advice it is: `cultural`, `chemical`, `referral` ...
    """

    id: str
    stage: Stage
    text: str
    source: str
    page: str
    date: str
    reviewed: bool
    kind: str = ""


@dataclass(frozen=True)
class Advice:
    """What may be told about a condition.

    Attributes:
        pair: `crop/condition`.
        locale: `mr-IN`, `hi-IN` or `en-IN`.
        sentences: by stage; empty where the table is silent: then only the referral is told.
        reviewed: whether an agronomist has read all of them.
    """

    pair: str
    locale: str
    sentences: tuple[Sentence, ...]
    reviewed: bool


class AdviceTable:
    """Looks up the sentences of an advice package.

    Args:
        package: read and verified.
    """

    def __init__(self, package: AdvicePackage) -> None:
        self.package = package
        self._rows: dict[str, list[Row]] = {}
        for row in sorted(package.rows, key=lambda row: STAGES.index(row.stage)):
            self._rows.setdefault(row.pair, []).append(row)

    @classmethod
    def load(cls, folder: Path) -> AdviceTable:
        """Read and verify the package in `folder`.

        Raises:
            AdviceFileError: it is missing, changed, or breaks a rule.
        """
        return cls(load_advice_package(folder))

    @property
    def pairs(self) -> tuple[str, ...]:
        """Conditions it knows, in alphabetical order."""
        return tuple(sorted(self._rows))

    def advice(
        self, pair: str, locale: str, today: date, region: str | None = None, audience: Audience = "farmer"
    ) -> Advice:
        """What may be told.

        Args:
            pair: `crop/condition`; one that is not in the table gets no sentence.
            locale: `mr-IN`, `hi-IN` or `en-IN`.
            today: rows that have expired by then are left out; a day before the package was built counts as that day.
            region: where the device stands, as rows name it; without one only rows that hold everywhere are told.
            audience: products and doses are for `technician`; `farmer` hears of them only from reviewed rows.
        """
        language = locale.partition("-")[0]
        today = max(today, self.package.manifest.created_on)
        told = [row for row in self._rows.get(pair, ()) if may_be_told(row, language, today, region, audience)]
        sentences = tuple(self._sentence(row, language) for row in told)
        return Advice(pair, locale, sentences, bool(told) and all(s.reviewed for s in sentences))

    def _sentence(self, row: Row, language: str) -> Sentence:
        source = self.package.sources[row.source]
        return Sentence(
            id=row.id,
            stage=row.stage,
            text=_text(row, language),
            source=f"{source.org}: {source.title}",
            page=source.url or source.page,
            date=locale_words.day(source.date, language),
            reviewed=row.is_reviewed(language),
            kind=row.kind,
        )


def _text(row: Row, language: str) -> str:
    words = locale_words.sentence(row.words(language), language)
    if not row.active_ingredient:
        return words
    product = " ".join(part for part in (row.active_ingredient, row.formulation) if part)
    parts = [words, f"{product}: {locale_words.dose(row.dose, language)}." if row.dose else f"{product}."]
    if row.kind == "chemical":
        parts.append(locale_words.waiting(row.waiting_days, language))
    return " ".join(parts)
