"""Roll-outs: where each stands, step by step, whom it reached and how they are; pause, resume, abort."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_server.admin import charts, cookies, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import actor, now, store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.admin.views.fleet import device_link
from pikvani_server.rollout import acting, queries
from pikvani_server.rollout.plan import RolloutError
from pikvani_server.store.port import Found

blueprint = Blueprint("rollouts", __name__, url_prefix="/rollouts")
_TONES = {"running": "answer", "paused": "more", "halted": "refuse", "aborted": "refuse", "done": "quiet"}
_DEVICE_TONES = {
    "committed": "answer", "watching": "more", "ordered": "quiet", "timed_out": "quiet", "back": "quiet",
    "failed": "refuse", "rolled_back": "refuse", "recalled": "more",
}  # fmt: skip


@blueprint.get("")
def page() -> ResponseReturnValue:
    """All of them, the newest first."""
    rows = queries.overview(store(), asked.rows("rollouts"))

    def link(row: Found) -> Markup:
        name = f"{row['package']}@{row['version']}"
        return Markup('<a href="{}">{}</a>').format(url_for("rollouts.one", number=row["id"]), name)

    table = Table(
        "rollouts",
        t("Roll-outs"),
        [
            Column("number", t("Number"), lambda r: r["id"], numeric=True),
            Column("package", t("Package"), lambda r: f"{r['package']}@{r['version']}", link, heads=True),
            Column("state", t("State"), lambda r: r["state"], _state),
            Column("step", t("Step"), lambda r: r["step"], lambda r: r["step_name"]),
            Column("exposed", t("Reached"), lambda r: r["exposed"], lambda r: words.number(r["exposed"]), numeric=True),
            Column("committed", t("Kept it"), lambda r: r["states"]["committed"], _kept, numeric=True),
            Column("gone_back", t("Went back"), _bad, numeric=True),
            Column("silent", t("Silent"), lambda r: r["silent"], numeric=True),
            Column("started_by", t("Started by"), lambda r: r["started_by"]),
            Column("started_at", t("Started"), lambda r: r["started_at"], lambda r: words.since(r["started_at"])),
            Column("reason", t("Why it stands there"), lambda r: r["reason"]),
        ],
        rows,
        t("None yet."),
        live=True,
    )
    return shown("rollouts.html", [table])


@blueprint.get("/<int(max=2147483647):number>")
def one(number: int) -> ResponseReturnValue:
    """One roll-out."""
    try:
        found = queries.one(store(), number)
    except RolloutError:
        abort(404)
    state = asked.word("state", queries.STATES)
    return shown(
        "rollout.html",
        [
            _steps_table(found),
            _devices_table(queries.devices(store(), number, state, asked.rows("devices"))),
            _acts_table(found["acts"]),
        ],
        rollout=found,
        tone=_TONES.get(found["state"], "quiet"),
        states=queries.STATES,
        state=state,
        acts=_possible(found["state"]),
    )


@blueprint.post("/<int(max=2147483647):number>")
def act(number: int) -> ResponseReturnValue:
    """Pause, resume or abort; the act and its entry in the audit log are one."""
    what, why = request.form.get("do", ""), request.form.get("why", "").strip()[:400]
    if not why:
        cookies.say(t("Say why."), "bad")
        return redirect(url_for("rollouts.one", number=number))
    try:
        if what == "abort":
            recalled = acting.abort(store(), number, actor(), why, now())
            cookies.say(t("Aborted; {count} devices are ordered back.", count=recalled))
        elif what in ("pause", "resume"):
            {"pause": acting.pause, "resume": acting.resume}[what](store(), number, actor(), why, now())
            cookies.say(t("Done: {name}.", name=words.label("rollout_act", what)))
        else:
            abort(400)
    except RolloutError as error:
        cookies.say(str(error), "bad")
    return redirect(url_for("rollouts.one", number=number))


def _possible(state: str) -> list[str]:
    return {"running": ["pause", "abort"], "paused": ["resume", "abort"], "done": ["abort"]}.get(state, [])


def _state(row: Found) -> Markup:
    tone = _TONES.get(row["state"], "quiet")
    return Markup('<span class="tag {}">{}</span>').format(tone, words.label("rollout", row["state"]))


def _kept(row: Found) -> Markup:
    kept = row["states"]["committed"]
    return Markup("{}{}").format(charts.meter(kept / max(1, row["exposed"])), words.number(kept))


def _bad(row: Found) -> int:
    return int(row["states"]["rolled_back"] + row["states"]["failed"])


def _steps_table(found: dict[str, Any]) -> Table:
    def number(state: str) -> Any:
        return lambda r: r["states"].get(state, 0)

    return Table(
        "steps",
        t("Steps"),
        [
            Column("step", t("Step"), lambda r: r["step"], lambda r: r["name"], heads=True),
            Column("here", t("Now"), lambda r: r["step"] == found["step"],
                   lambda r: t("here") if r["step"] == found["step"] else ""),
            *[
                Column(state, words.label("rollout_device", state), number(state), numeric=True)
                for state in queries.STATES
            ],
        ],
        found["steps"],
    )  # fmt: skip


def _devices_table(rows: list[Found]) -> Table:
    def state(row: Found) -> Markup:
        tone = _DEVICE_TONES.get(row["state"], "quiet")
        return Markup('<span class="tag {}">{}</span>').format(tone, words.label("rollout_device", row["state"]))

    return Table(
        "devices",
        t("Devices"),
        [
            Column("device", t("Device"), lambda r: r["device_id"], lambda r: device_link(r["device_id"]), heads=True),
            Column("step", t("Step"), lambda r: r["step"], numeric=True),
            Column("state", t("State"), lambda r: r["state"], state),
            Column("ordered_at", t("Ordered"), lambda r: r["ordered_at"], lambda r: words.since(r["ordered_at"])),
            Column("reported_at", t("Reported"), lambda r: r["reported_at"], lambda r: words.since(r["reported_at"])),
            Column("detail", t("Detail"), lambda r: r["detail"]),
        ],
        rows,
        t("No device fits."),
        live=True,
    )


def _told(row: Found) -> str:
    """Of an entry's detail what a person reads; the plan stands above."""
    detail = json.loads(row["detail"])
    return words.compact({name: value for name, value in detail.items() if name not in ("plan", "sha256")})


def _acts_table(rows: list[Found]) -> Table:
    return Table(
        "acts",
        t("What was done to it"),
        [
            Column("at", t("When"), lambda r: r["at"], lambda r: words.moment(r["at"])),
            Column("actor", t("Who"), lambda r: r["actor"], heads=True),
            Column("action", t("Did"), lambda r: r["action"]),
            Column("detail", t("Detail"), lambda r: r["detail"], _told),
        ],
        rows,
        t("Nothing."),
    )
