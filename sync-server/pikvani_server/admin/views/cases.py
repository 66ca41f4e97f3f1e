"""Cases over time and place."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_server.admin import charts, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import now, store
from pikvani_server.admin.charts import Series
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.fleet import case_queries, counts
from pikvani_server.fleet.case_queries import CaseFilter
from pikvani_server.store.port import Found

blueprint = Blueprint("cases", __name__, url_prefix="/cases")
DAYS = (30, 90, 365)
DECISIONS = ("answer", "more", "refuse")
_TONES = {"answer": "c1", "more": "c2", "refuse": "c3"}


@blueprint.get("")
def page() -> ResponseReturnValue:
    """Charts by day, condition and place, and the latest cases behind them."""
    span = int(asked.choice("days", [str(days) for days in DAYS]))
    wanted = CaseFilter(
        asked.word("district"), asked.word("crop"), asked.word("condition"),
        asked.word("decision", DECISIONS), asked.word("model"),
    )  # fmt: skip
    today = now().astimezone(counts.INDIA).date()
    names = days_of(today, span)
    before = _before()
    latest = case_queries.latest(store(), asked.rows("cases"), wanted, before)
    by_day = decision_series(case_queries.by_day(store(), names[0], wanted), names)
    conditions = _ranked("condition", t("Conditions"), case_queries.by_name(store(), "condition", names[0], wanted))
    districts = _ranked("district", t("Districts"), case_queries.by_name(store(), "district", names[0], wanted))
    crops = _ranked("crop", t("Crops"), case_queries.by_name(store(), "crop", names[0], wanted))
    return shown(
        "cases.html",
        [case_table("cases", t("Latest cases"), latest, live=before is None), conditions, districts, crops],
        chart=charts.stacked(t("Cases by day"), [words.day(name) for name in names], by_day),
        total=int(sum(value or 0 for series in by_day for value in series.values)),
        wanted=wanted,
        span=span,
        spans=DAYS,
        decisions=DECISIONS,
        names=case_queries.names(store(), names[0]),
        older=latest[-1]["received_at"].isoformat() if len(latest) == asked.rows("cases") else None,
        counted_at=counts.counted_at(store()),
    )


def days_of(today: date, span: int) -> list[str]:
    """The last days, ascending, today included."""
    return [(today - timedelta(days=back)).isoformat() for back in range(span - 1, -1, -1)]


def decision_series(rows: list[Found], names: list[str]) -> list[Series]:
    """Counts of `by_day` as series over the days."""
    found = {(row["day"], row["decision"]): row["cases"] for row in rows}
    return [
        Series(words.label("decision", d), [found.get((name, d), 0) for name in names], _TONES[d]) for d in DECISIONS
    ]


def case_table(name: str, caption: str, rows: list[Found], live: bool = False) -> Table:
    """Cases, the latest first."""
    from pikvani_server.admin.views.fleet import device_link

    return Table(
        name,
        caption,
        [
            Column("happened", t("When"), lambda r: r["happened_at"], _when),
            Column("device", t("Device"), lambda r: r["device_id"], lambda r: device_link(r["device_id"]), heads=True),
            Column("district", t("District"), lambda r: r["district"], lambda r: words.place(r["district"])),
            Column("crop", t("Crop"), lambda r: r["crop"], lambda r: words.crop(r["crop"])),
            Column("condition", t("Best guess"), lambda r: r["condition"], lambda r: words.condition(r["condition"])),
            Column("decision", t("Decision"), lambda r: r["decision"], _decision),
            Column("confidence", t("Confidence"), lambda r: r["confidence_e4"] / 10_000, _confidence, numeric=True),
            Column("model", t("Model"), lambda r: r["model"]),
            Column("received", t("At the centre"), lambda r: r["received_at"], lambda r: words.since(r["received_at"])),
        ],
        rows,
        t("No case yet."),
        live=live,
    )


def _when(row: Found) -> Markup:
    mark = "≤ " if row["time_quality"] == "bounded" else ""
    return Markup('<span title="{}">{}{}</span>').format(row["time_quality"], mark, words.moment(row["happened_at"]))


def _decision(row: Found) -> Markup:
    known = row["decision"] if row["decision"] in DECISIONS else ""
    tag = Markup('<span class="tag {}">{}</span>').format(known, words.label("decision", row["decision"]))
    return tag + (Markup(" <small>{}</small>").format(row["reason"].replace("_", " ")) if row["reason"] else "")


def _confidence(row: Found) -> Markup:
    share = row["confidence_e4"] / 10_000
    return Markup("{}{}").format(charts.meter(share), words.percent(share))


def _ranked(name: str, caption: str, rows: list[Found]) -> Table:
    """Counts by name, the most first, each with the share that was answered."""
    groups: dict[str, dict[str, Any]] = {}
    for row in rows:
        group = groups.setdefault(row[name], {"name": row[name], "cases": 0, "answer": 0})
        group["cases"] += row["cases"]
        group["answer"] += row["cases"] if row["decision"] == "answer" else 0
    found = sorted(groups.values(), key=lambda g: (-g["cases"], g["name"]))
    top = found[0]["cases"] if found else 1
    told = {"condition": words.condition, "district": words.place, "crop": words.crop}[name]

    def link(row: Found) -> Markup:
        query: dict[str, Any] = {**request.args.to_dict(), name: row["name"]}
        query.pop("before", None)
        return Markup('<a href="{}">{}</a>').format(url_for("cases.page", **query), told(row["name"]))

    return Table(
        f"by_{name}",
        caption,
        [
            Column(name, caption, lambda r: r["name"], link, heads=True),
            Column("cases", t("Cases"), lambda r: r["cases"],
                   lambda r: Markup("{}{}").format(charts.meter(r["cases"] / top), words.number(r["cases"])), True),
            Column("answered", t("Answered"), lambda r: round(r["answer"] / r["cases"], 4),
                   lambda r: words.percent(r["answer"] / r["cases"]), True),
        ],
        found[:200],
        t("Nothing is counted yet."),
    )  # fmt: skip


def _before() -> datetime | None:
    try:
        found = datetime.fromisoformat(request.args.get("before", ""))
    except ValueError:
        return None
    return found if found.tzinfo else None
