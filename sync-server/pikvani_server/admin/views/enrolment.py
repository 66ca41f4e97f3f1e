"""Devices' identities: cards that wait, who is enrolled, refusals, suspected copies; enter a batch, revoke, replace."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_contract.cards import read_batch
from pikvani_contract.errors import ContractError
from pikvani_server.admin import cookies, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import actor, now, store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.admin.views.fleet import device_link
from pikvani_server.enrolment import keeping, queries
from pikvani_server.errors import ServerError, StoreAwayError
from pikvani_server.store.port import Found

blueprint = Blueprint("enrolment", __name__, url_prefix="/devices")
MOST_BATCH_BYTES = 4 * 2**20
_STATES = ("enrolled", "revoked")


@blueprint.get("")
def page() -> ResponseReturnValue:
    """Everything at once; lists are short but the first."""
    state, district = asked.word("state", _STATES), asked.word("district")
    return shown(
        "enrolment.html",
        [
            _suspects(queries.suspected(store())),
            _identities(queries.devices(store(), asked.rows("identities"), state, district)),
            _pending(queries.pending(store(), now(), asked.rows("pending"))),
            _events(queries.events(store(), limit=asked.rows("events"))),
        ],
        counts=queries.counts(store(), now()),
        state=state,
        states=_STATES,
        district=district,
    )


@blueprint.post("")
def act() -> ResponseReturnValue:
    """Revoke, replace, move or clear one device."""
    form = request.form
    device, why = form.get("device", "").strip()[:64], form.get("why", "").strip()[:200]
    other, village = form.get("other", "").strip()[:64], form.get("village", "").strip()[:60]
    acts: dict[str, Callable[[], object]] = {
        "revoke": lambda: keeping.revoke(store(), device, why, actor(), now()),
        "replace": lambda: keeping.replace(store(), device, other, actor(), now()),
        "move": lambda: keeping.move(store(), device, village, form.get("district", "").strip()[:60], actor(), now()),
        "clear": lambda: keeping.clear(store(), device, why, actor(), now()),
    }
    what = form.get("do", "")
    if what not in acts or (what in ("revoke", "clear") and not why):
        cookies.say(t("Say why."), "bad")
        return redirect(url_for("enrolment.page"))
    return _tried(acts[what], t("Done: {name}.", name=device))


@blueprint.post("/batch")
def batch() -> ResponseReturnValue:
    """Enter the claims of a batch of cards, as `pikvani-provision claims make` wrote them."""
    sent = request.files.get("batch")
    try:
        found = read_batch(sent.read() if sent else b"", sent.filename or "" if sent else "")
    except ContractError as error:
        cookies.say(str(error), "bad")
        return redirect(url_for("enrolment.page"))
    return _tried(
        lambda: keeping.add_batch(store(), found, actor(), now()), t("The batch {name} is entered.", name=found.batch)
    )


def _tried(act: Callable[[], object], done: str) -> ResponseReturnValue:
    try:
        act()
    except StoreAwayError:
        raise
    except ServerError as error:
        cookies.say(str(error), "bad")
    else:
        cookies.say(done)
    return redirect(url_for("enrolment.page"))


def _where(row: Found) -> str:
    return ", ".join(part for part in (row["village"], words.place(row["district"])) if part)


def _identities(rows: list[Found]) -> Table:
    def state(row: Found) -> Markup:
        tone = "refuse" if row["state"] == "revoked" else "answer"
        return Markup('<span class="tag {}">{}</span>').format(tone, words.label("identity", row["state"]))

    return Table(
        "identities",
        t("Enrolled devices"),
        [
            Column("device", t("Device"), lambda r: r["device_id"], lambda r: device_link(r["device_id"]), heads=True),
            Column("place", t("Place"), _where),
            Column("state", t("State"), lambda r: r["state"], state),
            Column("batch", t("Batch"), lambda r: r["batch"]),
            Column("enrolled_at", t("Enrolled"), lambda r: r["enrolled_at"], lambda r: words.since(r["enrolled_at"])),
            Column("expires_at", t("Certificate ends"), lambda r: r["expires_at"],
                   lambda r: words.moment(r["expires_at"])),
            Column("replaces", t("Replaces"), lambda r: r["replaces"]),
            Column("reason", t("Revoked because"), lambda r: r["revoked_reason"]),
        ],
        rows,
        t("None yet."),
    )  # fmt: skip


def _suspects(rows: list[Found]) -> Table:
    return Table(
        "suspected",
        t("Suspected copies"),
        [
            Column("device", t("Device"), lambda r: r["device_id"], lambda r: device_link(r["device_id"]), heads=True),
            Column("place", t("Place"), _where),
            Column("since", t("Since"), lambda r: r["suspected_at"], lambda r: words.since(r["suspected_at"])),
            Column("why", t("Why"), lambda r: r["suspicion"]),
        ],
        rows,
        t("None. Good."),
    )


def _pending(rows: list[Found]) -> Table:
    return Table(
        "pending",
        t("Cards that have not enrolled"),
        [
            Column("device", t("Device"), lambda r: r["device_id"], heads=True),
            Column("place", t("Place"), _where),
            Column("batch", t("Batch"), lambda r: r["batch"]),
            Column("added_at", t("Entered"), lambda r: r["added_at"], lambda r: words.since(r["added_at"])),
            Column("expires_at", t("Good until"), lambda r: r["expires_at"],
                   lambda r: t("ended") if r["expired"] else words.moment(r["expires_at"])),
        ],
        rows,
        t("None."),
    )  # fmt: skip


def _events(rows: list[Found]) -> Table:
    return Table(
        "events",
        t("What happened"),
        [
            Column("last_at", t("When"), lambda r: r["last_at"], lambda r: words.since(r["last_at"])),
            Column("kind", t("What"), lambda r: r["kind"], lambda r: words.label("enrolment", r["kind"]), heads=True),
            Column("device", t("Device"), lambda r: r["device_id"]),
            Column("reason", t("Reason"), lambda r: r["reason"], lambda r: r["meaning"] or r["reason"]),
            Column("detail", t("Detail"), lambda r: r["detail"]),
            Column("times", t("Times"), lambda r: r["times"], numeric=True),
        ],
        rows,
        t("Nothing."),
    )
