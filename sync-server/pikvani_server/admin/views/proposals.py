"""Training anew: what is proposed, why, and a person's decision."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from pikvani_server import propose
from pikvani_server.admin import cookies
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import actor, now, store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.errors import ServerError, StoreAwayError
from pikvani_server.store import audit
from pikvani_server.store.joined import together

blueprint = Blueprint("proposals", __name__, url_prefix="/proposals")


@blueprint.get("")
def page() -> ResponseReturnValue:
    """All of them, the newest first."""
    rows = propose.listed(store(), asked.rows("proposals"))
    table = Table(
        "proposals",
        t("Proposals"),
        [
            Column("number", t("Number"), lambda r: r["id"], numeric=True, heads=True),
            Column("model", t("Model"), lambda r: r["model"]),
            Column("state", t("State"), lambda r: r["state"]),
            Column("reasons", t("Reasons"), lambda r: "; ".join(r["reasons"])),
            Column("candidate", t("Candidate"), lambda r: r["candidate"]),
            Column("proposed_at", t("Proposed"), lambda r: r["proposed_at"]),
            Column("decided_by", t("Decided by"), lambda r: r["decided_by"]),
            Column("note", t("Note"), lambda r: r["decision_note"]),
        ],
        rows,
    )
    return shown("proposals.html", [table], proposals=rows)


@blueprint.post("/<int(max=2147483647):number>")
def decide(number: int) -> ResponseReturnValue:
    """Approve a candidate or decline a proposal."""
    approve, note = request.form.get("decision") == "approve", request.form.get("note", "").strip()[:400]
    try:
        with together(store(), "deciding a proposal") as (joined, connection):
            propose.decide(joined, number, approve, actor(), note, now())
            action = "proposal.approve" if approve else "proposal.decline"
            audit.append(connection, actor(), action, str(number), {"note": note}, now())
    except StoreAwayError:
        raise
    except ServerError as error:
        cookies.say(str(error), "bad")
    else:
        cookies.say(t("The decision is kept under your name."))
    return redirect(url_for("proposals.page"))
