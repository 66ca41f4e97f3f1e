"""Review: a picture, a label, the next picture. What the model said is shown only after the label is given."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_server.admin import charts, cookies, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import actor, now, store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views import asked
from pikvani_server.drift import queries
from pikvani_server.fleet import case_queries
from pikvani_server.review import queue, results
from pikvani_server.review.agreement import UNUSABLE
from pikvani_server.review.queue import CaseKey, ReviewError
from pikvani_server.store.port import Found
from pikvani_server.store.schema_learning import review_items

blueprint = Blueprint("review", __name__, url_prefix="/review")
_KNOWN_FOR = timedelta(days=400)
_JPEG, _OGG = b"\xff\xd8\xff", b"OggS"


@blueprint.get("")
def page() -> ResponseReturnValue:
    """The next case for who asks."""
    return _shown(queue.next_item(store(), actor(), now()))


@blueprint.get("/disputed")
def disputed() -> ResponseReturnValue:
    """Cases two people disagree on, for a third."""
    found = [
        item
        for item in queue.disputed(store(), 200)
        if all(label["labeller"] != actor() for label in item["labels_given"])
    ]
    return _shown(found[0] if found else None, referee=True)


@blueprint.post("/label")
def give() -> ResponseReturnValue:
    """Keep a label and hand out the next case."""
    form = request.form
    referee = form.get("referee") == "1"
    key = _key(form.get("device", ""), form.get("outbox", ""), form.get("seq", ""))
    condition = form.get("condition", "") or _written(form.get("other", ""), queue.crop_of(store(), key))
    back = url_for("review.disputed" if referee else "review.page")
    if form.get("skip"):
        return redirect(back)
    if not condition:
        asked = t("Choose a condition first.")
        if form.get("other", "").strip():
            asked = t("Write the name in Latin letters, with the crop before it: “Cotton: new spots”.")
        cookies.say(asked, "bad")
        return redirect(back)
    try:
        state = queue.give_label(
            store(),
            key,
            actor(),
            condition,
            now(),
            form.get("unsure") is None,
            form.get("note", "").strip()[:400],
            referee,
        )
    except ReviewError as error:
        cookies.say(str(error), "bad")
        return redirect(back)
    text = t(
        "Kept: {label}. The case is {state}.", label=words.condition(condition), state=words.label("review", state)
    )
    guess = store().read("reading a case", sa.select(review_items.c.condition).where(key.of(review_items)))
    if guess:
        text += " " + t("The model said {guess}.", guess=words.condition(guess[0]["condition"]))
    cookies.say(text)
    return redirect(back)


@blueprint.get("/photo/<device_id>/<outbox>/<seq>.jpg")
def photo(device_id: str, outbox: str, seq: str) -> ResponseReturnValue:
    """The consented thumbnail of a queued case."""
    found = queue.thumbnail(store(), _key(device_id, outbox, seq))
    if found is None or not found.startswith(_JPEG):
        abort(404)
    return Response(found, content_type="image/jpeg")


@blueprint.get("/voice/<device_id>/<outbox>/<seq>.ogg")
def voice(device_id: str, outbox: str, seq: str) -> ResponseReturnValue:
    """The consented voice note of a queued case."""
    found = queue.voice_note(store(), _key(device_id, outbox, seq))
    if found is None or not found.startswith(_OGG):
        abort(404)
    return Response(found, content_type="audio/ogg")


@blueprint.get("/results", endpoint="results")
def results_page() -> ResponseReturnValue:
    """Accuracy by crop, as labels tell it."""
    models = [row["model"] for row in queries.models(store())]
    model = asked.word("model", models, models[0] if models else "")
    rows = [vars(row) for row in results.accuracy_by_crop(store(), model)] if model else []

    def share(row: Found) -> Any:
        if row["share"] is None:
            return words.label("says", "too_few")
        drawn = charts.interval(row["share"], row["low"], row["high"], 0.0, (0.0, 1.0), "c1")
        low, high = words.percent(row["low"]), words.percent(row["high"])
        return Markup("{}<span>{} ({}–{})</span>").format(drawn, words.percent(row["share"]), low, high)

    table = Table(
        "accuracy",
        t("Accuracy of the best guess, as if all cases had been labelled"),
        [
            Column("crop", t("Crop"), lambda r: r["crop"],
                   lambda r: words.crop(r["crop"]) if r["crop"] else t("all crops"), heads=True),
            Column("labelled", t("Labelled cases"), lambda r: r["labelled"], numeric=True),
            Column("share", t("Accuracy (interval)"), lambda r: r["share"], share),
            Column("low", "", lambda r: r["low"], only_csv=True),
            Column("high", "", lambda r: r["high"], only_csv=True),
        ],
        rows,
        t("No label yet."),
    )  # fmt: skip
    return shown(
        "review_results.html", [table], model=model, models=models, counts=queue.counts(store()),
        people=results.people(store()),
    )  # fmt: skip


def _shown(item: Found | None, referee: bool = False) -> ResponseReturnValue:
    """The page of one case; a referee sees the labels that others gave."""
    return shown(
        "review.html",
        [],
        item=item,
        photo=_photo_href(item) if item else "",
        voice=_voice_href(item) if item else "",
        groups=_choices(item["crop"] if item else ""),
        unusable=UNUSABLE,
        counts=queue.counts(store()),
        people=results.people(store()),
        referee=referee,
        given=item["labels_given"] if item and referee else [],
    )


def _written(text: str, crop: str) -> str:
    """A condition that somebody wrote because no list has it: `New blight` of cotton is `cotton/new_blight`.

    Empty where the farmer picked no crop and nobody wrote one, as in `Cotton: new blight`.
    """
    first, cut, second = text.replace(":", "/").partition("/")
    parts = (first, second) if cut else (crop, first)
    slugs = [re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in parts]
    return "/".join(slugs) if all(slugs) else ""


def _choices(crop: str) -> list[tuple[str, list[str]]]:
    """Conditions by crop, the case's own crop first."""
    since = (now() - _KNOWN_FOR).date().isoformat()
    by_crop: dict[str, list[str]] = {}
    for name in sorted({*case_queries.names(store(), since)["condition"], *queue.named(store())}):
        first, slash, _ = name.partition("/")
        if slash and name != UNUSABLE:
            by_crop.setdefault(first, []).append(name)
    for first in list(by_crop):
        healthy = f"{first}/healthy"
        if healthy not in by_crop[first]:
            by_crop[first].append(healthy)
    return sorted(((first, sorted(found)) for first, found in by_crop.items()), key=lambda g: (g[0] != crop, g[0]))


def _photo_href(item: Found) -> str:
    return _href("review.photo", item)


def _voice_href(item: Found) -> str:
    """Empty where nothing was said."""
    key = CaseKey(item["device_id"], bytes(item["outbox"]), item["seq"])
    return _href("review.voice", item) if queue.voice_note(store(), key) else ""


def _href(endpoint: str, item: Found) -> str:
    return url_for(endpoint, device_id=item["device_id"], outbox=bytes(item["outbox"]).hex(), seq=str(item["seq"]))


def _key(device_id: str, outbox: str, seq: str) -> CaseKey:
    try:
        number = int(seq)
        if not 0 < number < 2**63:
            raise ValueError
        return CaseKey(device_id[:100], bytes.fromhex(outbox[:64]), number)
    except ValueError:
        abort(404)
