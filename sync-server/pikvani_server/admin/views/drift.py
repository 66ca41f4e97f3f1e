"""Drift: what is open, each district's latest week, and from an alarm down to crop, district, device and feature."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_contract.sketch import FEATURES
from pikvani_server.admin import charts, cookies, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import actor, now, store
from pikvani_server.admin.charts import Chart, Series
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.admin.views.fleet import device_link, drift_chart
from pikvani_server.drift import queries
from pikvani_server.drift.crops import crop_of
from pikvani_server.store import audit
from pikvani_server.store.joined import together
from pikvani_server.store.port import Found

blueprint = Blueprint("drift", __name__, url_prefix="/drift")
_SCOPES = ("all", "fleet", "district", "device", "crop")
_OPEN = ("open", "all")
_DRIFTED = ("data", "prediction", "both", "concept")


@blueprint.get("")
def page() -> ResponseReturnValue:
    """Alarms, districts, models."""
    scope, which = asked.choice("scope", _SCOPES), asked.choice("which", _OPEN)
    found = queries.alarms(store(), which == "open", queries.MOST_ALARMS, None if scope == "all" else scope)
    return shown(
        "drift.html",
        [_alarm_table(found), _verdict_table(queries.overview(store())), _model_table(queries.models(store()))],
        counts=queries.alarm_counts(store()),
        freshness=queries.sketch_freshness(store()),
        scope=scope,
        scopes=_SCOPES,
        which=which,
    )


@blueprint.get("/alarms/<int(max=2147483647):number>")
def alarm(number: int) -> ResponseReturnValue:
    """One alarm, from its weeks to who carries it."""
    row = queries.alarm(store(), number)
    if row is None:
        abort(404)
    weeks = row["verdicts"]
    ends = [week["window_end"] for week in weeks]
    end = asked.word("week", ends, row["last_window"] if row["last_window"] in ends else (ends[-1] if ends else ""))
    week = next((w for w in weeks if w["window_end"] == end), None)
    features = [f["name"] for f in week["details"].get("features", [])] if week else []
    feature = asked.word("feature", features, row["feature"] if row["feature"] in features else "")
    sketched = row["source"] == "sketch" and week is not None and feature
    parts = _parts(row, end, feature) if sketched else {}
    found = (
        queries.window_histograms(store(), row["model"], row["scope"], row["name"], end, feature) if sketched else {}
    )
    named = sketched and feature not in FEATURES
    return shown(
        "drift_alarm.html",
        [
            *([_feature_table(week, row, feature)] if week else []),
            *([_named_table(found, feature)] if named else []),
            *_part_tables(parts),
        ],
        alarm=row,
        ends=list(reversed(ends)),
        end=end,
        week=week,
        feature=feature,
        chart=drift_chart(weeks) if weeks else None,
        accuracy=_accuracy_chart(weeks),
        histogram=_histogram(found, feature) if sketched and not named else None,
        where=_where(row),
        most_in=words.moved(row["feature"], row["label"]),
        first_step=words.first_step(row["feature"]),
    )


@blueprint.post("/alarms/<int(max=2147483647):number>/acknowledge")
def acknowledge(number: int) -> ResponseReturnValue:
    """Somebody has seen it."""
    note = request.form.get("note", "").strip()[:400]
    with together(store(), "acknowledging a drift alarm") as (joined, connection):
        if not queries.acknowledge(joined, number, actor(), note, now()):
            abort(404)
        audit.append(connection, actor(), "drift.acknowledge", str(number), {"note": note}, now())
    cookies.say(t("Noted under your name."))
    return redirect(url_for("drift.alarm", number=number))


@blueprint.get("/models/<path:model>")
def model(model: str) -> ResponseReturnValue:
    """One model over time, in the fleet or one district."""
    known = {row["model"] for row in queries.models(store())}
    if model not in known:
        abort(404)
    district = asked.word("district")
    days = queries.daily(store(), model, "district" if district else "fleet", district)[-180:]
    names = [words.day(row["day"]) for row in days]
    weeks = queries.series(store(), "district" if district else "fleet", district, model)
    plain = ("confidence", "entropy", "sharpness", "brightness", "leaf_share")
    lines = [
        charts.lines(words.label("feature", f), names, [Series(t("mean"), [row[f] for row in days], "c1")], 1.0)
        for f in plain
    ]
    decided = [
        Series(words.label("decision", d), [row["decisions"].get(d, 0.0) for row in days], tone)
        for d, tone in (("answer", "c1"), ("more", "c2"), ("refuse", "c3"))
    ]
    daily = Table(
        "days",
        t("By day"),
        [
            Column("day", t("Day"), lambda r: r["day"], lambda r: words.day(r["day"]), heads=True),
            Column("cases", t("Cases"), lambda r: r["cases"], numeric=True),
            Column("devices", t("Devices"), lambda r: r["devices"], numeric=True),
            *[Column(name, words.label("feature", name), partial(_rounded, name), numeric=True) for name in plain],
        ],
        list(reversed(days)),
    )
    return shown(
        "drift_model.html",
        [daily],
        model=model,
        district=district,
        weeks=drift_chart(weeks) if weeks else None,
        accuracy=_accuracy_chart(weeks),
        decided=charts.lines(t("Decisions"), names, decided, 1.0, "percent"),
        lines=lines,
    )


def _parts(row: Found, end: str, feature: str) -> dict[str, list[Found]]:
    if row["scope"] == "device":
        return {"crops": queries.device_crops(store(), row["model"], end, row["name"])}
    district = row["name"] if row["scope"] == "district" else None
    return queries.drill_down(store(), row["model"], end, feature, district)


def _part_tables(parts: dict[str, list[Found]]) -> list[Table]:
    titles = {"crops": t("Crops that carry it"), "districts": t("Districts that carry it"),
              "devices": t("Devices that carry it")}  # fmt: skip
    return [_part_table(name, titles[name], found[:50]) for name, found in parts.items()]


def _part_table(name: str, caption: str, rows: list[Found]) -> Table:
    top = max([abs(row["weight"]) for row in rows], default=1.0) or 1.0

    def link(row: Found) -> Any:
        if name == "devices":
            return device_link(row["name"])
        if name == "districts":
            return Markup('<a href="{}">{}</a>').format(
                url_for("fleet.page", district=row["name"]), words.place(row["name"])
            )
        return words.crop(row["name"])

    return Table(
        name,
        caption,
        [
            Column("name", caption, lambda r: r["name"], link, heads=True),
            Column("cases", t("Cases"), lambda r: r["cases"], numeric=True),
            Column("weight", t("Part of the shift"), lambda r: round(r["weight"], 6),
                   lambda r: Markup("{}{:.3f}").format(charts.meter(max(0.0, r["weight"] / top)), r["weight"]), True),
        ],
        rows,
        t("Nobody stands out."),
    )  # fmt: skip


def _histogram(found: dict[str, Any], feature: str) -> Chart:
    names = [f"{edge:.2f}" for edge in found["bins"]]
    title = t("{feature}: this window and what it is compared with", feature=words.label("feature", feature))
    before = Series(t("compared with"), found["reference"], "c5")
    return charts.pair(title, names, before, Series(t("this window"), found["current"], "c1"))


def _named_table(found: dict[str, Any], feature: str) -> Table:
    """Shares by name, before and now, of conditions within their crop.

    Names are read better in a table than under bars.
    """
    whole = [crop_of(name) if feature == "classes" else "" for name in found["bins"]]
    counts = list(zip(whole, found["reference"], found["current"], strict=True))
    before = {one: sum(was for of, was, _ in counts if of == one) or 1 for one in whole}
    current = {one: sum(now_ for of, _, now_ in counts if of == one) or 1 for one in whole}
    rows = [
        {"name": name, "before": was / before[of], "now": now_ / current[of]}
        for name, (of, was, now_) in zip(found["bins"], counts, strict=True)
    ]
    top = max([max(row["before"], row["now"]) for row in rows], default=1.0) or 1.0

    def told(row: Found) -> str:
        named = {"classes": words.condition, "crops": words.crop}.get(feature)
        return named(row["name"]) if named else words.label("decision", row["name"])

    def bar(which: str, tone: str) -> Callable[[Found], Markup]:
        return lambda r: Markup("{}{}").format(charts.meter(r[which] / top, tone), words.percent(r[which], 1))

    return Table(
        "shares",
        words.label("feature", feature).capitalize(),
        [
            Column("name", t("Name"), lambda r: r["name"], told, heads=True),
            Column("before", t("compared with"), lambda r: round(r["before"], 5), bar("before", "c5"), numeric=True),
            Column("now", t("this window"), lambda r: round(r["now"], 5), bar("now", "c1"), numeric=True),
        ],
        sorted(rows, key=lambda r: -abs(r["now"] - r["before"])),
    )


def _accuracy_chart(weeks: list[Found]) -> Chart | None:
    told = [week["details"].get("accuracy") or {} for week in weeks]
    if not any(one.get("share") is not None for one in told):
        return None
    names = [words.day(week["window_end"]) for week in weeks]
    series = [
        Series(t("estimate"), [one.get("share") for one in told], "c1"),
        Series(t("from"), [one.get("low") if one.get("share") is not None else None for one in told], "c5"),
        Series(t("to"), [one.get("high") if one.get("share") is not None else None for one in told], "c5"),
    ]
    return charts.lines(t("Accuracy, estimated without labels"), names, series, 1.0, "percent")


def _where(row: Found) -> str:
    if row["scope"] == "fleet":
        return words.label("scope", "fleet")
    named = {"district": words.place, "crop": words.crop}.get(row["scope"], str)
    return f"{words.label('scope', row['scope'])} {named(row['name'])}"


def _alarm_table(rows: list[Found]) -> Table:
    def link(row: Found) -> Markup:
        return Markup('<a href="{}">{}</a>').format(url_for("drift.alarm", number=row["id"]), _where(row))

    def level(row: Found) -> Markup:
        tone = "refuse" if row["level"] == "alarm" else "more"
        return Markup('<span class="tag {}">{}</span>').format(tone, words.label("level", row["level"]))

    def district(row: Found) -> str:
        return words.place(row["district"]) if row["district"] else ""

    return Table(
        "alarms",
        t("Alarms and warnings"),
        [
            Column("level", t("Level"), lambda r: r["level"], level),
            Column("where", t("Where"), lambda r: f"{r['scope']} {r['name']}".strip(), link, heads=True),
            Column("district", t("District"), lambda r: r["district"] or "", district),
            Column("kind", t("What moved"), lambda r: r["kind"], lambda r: words.label("kind", r["kind"])),
            Column("feature", t("Most in"), lambda r: f"{r['feature']} {r['label']}".strip(),
                   lambda r: words.moved(r["feature"], r["label"])),
            Column("excess", t("Shift"), lambda r: round(r["excess"], 4), lambda r: f"{r['excess']:.2f}", numeric=True),
            Column("model", t("Model"), lambda r: r["model"]),
            Column("first_window", t("Since"), lambda r: r["first_window"], lambda r: words.day(r["first_window"])),
            Column("last_window", t("Until"), lambda r: r["last_window"],
                   lambda r: t("still open") if r["open"] else words.day(r["last_window"])),
            Column("seen_by", t("Seen by"), lambda r: r["acknowledged_by"]),
        ],
        rows,
        t("No drift is open."),
    )  # fmt: skip


def _verdict_table(rows: list[Found]) -> Table:
    def kind(row: Found) -> Markup:
        tone = "refuse" if row["kind"] in _DRIFTED else "quiet" if row["kind"] == "cannot_say" else "answer"
        return Markup('<span class="tag {}">{}</span>').format(tone, words.label("kind", row["kind"]))

    def accuracy(row: Found) -> str:
        found = row["details"].get("accuracy") or {}
        if found.get("share") is None:
            return words.label("why_silent", found.get("why", "too_few"))
        return f"{words.percent(found['share'])} ({words.percent(found['low'])}–{words.percent(found['high'])})"

    return Table(
        "districts",
        t("Districts, latest window"),
        [
            Column("district", t("District"), lambda r: r["name"], lambda r: words.place(r["name"]), heads=True),
            Column("model", t("Model"), lambda r: r["model"]),
            Column("window_end", t("Until"), lambda r: r["window_end"], lambda r: words.day(r["window_end"])),
            Column("verdict", t("Verdict"), lambda r: r["kind"], kind),
            Column("basis", t("Compared with"), lambda r: r["basis"], lambda r: words.label("basis", r["basis"])),
            Column("cases", t("Cases"), lambda r: r["cases"], numeric=True),
            Column("accuracy", t("Estimated accuracy"), lambda r: (r["details"].get("accuracy") or {}).get("share"),
                   accuracy),
        ],
        rows,
        t("No window has been judged yet."),
    )  # fmt: skip


def _model_table(rows: list[Found]) -> Table:
    def link(row: Found) -> Markup:
        return Markup('<a href="{}">{}</a>').format(url_for("drift.model", model=row["model"]), row["model"])

    return Table(
        "models",
        t("Models"),
        [
            Column("model", t("Model"), lambda r: r["model"], link, heads=True),
            Column("first_day", t("First day"), lambda r: r["first_day"], lambda r: words.day(r["first_day"])),
            Column("last_day", t("Last day"), lambda r: r["last_day"], lambda r: words.day(r["last_day"])),
            Column("cases", t("Cases"), lambda r: r["cases"], lambda r: words.number(r["cases"]), numeric=True),
        ],
        rows,
        t("No sketch has come in yet."),
    )


def _feature_table(week: Found, row: Found, chosen: str) -> Table:
    def link(part: Found) -> Markup:
        href = url_for("drift.alarm", number=row["id"], week=week["window_end"], feature=part["name"])
        here = Markup(' aria-current="true"') if part["name"] == chosen else ""
        return Markup('<a href="{}"{}>{}</a>').format(href, here, words.moved(part["name"], part.get("label", "")))

    return Table(
        "features",
        t("Features of this window"),
        [
            Column("feature", t("Feature"), lambda r: r["name"], link, heads=True),
            Column("shift", t("Shift"), lambda r: r.get("excess"), lambda r: f"{r.get('excess', 0):.3f}", True),
            Column("psi", "PSI", lambda r: r.get("psi"), lambda r: _three(r.get("psi")), True),
            Column("ks", "KS", lambda r: r.get("ks"), lambda r: _three(r.get("ks")), True),
            Column("p_value", "p", lambda r: r.get("p_value"), lambda r: _chance(r.get("p_value")), True),
            Column("drifted", t("Drifted"), lambda r: r["drifted"], lambda r: t("yes") if r["drifted"] else t("no")),
        ],
        week["details"].get("features", []),
    )


def _rounded(name: str, row: Found) -> float | None:
    return None if row[name] is None else round(row[name], 4)


def _three(value: float | None) -> str:
    return words.DASH if value is None else f"{value:.3f}"


def _chance(value: float | None) -> str:
    return "<0.001" if value is not None and value < 0.001 else _three(value)
