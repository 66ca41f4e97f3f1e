"""A table once, for the page and for CSV. CSV is safe to open: no cell can be a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Response, abort, render_template, request
from markupsafe import Markup, escape

from pikvani_server.admin.centre import now
from pikvani_server.store.port import Found

MOST_CSV_ROWS = 100_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: in CSV.
        title: on the page, in the language of who asks.
        value: the plain value of a row.
        show: what the page shows instead; text is escaped, `Markup` is not.
        numeric: stands to the right.
        heads: names the row: read out with every cell.
        only_csv: the page tells it another way.
    """

    name: str
    title: str
    value: Callable[[Found], Any]
    show: Callable[[Found], Any] | None = None
    numeric: bool = False
    heads: bool = False
    only_csv: bool = False

    def cell(self, row: Found) -> Markup:
        """As HTML."""
        found = self.show(row) if self.show else self.value(row)
        return escape("–" if found is None or found == "" else found)


@dataclass(frozen=True)
class Table:
    """Rows under columns; `caption` says what it is, `empty` what is said of no rows."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Found]
    empty: str = ""
    live: bool = False
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> list[Column]:
        """The columns of the page."""
        return [column for column in self.columns if not column.only_csv]

    def csv(self) -> str:
        """RFC 4180, with a byte order mark so that spreadsheets read Devanagari."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([column.name for column in self.columns])
        for row in self.rows[:MOST_CSV_ROWS]:
            writer.writerow([plain(column.value(row)) for column in self.columns])
        return "\ufeff" + out.getvalue()


def plain(value: Any) -> Any:
    """A cell of CSV. Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, bytes | memoryview):
        value = bytes(value).hex()
    elif isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = str(value).replace("\x00", "")
    return "'" + text if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA[:4]) else text


def wants_csv() -> bool:
    """Whether this request asks for CSV; views then read more rows."""
    return request.args.get("format") == "csv"


def page(template: str, tables: Sequence[Table] = (), **context: Any) -> Response | str:
    """The page, or one of its tables as CSV where `?format=csv&table=NAME` asks for it."""
    by_name = {table.name: table for table in tables}
    if not wants_csv():
        return render_template(template, tables=by_name, **context)
    wanted = request.args.get("table") or next(iter(by_name), "")
    if wanted not in by_name:
        abort(404)
    stamp = now().strftime("%Y%m%dT%H%M")
    answer = Response(by_name[wanted].csv(), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="pikvani-{wanted}-{stamp}.csv"'
    return answer
