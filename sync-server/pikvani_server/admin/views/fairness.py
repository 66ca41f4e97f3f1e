"""Does it serve everyone alike: three measures by group, with intervals, and silence where there is too little."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast, get_args

from flask import Blueprint
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_server.admin import charts, words
from pikvani_server.admin.catalogue import LOCALES, t
from pikvani_server.admin.centre import now, store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.drift import queries
from pikvani_server.fairness import FOUR_FIFTHS, LEAST, Compared
from pikvani_server.review import results
from pikvani_server.review.results import Grouping

blueprint = Blueprint("fairness", __name__, url_prefix="/fairness")
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
_DAYS = ("90", "30", "365")
_TOLERATED = 0.10
_ORDER = ("unfair", "unclear", "fine", "too_few")
_TONES = {"fine": "answer", "unfair": "refuse", "unclear": "more", "too_few": "quiet"}


@blueprint.get("")
def page() -> ResponseReturnValue:
    """The audit of one way of grouping."""
    by, days = asked.choice("by", GROUPINGS), asked.choice("days", _DAYS)
    models = [row["model"] for row in queries.models(store())]
    model = asked.word("model", models)
    since = now() - timedelta(days=int(days))
    found = results.fairness_audit(store(), cast(Grouping, by), since, model or None)
    tables = [
        _table(
            "disparate_impact", t("Share that got an answer, against the best group"), by, found.disparate_impact, True
        ),
        _table("true_positive_rate", t("Diseases named rightly, against the best group"), by, found.true_positive_rate),
        _table("predictive_value", t("Answers that were right, against the best group"), by, found.predictive_value),
    ]
    return shown(
        "fairness.html", tables, by=by, groupings=GROUPINGS, days=days, spans=_DAYS, model=model, models=models,
        least=LEAST, tolerated=_TOLERATED, four_fifths=FOUR_FIFTHS,
        unfair=sum(c.says == "unfair" for group in vars(found).values() for c in group),
    )  # fmt: skip


def _table(name: str, caption: str, by: str, rows: list[Compared], ratio: bool = False) -> Table:
    span, limit = ((0.4, 1.6), FOUR_FIFTHS) if ratio else ((-0.5, 0.5), -_TOLERATED)

    def one(row: dict[str, Any]) -> Compared:
        found: Compared = row["compared"]
        return found

    def share(row: dict[str, Any]) -> str:
        c = one(row)
        if not c.share.cases:
            return words.DASH
        return f"{words.percent(c.share.value)} ({words.percent(c.low)}–{words.percent(c.high)})"

    def measure(row: dict[str, Any]) -> Any:
        c = one(row)
        if c.says == "too_few":
            return words.DASH
        if c.group == c.against:
            return t("the best")
        tone = {"fine": "c1", "unfair": "c4", "unclear": "c2"}[c.says]
        drawn = charts.interval(c.measure, c.measure_low, c.measure_high, limit, span, tone)
        return Markup("{}<span>{:.2f} ({:.2f} … {:.2f})</span>").format(drawn, c.measure, c.measure_low, c.measure_high)

    def says(row: dict[str, Any]) -> Markup:
        c = one(row)
        return Markup('<span class="tag {}">{}</span>').format(_TONES[c.says], words.label("says", c.says))

    ordered = sorted(rows, key=lambda c: (_ORDER.index(c.says), c.group))
    title = t("Ratio (interval)") if ratio else t("Difference (interval)")
    return Table(
        name,
        caption,
        [
            Column("group", words.label("group", by).capitalize(), lambda r: one(r).group,
                   lambda r: _named(by, one(r).group), heads=True),
            Column("cases", t("Cases"), lambda r: one(r).share.cases,
                   lambda r: words.number(one(r).share.cases), numeric=True),
            Column("share", t("Share (interval)"), lambda r: round(one(r).share.value, 5), share),
            Column("measure", title, lambda r: round(one(r).measure, 5), measure),
            Column("low", "", lambda r: round(one(r).measure_low, 5), only_csv=True),
            Column("high", "", lambda r: round(one(r).measure_high, 5), only_csv=True),
            Column("says", t("Says"), lambda r: one(r).says, says),
        ],
        [{"compared": c} for c in ordered if any(c.share.cases for c in rows)],
        t("Too few to say: no case has been labelled."),
    )  # fmt: skip


def _named(by: str, group: str) -> str:
    if by == "language":
        return LOCALES.get(group.split("-")[0], group)
    return words.place(group) if by == "district" else words.crop(group) if by == "crop" else group
