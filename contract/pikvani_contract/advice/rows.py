"""The lines of the advice tables, read from CSV with a header. A cell that does not fit is named by file and line."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from pikvani_contract.errors import ContractError

MAX_TABLE_BYTES = 4_000_000
MAX_ROWS = 20_000
LANGUAGES = ("mr", "hi", "en")
"""Languages every sentence has, the first part of the locale."""

Stage = Literal["today", "this_week", "avoid", "next_season", "about"]
STAGES: tuple[Stage, ...] = ("today", "this_week", "avoid", "next_season", "about")
"""Stages of advice, in the order they are told."""

Kind = Literal[
    "cause",
    "symptom",
    "lookalike",
    "season",
    "spread",
    "urgency",
    "cultural",
    "biological",
    "chemical",
    "warning",
    "referral",
]
Audience = Literal["farmer", "technician"]
Confidence = Literal["high", "medium", "low"]

Pair = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}/[a-z_]{1,60}$")]
RowId = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,60}(\.[a-z0-9_]{1,60}){1,4}$")]
SourceId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,80}$")]
Words = Annotated[str, Meta(min_length=1, max_length=400)]
Digests = Annotated[str, Meta(pattern=r"^[0-9a-f]{12}( [0-9a-f]{12})*$")]
PartialDate = Annotated[str, Meta(pattern=r"^([0-9]{4}(-(0[1-9]|1[0-2])(-[0-3][0-9])?)?)?$")]


class AdviceFileError(ContractError):
    """An advice table or package cannot be used; the message says which file and line, what, and what to do."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all lines: a line has exactly these cells."""


class Source(Line, frozen=True, kw_only=True):
    """Who said it, where.

    Attributes:
        id: how rows name it.
        org: organisation.
        title: of the page or document.
        url: address of the page; empty where it stands on paper.
        page: where in it; must be given where there is no address.
        date: of the page, as far as it is known: `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or nothing.
    """

    id: SourceId
    org: Annotated[str, Meta(min_length=2, max_length=200)]
    title: Annotated[str, Meta(min_length=2, max_length=300)]
    url: Annotated[str, Meta(pattern=r"^(https?://[^\s]{4,600})?$")] = ""
    page: Annotated[str, Meta(max_length=120)] = ""
    date: PartialDate = ""


class Row(Line, frozen=True, kw_only=True):
    """One sentence of advice in all languages, with what it rests on.

    Attributes:
        id: stays for as long as the sentence means the same; recordings are named by it.
        pair: `crop/condition` it is about.
        stage: when it is to be done.
        kind: what sort of advice it is.
        audience: `technician` keeps it from farmers.
        en: English words; numbers in braces, `{7}` or `{7-10}`, are written in the digits of the language.
        hi: Hindi words.
        mr: Marathi words.
        active_ingredient: of a product; empty where none is named.
        formulation: of the product.
        dose: as the source writes it, in English; units become words of the language when it is told.
        waiting_days: days between the last spray and the harvest; empty where the source gives none.
        source: `Source.id`.
        evidence: the facts it was written from: `digest_of` each, separated by blanks.
        confidence: in the evidence; the weakest where there are several.
        valid_until: last day it may be told; None for no end.
        region: where it holds; empty for everywhere.
        reviewer: agronomist who read it; empty while nobody did.
        reviewed_on: day of the review.
        reviewed_languages: languages whose words were read in it, such as `mr en`.
        withdrawn: day it was taken back. A withdrawn row is told to nobody, whatever the clock says.
    """

    id: RowId
    pair: Pair
    stage: Stage
    kind: Kind
    audience: Audience
    en: Words
    hi: Words
    mr: Words
    active_ingredient: Annotated[str, Meta(max_length=120)] = ""
    formulation: Annotated[str, Meta(max_length=60)] = ""
    dose: Annotated[str, Meta(max_length=160)] = ""
    waiting_days: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    source: SourceId
    evidence: Digests
    confidence: Confidence
    valid_until: date | None = None
    region: Annotated[str, Meta(pattern=r"^[a-z_-]{0,40}$")] = ""
    reviewer: Annotated[str, Meta(max_length=120)] = ""
    reviewed_on: date | None = None
    reviewed_languages: Annotated[str, Meta(pattern=r"^((mr|hi|en)( (mr|hi|en))*)?$")] = ""
    withdrawn: date | None = None

    def words(self, language: str) -> str:
        """The sentence in `mr`, `hi` or `en`, numbers still in braces."""
        return {"mr": self.mr, "hi": self.hi, "en": self.en}[language]

    def is_reviewed(self, language: str) -> bool:
        """Whether an agronomist has read it in this language."""
        return self.reviewed_on is not None and language in self.reviewed_languages.split()


class SymptomRow(Line, frozen=True, kw_only=True):
    """How often a condition shows one thing, in the words farmers use.

    Attributes:
        pair: `crop/condition`.
        term: id of the farmers' word: `sym_...`, `col_...` or `part_...`.
        likelihood: share of plants with the condition of which a farmer would say so; an estimate from the words of the
            source, never 0 nor 1.
        source: `Source.id`.
        evidence: the facts it was read from, as in `Row`.
        confidence: in the evidence.
        reviewer: agronomist who read it; empty while nobody did.
        reviewed_on: day of the review.
    """

    pair: Pair
    term: Annotated[str, Meta(pattern=r"^(sym|col|part)_[a-z0-9_]{1,40}$")]
    likelihood: Annotated[float, Meta(gt=0.0, lt=1.0)]
    source: SourceId
    evidence: Digests
    confidence: Confidence
    reviewer: Annotated[str, Meta(max_length=120)] = ""
    reviewed_on: date | None = None


L = TypeVar("L", bound=Line)
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters and those that turn the direction of text; the joiners Devanagari needs are not among them."""


def digest_of(pair: str, field: str, fact: str, active_ingredient: str, dose: str) -> str:
    """The name of one fact of the evidence: 12 hexadecimal digits that change when the fact does."""
    return hashlib.sha256("|".join((pair, field, fact, active_ingredient, dose)).encode()).hexdigest()[:12]


def read_table(data: bytes, line_type: type[L], name: str) -> list[L]:
    """Read a CSV table.

    Args:
        data: UTF-8, a header that names every cell, one line a row. An empty cell is left out.
        line_type: what its lines are.
        name: of the file, for errors.

    Raises:
        AdviceFileError: it is no such table; file, line and cell are named.
    """
    if len(data) > MAX_TABLE_BYTES:
        raise AdviceFileError(f"{name} has {len(data)} bytes, more than {MAX_TABLE_BYTES}: not an advice table")
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        expected = list(line_type.__struct_fields__)
        if list(reader.fieldnames or ()) != expected:
            raise AdviceFileError(f"{name}: the first line must be {','.join(expected)}")
        lines: list[L] = []
        for cells in reader:
            lines.append(_line(cells, line_type, f"{name} line {reader.line_num}"))
            if len(lines) > MAX_ROWS:
                raise AdviceFileError(f"{name} has more than {MAX_ROWS} rows: not an advice table")
    except (csv.Error, UnicodeDecodeError) as error:
        raise AdviceFileError(f"{name} is no CSV table in UTF-8: {error}; save it again as such") from error
    return lines


def _line(cells: dict[str | Any, Any], line_type: type[L], where: str) -> L:
    if None in cells or None in cells.values():
        raise AdviceFileError(f"{where}: not as many cells as the first line names; quote cells that hold a comma")
    given = {name: value.strip() for name, value in cells.items() if value.strip()}
    if hidden := [name for name, value in given.items() if _HIDDEN.search(value)]:
        raise AdviceFileError(f"{where}: control characters in {hidden[0]}; type the cell again")
    try:
        return msgspec.convert(given, line_type, strict=False)
    except msgspec.ValidationError as error:
        raise AdviceFileError(f"{where}: {error}; mend the cell") from error


def write_table(lines: list[L], line_type: type[L]) -> bytes:
    """The table as `read_table` reads it: the same bytes from the same lines."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(line_type.__struct_fields__)
    for line in lines:
        cells = msgspec.to_builtins(line)
        writer.writerow(["" if cells[name] is None else cells[name] for name in line_type.__struct_fields__])
    return text.getvalue().encode()
