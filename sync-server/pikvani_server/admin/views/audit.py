"""The audit log, and whether its chain holds."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from pikvani_server.admin import words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.store import audit

blueprint = Blueprint("audit", __name__, url_prefix="/audit")
_MOST = 2**62


@blueprint.get("")
def page() -> ResponseReturnValue:
    """Entries, the newest first; `verify=1` reads the whole chain."""
    before = asked.number("before", _MOST, 1, _MOST)
    who, action, subject = asked.word("actor"), asked.word("action"), asked.word("subject")
    rows = audit.entries(store(), asked.rows("audit"), before, who, action, subject)
    table = Table(
        "audit",
        t("Audit log"),
        [
            Column("number", t("Number"), lambda r: r["number"], numeric=True),
            Column("at", t("When"), lambda r: r["at"], lambda r: words.moment(r["at"])),
            Column("actor", t("Who"), lambda r: r["actor"], heads=True),
            Column("action", t("Did"), lambda r: r["action"]),
            Column("subject", t("To"), lambda r: r["subject"]),
            Column("detail", t("Detail"), lambda r: r["detail"], lambda r: words.compact(r["detail"])),
            Column("seal", t("Seal"), lambda r: bytes(r["seal"]).hex(), lambda r: bytes(r["seal"]).hex()[:12]),
        ],
        rows,
        t("No entry fits."),
    )
    return shown(
        "audit.html",
        [table],
        wanted={"actor": who, "action": action, "subject": subject},
        head=audit.head(store()),
        verified=audit.verify(store()) if request.args.get("verify") else None,
        older=rows[-1]["number"] if len(rows) == asked.rows("audit") else None,
    )
