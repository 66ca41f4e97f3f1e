"""The fleet: a map of districts, a table fit for ten thousand devices, and one device."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_contract import topics
from pikvani_contract.errors import ContractError
from pikvani_server.admin import charts, cookies, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import actor, now, store
from pikvani_server.admin.districts import OTHER_NAMES, TILES, shade
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.admin.views.cases import case_table
from pikvani_server.drift import queries as drift
from pikvani_server.fleet import case_queries, queries
from pikvani_server.fleet.queries import SORTS, TROUBLES, DeviceFilter
from pikvani_server.store import audit
from pikvani_server.store.joined import together
from pikvani_server.store.port import Found

blueprint = Blueprint("fleet", __name__, url_prefix="/fleet")
MAPS = ("devices", "silent", "queue", "budget", "clock")
_STATES = ("online", "offline", "silent")


@dataclass(frozen=True)
class Tile:
    """A district on the map: what it says, how dark, and where it leads."""

    name: str
    row: int
    column: int
    value: int
    devices: int
    shade: int
    href: str


@blueprint.get("")
def page() -> ResponseReturnValue:
    """The map and the table."""
    wanted = DeviceFilter(
        asked.word("district"), asked.word("state", _STATES), asked.word("trouble", TROUBLES),
        asked.word("app"), asked.word("model"), asked.word("text"),
    )  # fmt: skip
    sort, number, metric = asked.choice("sort", SORTS), asked.page_number(), asked.choice("map", MAPS)
    limit = asked.rows("devices")
    rows, total = queries.page(store(), wanted, now(), sort, limit, (number - 1) * limit)  # type: ignore[arg-type]
    districts, versions = queries.by_district(store(), now()), queries.versions(store())
    return shown(
        "fleet.html",
        [device_table(rows)],
        summary=queries.added_up(districts),
        tiles=tiles(districts, {}, metric),
        metric=metric,
        maps=MAPS,
        wanted=wanted,
        sort=sort,
        sorts=SORTS,
        states=_STATES,
        troubles=TROUBLES,
        districts=[row["district"] for row in districts],
        apps=versions["app"],
        models=versions["model"],
        total=total,
        number=number,
        pages=max(1, -(-total // limit)),
    )


@blueprint.get("/<device_id>")
def device(device_id: str) -> ResponseReturnValue:
    """One device."""
    row = queries.device(store(), _known(device_id), now())
    if row is None:
        abort(404)
    weeks = drift.series(store(), "device", device_id, row["model"], weeks=26) if row["model"] else []
    return shown(
        "device.html",
        [
            case_table("cases", t("Latest cases"), case_queries.latest(store(), asked.rows("cases"), device=device_id)),
            _alarm_table(queries.alarms_of(store(), device_id)),
            _outbox_table(queries.streams_of(store(), device_id)),
        ],
        device=row,
        lanes=json.loads(row["lanes"]),
        alarms=[a for a in drift.alarms(store(), False, 200, "device") if a["name"] == device_id],
        weeks=drift_chart(weeks) if weeks else None,
    )


@blueprint.post("/<device_id>/place")
def place(device_id: str) -> ResponseReturnValue:
    """Say where a device stands."""
    _known(device_id)
    district, taluka = request.form.get("district", "").strip()[:60], request.form.get("taluka", "").strip()[:60]
    kind = request.form.get("kind", "").strip()[:40]
    with together(store(), "placing a device") as (joined, connection):
        where = {"district": OTHER_NAMES.get(district, district), "taluka": taluka, "kind": kind}
        queries.set_place(connection, joined.insert, device_id, where, now())
        audit.append(connection, actor(), "device.place", device_id, where, now())
    cookies.say(t("The place is kept."))
    return redirect(url_for("fleet.device", device_id=device_id))


def tiles(districts: list[Found], extra: dict[str, int], metric: str) -> list[Tile]:
    """The map; districts that are none of Maharashtra's come below it."""
    by_name: dict[str, dict[str, int]] = {}
    for row in districts:
        name = str(OTHER_NAMES.get(row["district"], row["district"]))
        into: dict[str, Any] = by_name.setdefault(name, {"devices": 0, "alarms": 0})
        for key, value in row.items():
            if key != "district":
                into[key] = into.get(key, 0) + value
        into["alarms"] += extra.get(row["district"], 0)
    top = max([row.get(metric, 0) for row in by_name.values()], default=0)
    known = {tile.name: (tile.row, tile.column) for tile in TILES}
    others = sorted(set(by_name) - set(known))
    spots = list(known.items()) + [(name, (6 + i // 11, i % 11)) for i, name in enumerate(others[:22])]
    return [
        Tile(
            name, *spot, value := by_name.get(name, {}).get(metric, 0), by_name.get(name, {}).get("devices", 0),
            shade(value, top), url_for("fleet.page", district=name, map=None if metric == "alarms" else metric),
        )
        for name, spot in spots
    ]  # fmt: skip


def device_table(rows: list[Found]) -> Table:
    """Devices of a page."""
    return Table(
        "devices",
        t("Devices"),
        [
            Column("device", t("Device"), lambda r: r["id"], lambda r: device_link(r["id"]), heads=True),
            Column("state", t("State"), lambda r: r["state"], lambda r: state_mark(r["state"])),
            Column("last_seen", t("Last seen"), lambda r: r["last_seen_at"], lambda r: words.since(r["last_seen_at"])),
            Column("district", t("District"), lambda r: r["district"], lambda r: words.place(r["district"])),
            Column("waiting_records", t("Waiting"), lambda r: r["queue_records"], _waiting, numeric=True),
            Column("shed_records", t("Shed"), lambda r: r["shed_records"], _shed, numeric=True),
            Column("shed_bytes", "", lambda r: r["shed_bytes"], only_csv=True),
            Column("budget_used", t("Data budget"), lambda r: r["budget_share"], _budget, numeric=True),
            Column("app", t("Software"), lambda r: r["app"]),
            Column("model", t("Model"), lambda r: r["model"]),
            Column("clock", t("Clock"), lambda r: r["clock"], _clock),
        ],
        rows,
        t("No device fits."),
        live=True,
    )


def device_link(device_id: str) -> Markup:
    """A device's name that leads to it."""
    return Markup('<a href="{}">{}</a>').format(url_for("fleet.device", device_id=device_id), device_id)


def state_mark(state: str) -> Markup:
    """A dot and a word."""
    return Markup('<span class="mark {}">{}</span>').format(state, words.label("state", state))


def drift_chart(weeks: list[Found]) -> charts.Chart:
    """The largest excess of each week."""
    values = [max([f["excess"] for f in week["details"].get("features", [])], default=None) for week in weeks]
    names = [words.day(week["window_end"]) for week in weeks]
    values = [None if v is None else max(0.0, v) for v in values]
    series = [charts.Series(t("largest shift"), values, "c1")]
    return charts.lines(t("Shift by week"), names, series, limit=0.25)


def _known(device_id: str) -> str:
    try:
        return topics.check_device_id(device_id)
    except ContractError:
        abort(404)


def _waiting(row: Found) -> Markup:
    tone = " warn" if row["queue_records"] > queries.LONG_QUEUE else ""
    return Markup('<span class="fact{}">{}</span> <small>{}</small>').format(
        tone, words.number(row["queue_records"]), words.size(row["queue_bytes"])
    )


def _shed(row: Found) -> Markup | str:
    if not row["shed_records"]:
        return "0"
    return Markup('<span class="warn">{}</span> <small>{}</small>').format(
        words.number(row["shed_records"]), words.size(row["shed_bytes"])
    )


def _budget(row: Found) -> Any:
    share = row["budget_share"]
    if share is None:
        return None
    tone = "c4" if share >= queries.NEAR_BUDGET else "c1"
    return Markup("{}{}").format(charts.meter(share, tone), words.percent(share))


def _clock(row: Found) -> Markup:
    tone = "warn" if row["clock"] == "untrusted" else ""
    return Markup('<span class="{}">{}</span>').format(tone, words.label("clock", row["clock"]))


def _alarm_table(rows: list[Found]) -> Table:
    return Table(
        "alarms",
        t("What the device reported"),
        [
            Column("happened", t("When"), lambda r: r["happened_at"], lambda r: words.since(r["happened_at"])),
            Column("code", t("What"), lambda r: r["code"], heads=True),
            Column("detail", t("Detail"), lambda r: r["detail"]),
            Column("value", t("Value"), lambda r: r["value"], numeric=True),
        ],
        rows,
        t("Nothing. Good."),
    )


def _outbox_table(rows: list[Found]) -> Table:
    return Table(
        "outboxes",
        t("Outboxes"),
        [
            Column("outbox", t("Outbox"), lambda r: bytes(r["outbox"]).hex(), heads=True),
            Column("highest", t("Highest number"), lambda r: r["highest"], numeric=True),
            Column("shed", t("Shed"), lambda r: r["shed"], numeric=True),
            Column("opened", t("Opened"), lambda r: r["opened_at"], lambda r: words.since(r["opened_at"])),
            Column("updated", t("Last used"), lambda r: r["updated_at"], lambda r: words.since(r["updated_at"])),
        ],
        rows,
        t("None yet."),
    )
