"""The first page: does the fleet live, what does it see, where does the model go wrong, and what waits for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_server import propose
from pikvani_server.admin import charts, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import allowed, now, store
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views.cases import DAYS, case_table, days_of, decision_series
from pikvani_server.admin.views.fleet import tiles
from pikvani_server.drift import queries as drift
from pikvani_server.fleet import case_queries, counts, queries
from pikvani_server.jobs import Jobs
from pikvani_server.review import queue

blueprint = Blueprint("overview", __name__)
_LATEST = 12


@blueprint.get("/")
def page() -> ResponseReturnValue:
    """One look."""
    today = now().astimezone(counts.INDIA).date()
    names = days_of(today, DAYS[0])
    by_day = case_queries.by_day(store(), names[0])
    series = decision_series(by_day, names)
    week = [sum((s.values[-1 - back] or 0) for s in series) for back in range(7)]
    answered = sum((series[0].values[-1 - back] or 0) for back in range(7))
    districts = queries.by_district(store(), now())
    return shown(
        "overview.html",
        [case_table("latest", t("Latest cases"), case_queries.latest(store(), _LATEST), live=True)],
        fleet=queries.added_up(districts),
        week=int(sum(week)),
        answered=answered / sum(week) if sum(week) else None,
        spark=charts.spark([sum((s.values[i] or 0) for s in series) for i in range(len(names))]),
        drift=drift.alarm_counts(store()),
        review=queue.counts(store()),
        chart=charts.stacked(t("Cases by day"), [words.day(name) for name in names], series),
        tiles=tiles(districts, _drift_by_district(), "alarms"),
        looks=_needs_a_look(districts),
        counted_at=counts.counted_at(store()),
    )


def _drift_by_district() -> dict[str, int]:
    found: dict[str, int] = {}
    for row in drift.alarms(store(), limit=drift.MOST_ALARMS):
        name = row["name"] if row["scope"] == "district" else row["district"]
        if name and row["level"] == "alarm":
            found[name] = found.get(name, 0) + 1
    return found


def _needs_a_look(districts: list[dict[str, Any]]) -> list[tuple[str, Markup]]:
    """What a person should do something about, the gravest first: tone and words."""
    found: list[tuple[str, Markup]] = []

    def add(tone: str, href: str, text: str) -> None:
        found.append((tone, Markup('<a href="{}">{}</a>').format(href, text)))

    for row in drift.alarms(store(), limit=6):
        if row["acknowledged_at"] is None and row["level"] == "alarm":
            where = row["name"] or words.label("scope", "fleet")
            text = t("Drift in {where}: {kind}, {feature}", where=words.place(where),
                     kind=words.label("kind", row["kind"]),
                     feature=words.moved(row["feature"], row["label"]))  # fmt: skip
            add("bad", url_for("drift.alarm", number=row["id"]), text)
    for row in sorted(districts, key=lambda d: -d["silent"])[:3]:
        if row["silent"] >= 3 and row["silent"] >= 0.2 * row["devices"]:
            text = t("{silent} of {devices} devices in {district} are silent", silent=row["silent"],
                     devices=row["devices"], district=words.place(row["district"]))  # fmt: skip
            add("bad", url_for("fleet.page", district=row["district"], state="silent"), text)
    for row in queries.alarms_of(store(), limit=4):
        if now() - row["received_at"] < timedelta(days=2):
            text = t("{device} says {code}: {detail}", device=row["device_id"], code=row["code"], detail=row["detail"])
            add("warn", url_for("fleet.device", device_id=row["device_id"]), text)
    for row in propose.listed(store(), 5):
        if row["state"] == "built":
            text = t("A candidate for {model} awaits a decision", model=row["model"])
            add("warn", url_for("proposals.page"), text)
    if allowed("tend"):
        failed = sum(n for (_, state), n in Jobs(store()).counts().items() if state == "failed")
        if failed:
            add("warn", url_for("work.page"), t("{count} jobs of the standing work failed", count=failed))
    return found
