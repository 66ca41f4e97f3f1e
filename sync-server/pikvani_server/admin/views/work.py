"""The standing work: what runs, what failed."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_server.admin import words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.jobs import Jobs
from pikvani_server.store.port import Found

blueprint = Blueprint("work", __name__, url_prefix="/work")
_TONES = {"done": "answer", "failed": "refuse", "claimed": "more"}


@blueprint.get("")
def page() -> ResponseReturnValue:
    """The latest jobs."""

    def state(row: Found) -> Markup:
        tone = _TONES.get(row["state"], "quiet")
        return Markup('<span class="tag {}">{}</span>').format(tone, words.label("job", row["state"]))

    jobs = Jobs(store())
    table = Table(
        "jobs",
        t("Latest jobs"),
        [
            Column("number", t("Number"), lambda r: r["id"], numeric=True),
            Column("kind", t("Kind"), lambda r: r["kind"], heads=True),
            Column("subject", t("Subject"), lambda r: r["subject"]),
            Column("state", t("State"), lambda r: r["state"], state),
            Column("attempts", t("Tries"), lambda r: r["attempts"], numeric=True),
            Column("run_at", t("Due"), lambda r: r["run_at"], lambda r: words.since(r["run_at"])),
            Column("finished_at", t("Ended"), lambda r: r["finished_at"], lambda r: words.since(r["finished_at"])),
            Column("worker", t("Worker"), lambda r: r["claimed_by"]),
            Column("error", t("Error"), lambda r: r["error"]),
        ],
        jobs.latest(asked.rows("jobs")),
        t("Nothing has run yet."),
        live=True,
    )
    return shown("work.html", [table], counts=sorted(jobs.counts().items()))
