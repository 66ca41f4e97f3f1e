"""What arrived and could not be read."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from pikvani_server.admin import words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked

blueprint = Blueprint("dead_letters", __name__, url_prefix="/dead-letters")


@blueprint.get("")
def page() -> ResponseReturnValue:
    """The latest of them."""
    table = Table(
        "dead_letters",
        t("Dead letters"),
        [
            Column("last", t("Last"), lambda r: r["received_at"], lambda r: words.since(r["received_at"])),
            Column("times", t("Times"), lambda r: r["times"], numeric=True),
            Column("device", t("Device"), lambda r: r["device_id"] or r["topic"], heads=True),
            Column("outbox", t("Outbox"), lambda r: bytes(r["outbox"]).hex() if r["outbox"] else ""),
            Column("sequence", t("Number"), lambda r: r["seq"], numeric=True),
            Column("kind", t("Kind"), lambda r: r["kind"]),
            Column("reason", t("Reason"), lambda r: r["reason"]),
            Column("size_bytes", t("Size"), lambda r: r["size_bytes"], lambda r: words.size(r["size_bytes"]), True),
            Column("begins", t("Begins with"), lambda r: bytes(r["payload"])[:16].hex(" ")),
        ],
        store().dead_letters(asked.rows("dead_letters"), asked.word("device") or None),
        t("None. Good."),
        live=True,
    )
    return shown("dead_letters.html", [table], totals=store().totals())
