"""Consent and erasure: what is allowed, what was asked to be erased, and how far it was obeyed."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_contract.errors import ContractError
from pikvani_contract.topics import check_device_id
from pikvani_server.admin import cookies, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import actor, now, store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.admin.views.fleet import device_link
from pikvani_server.privacy import obeying, queries
from pikvani_server.store import audit
from pikvani_server.store.port import Found

blueprint = Blueprint("privacy", __name__, url_prefix="/privacy")
_CASE = re.compile(r"([0-9a-f]{16})-([1-9][0-9]{0,12})")


@blueprint.get("")
def page() -> ResponseReturnValue:
    """Numbers of consents, and tombstones."""
    table = Table(
        "erasures",
        t("Erasures"),
        [
            Column("received_at", t("Came"), lambda r: r["received_at"], lambda r: words.since(r["received_at"])),
            Column("device", t("Device"), lambda r: r["device_id"], lambda r: device_link(r["device_id"])),
            Column("case", t("Case"), lambda r: r["case"], heads=True),
            Column("what", t("What"), lambda r: "whole" if r["whole"] else "sent",
                   lambda r: words.label("erasure", "whole" if r["whole"] else "sent")),
            Column("asked_at", t("Asked at"), lambda r: r["asked_at"], lambda r: words.label("asked", r["asked_at"])),
            Column("removed", t("Rows deleted"), lambda r: r["removed"], numeric=True),
            Column("came_again", t("Kept away since"), lambda r: r["came_again"], numeric=True),
            Column("confirmed_at", t("Device"), lambda r: r["confirmed_at"], _done("confirmed_at")),
            Column("obeyed_at", t("Centre"), lambda r: r["obeyed_at"], _done("obeyed_at")),
        ],
        queries.listed(store(), asked.rows("erasures")),
        t("None yet."),
        live=True,
    )  # fmt: skip
    return shown("privacy.html", [table], counts=queries.counts(store()))


@blueprint.post("")
def erase() -> ResponseReturnValue:
    """Erase a case of a device, here and there."""
    device_id, case = request.form.get("device", "").strip(), request.form.get("case", "").strip().lower()
    found = _CASE.fullmatch(case)
    try:
        check_device_id(device_id)
    except ContractError as error:
        cookies.say(str(error), "bad")
        return redirect(url_for("privacy.page"))
    if found is None:
        cookies.say(t("A case is named by sixteen letters and digits, a hyphen and a number."), "bad")
        return redirect(url_for("privacy.page"))
    whole = request.form.get("what") != "sent"
    with store().writing("erasing a case") as connection:
        obeying.ask(store(), device_id, bytes.fromhex(found[1]), int(found[2]), whole, connection, now())
        audit.append(connection, actor(), "privacy.erase", f"{device_id}/{case}", {"whole": whole}, now())
    cookies.say(t("Erased here; {name} is told to erase it too.", name=device_id))
    return redirect(url_for("privacy.page"))


def _done(column: str) -> Callable[[Found], Markup]:
    def show(row: Found) -> Markup:
        tone, word = ("answer", words.since(row[column])) if row[column] else ("more", words.label("erasure", "waits"))
        return Markup('<span class="tag {}">{}</span>').format(tone, word)

    return show
