"""Numbers, times and names as a person reads them on a page. Times are Indian Standard Time."""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

from pikvani_server.admin.catalogue import N_, locale, locale_name, t
from pikvani_server.admin.centre import now
from pikvani_server.fleet.counts import INDIA

DASH = "–"

LABELS: dict[str, dict[str, str]] = {
    "decision": {"answer": N_("answered"), "more": N_("asked for more"), "refuse": N_("referred")},
    "state": {"online": N_("online"), "offline": N_("away"), "silent": N_("silent")},
    "trouble": {
        "silent": N_("silent for two days"),
        "clock": N_("clock not trusted"),
        "queue": N_("long queue"),
        "budget": N_("data budget nearly used"),
        "shed": N_("records shed"),
    },
    "sort": {
        "seen": N_("last seen"),
        "queue": N_("longest queue"),
        "budget": N_("most of the budget used"),
        "id": N_("by name"),
        "district": N_("by district"),
    },
    "clock": {"untrusted": N_("not trusted"), "floor": N_("not before"), "synced": N_("synced")},
    "kind": {
        "none": N_("no drift"),
        "cannot_say": N_("cannot say"),
        "data": N_("what it sees"),
        "prediction": N_("what it says"),
        "both": N_("what it sees and says"),
        "concept": N_("what is true"),
    },
    "level": {"alarm": N_("alarm"), "warning": N_("warning")},
    "scope": {
        "all": N_("everywhere"),
        "fleet": N_("whole fleet"),
        "district": N_("district"),
        "device": N_("device"),
        "crop": N_("crop"),
    },
    "basis": {
        "season": N_("the same weeks of earlier years"),
        "peers": N_("the others in the same weeks"),
        "models": N_("other models in the same weeks"),
        "recent": N_("the weeks before"),
        "labels": N_("labels"),
        "none": N_("nothing to compare with"),
    },
    "feature": {
        "classes": N_("conditions named within a crop"),
        "crops": N_("mix of crops"),
        "decisions": N_("decisions"),
        "confidence": N_("confidence"),
        "entropy": N_("doubt among conditions"),
        "sharpness": N_("sharpness of photos"),
        "brightness": N_("brightness of photos"),
        "leaf_share": N_("share of leaf in photos"),
        "accuracy": N_("accuracy by labels"),
    },
    "first_step": {
        "photos": N_(
            "Photos became darker, brighter or less sharp. Have lenses wiped, first on the devices that carry it."
        ),
        "leaf_share": N_("Leaves fill more or less of the photo than before. Ask how photos are taken now."),
        "pictures": N_("Photos are unlike earlier ones: a new variety, pest or camera. Look at some under Review."),
        "doubt": N_("The model is surer or less sure than before. Name some of these cases under Review."),
        "classes": N_("Other conditions are named. A real outbreak looks like this too: ask in the field first."),
        "crops": N_(
            "Other crops are brought than before; this is no new disease. Ask about sowing, prices and markets."
        ),
        "decisions": N_("More or fewer cases are answered than before. See under Cases which are referred, and where."),
        "accuracy": N_(
            "People name these cases otherwise than the model. See under Proposals; stop its roll-out if one runs."
        ),
    },
    "why_silent": {
        "too_few": N_("too few cases"),
        "outside_seen": N_("inputs unlike those it was checked on"),
        "unknown_inputs": N_("no reference for its inputs"),
        "uncalibrated": N_("labels contradict its confidence"),
    },
    "says": {"fine": N_("fine"), "unfair": N_("unfair"), "unclear": N_("unclear"), "too_few": N_("too few to say")},
    "proposal": {
        "proposed": N_("proposed"),
        "building": N_("being built"),
        "built": N_("built, awaits a decision"),
        "failed": N_("failed"),
        "approved": N_("approved"),
        "declined": N_("declined"),
    },
    "rollout": {
        "running": N_("running"),
        "paused": N_("paused"),
        "halted": N_("halted by itself"),
        "aborted": N_("aborted"),
        "done": N_("done"),
    },
    "rollout_act": {"pause": N_("Pause"), "resume": N_("Resume"), "abort": N_("Abort")},
    "rollout_device": {
        "ordered": N_("ordered"),
        "watching": N_("on trial"),
        "committed": N_("kept it"),
        "failed": N_("failed"),
        "rolled_back": N_("went back by itself"),
        "timed_out": N_("silent"),
        "recalled": N_("ordered back"),
        "back": N_("gone back"),
    },
    "identity": {
        "enrolled": N_("enrolled"),
        "revoked": N_("revoked"),
        "pending": N_("cards waiting"),
        "suspected": N_("suspected copies"),
        "ended": N_("certificates ended"),
        "refusals": N_("refusals"),
    },
    "identity_act": {
        "revoke": N_("Revoke"),
        "replace": N_("Replace"),
        "move": N_("Move"),
        "clear": N_("Clear a suspicion"),
    },
    "consent": {
        "consents": N_("Consents in force"),
        "photo": N_("to the photo"),
        "voice": N_("to the voice note"),
        "training": N_("to training"),
        "parents": N_("by parents"),
    },
    "erasure": {"whole": N_("everything"), "sent": N_("what was sent"), "waits": N_("waits")},
    "asked": {
        "kiosk": N_("kiosk"),
        "lan": N_("phone"),
        "service": N_("service page"),
        "centre": N_("centre"),
        "ledger": N_("ledger"),
    },
    "enrolment": {
        "refused": N_("refused"),
        "revoked": N_("revoked"),
        "moved": N_("moved"),
        "cleared": N_("cleared"),
        "granted": N_("enrolled"),
        "suspected": N_("suspected"),
    },
    "job": {"waiting": N_("waiting"), "claimed": N_("running"), "done": N_("done"), "failed": N_("failed")},
    "role": {
        "admin": N_("admin"),
        "agronomist": N_("agronomist"),
        "technician": N_("technician"),
        "viewer": N_("viewer"),
    },
    "review": {
        "open": N_("open"),
        "agreed": N_("agreed"),
        "disagreed": N_("disagreed"),
        "settled": N_("settled"),
    },
    "group": {
        "district": N_("district"),
        "crop": N_("crop"),
        "language": N_("language"),
        "device_kind": N_("kind of device"),
    },
}

_PROJECTION = "projection_"


def label(kind: str, value: Any) -> str:
    """What a value of the store is called; one that is unknown stands as it is."""
    if kind == "feature" and str(value).startswith(_PROJECTION):
        return t("picture as the model sees it, {number}", number=int(value.removeprefix(_PROJECTION)) + 1)
    known = LABELS[kind].get(str(value))
    return t(known) if known else str(value)


def moved(feature: str, label_risen: str) -> str:
    """A feature that drifted, and the condition of which crop rose in it where one did."""
    called = label("feature", feature)
    return t("{feature}: more {condition}", feature=called, condition=condition(label_risen)) if label_risen else called


def first_step(feature: str) -> str:
    """What a person does first about drift that shows most in a feature."""
    if feature.startswith(_PROJECTION):
        feature = "pictures"
    alike = {"brightness": "photos", "sharpness": "photos", "confidence": "doubt", "entropy": "doubt"}
    return label("first_step", alike.get(feature, feature))


def crop(name: str) -> str:
    """A crop or a district: its id made readable."""
    return t(name.replace("_", " ").capitalize()) if name else t("not said")


def condition(name: str) -> str:
    """`crop/condition` made readable."""
    first, slash, second = name.partition("/")
    return f"{crop(first)}: {t(second.replace('_', ' '))}" if slash else crop(name)


def place(name: str) -> str:
    """A district, `unknown` for none."""
    return t("not placed") if name in ("", "unknown") else t(name)


def number(value: float | int | None) -> str:
    """With India's separators."""
    return DASH if value is None else _decimal(value, locale_name())


@lru_cache(4_096)
def _decimal(value: float | int, _language: str) -> str:
    return format_decimal(value, locale=locale())


def percent(share: float | None, digits: int = 0) -> str:
    """A share from 0 to 1 as a percentage."""
    if share is None:
        return DASH
    return format_percent(share, format="#,##0" + ("." + "0" * digits if digits else "") + "%", locale=locale())


def e4(share: int) -> str:
    """Ten-thousandths as a percentage."""
    return percent(share / 10_000)


def ago(at: datetime | None) -> str:
    """How long ago: `3 hours ago`."""
    if at is None:
        return t("never")
    seconds = (now() - at).total_seconds()
    if seconds < -60:
        return t("in the future")
    return format_timedelta(-max(1, int(seconds)), add_direction=True, threshold=1.0, locale=locale())


def moment(at: datetime | None) -> str:
    """Day and time."""
    if at is None:
        return DASH
    return format_datetime(at.astimezone(INDIA), "d MMM y, HH:mm:ss", locale=locale())


def since(at: datetime | None) -> Markup:
    """How long ago, with the exact time behind it."""
    if at is None:
        return Markup("{}").format(t("never"))
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), moment(at), ago(at))


def day(value: str | date) -> str:
    """`21 Sep` of an ISO day."""
    try:
        known = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return str(value)
    return format_date(known, "d MMM", locale=locale())


def size(count_bytes: int | None) -> str:
    """Bytes in their largest decimal unit."""
    if count_bytes is None:
        return DASH
    value = float(count_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{number(round(value, 1) if value < 10 and unit != 'B' else round(value))} {unit}"
        value /= 1000
    return f"{number(round(value))} TB"


def compact(value: Any) -> str:
    """A small JSON value in one line."""
    if not value:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {compact(part)}" for name, part in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


FILTERS = {
    "number": number,
    "percent": percent,
    "e4": e4,
    "ago": ago,
    "moment": moment,
    "since": since,
    "day": day,
    "size": size,
    "crop": crop,
    "condition": condition,
    "place": place,
    "compact": compact,
}
