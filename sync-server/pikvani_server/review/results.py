"""What labels tell: accuracy by crop, agreement of people, concept drift, and the counts of the fairness audit."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from pikvani_server.drift import rows
from pikvani_server.drift.accuracy import Checked
from pikvani_server.drift.concept import ConceptVerdict, Labelled, judge_concept
from pikvani_server.fairness import Audit, GroupCounts, Share, audit, wilson
from pikvani_server.review.agreement import UNUSABLE, kappa
from pikvani_server.store import Store
from pikvani_server.store.schema import cases
from pikvani_server.store.schema_learning import places, review_items, review_labels

WINDOW_DAYS = 28
"""Labels are scarcer than cases: concept drift is looked for in four weeks."""
LEAST = 30
Grouping = Literal["district", "crop", "language", "device_kind"]
_DONE = ("agreed", "settled")


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of the model's best guess on labelled cases, as if all cases had been labelled.

    Attributes:
        crop: by the label.
        labelled: cases.
        share: None where there are too few.
        low: lower end of a 95% interval, from the effective number of cases.
        high: upper end.
    """

    crop: str
    labelled: int
    share: float | None
    low: float
    high: float


def labelled(
    store: Store, model: str | None = None, since: datetime | None = None, labelled_after: datetime | None = None
) -> list[dict[str, Any]]:
    """Cases whose label is agreed or settled and names something; `right`: whether the model's best guess was it."""
    query = sa.select(review_items).where(
        review_items.c.state.in_(_DONE), review_items.c.outcome != "", review_items.c.outcome != UNUSABLE
    )
    query = query.where(review_items.c.model == model) if model else query
    query = query.where(review_items.c.happened_at >= since) if since else query
    if labelled_after:
        same = (review_labels.c[name] == review_items.c[name] for name in ("device_id", "outbox", "seq"))
        query = query.where(sa.exists().where(*same, review_labels.c.labelled_at > labelled_after))
    found = store.read("reading labelled cases", query.order_by(review_items.c.happened_at))
    return [row | {"right": row["condition"] == row["outcome"]} for row in found]


def accuracy_by_crop(store: Store, model: str, since: datetime | None = None) -> list[Accuracy]:
    """One row a crop, by name, and the first one for all crops (crop empty)."""
    found = labelled(store, model, since)
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        groups[row["outcome"].split("/")[0]].append(row)
    return [_accuracy("", found), *(_accuracy(crop, group) for crop, group in sorted(groups.items()))]


def _accuracy(crop: str, group: list[dict[str, Any]]) -> Accuracy:
    if len(group) < LEAST:
        return Accuracy(crop, len(group), None, 0.0, 1.0)
    weights = [1 / max(row["share"], 1e-3) for row in group]
    share = sum(w for w, row in zip(weights, group, strict=True) if row["right"]) / sum(weights)
    # Kish 1965: unequal weights are worth so many equal ones.
    effective = max(1, math.floor(sum(weights) ** 2 / sum(w * w for w in weights)))
    low, high = wilson(Share(round(share * effective), effective))
    return Accuracy(crop, len(group), share, low, high)


def checked_by_model(store: Store) -> dict[str, Checked]:
    """What labels of sampled cases say of each model's confidence; unsure ones would bend it."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0])
    for row in labelled(store):
        if row["why"] == "sampled" or row["decision"] == "refuse":
            weight = sums[row["model"]]
            weight[0] += 1
            weight[1] += row["confidence_e4"] / 10_000
            weight[2] += row["right"]
    return {model: Checked(int(n), total / n, int(right)) for model, (n, total, right) in sums.items()}


def people(store: Store) -> dict[str, Any]:
    """How far two people agree: items with two first labels, share alike, Cohen's kappa."""
    query = sa.select(review_labels).where(review_labels.c.role == "first").order_by(review_labels.c.labelled_at)
    words: dict[tuple[str, bytes, int], list[str]] = defaultdict(list)
    for row in store.read("reading labels", query):
        words[row["device_id"], bytes(row["outbox"]), row["seq"]].append(row["condition"])
    pairs = [(found[0], found[1]) for found in words.values() if len(found) > 1]
    alike = sum(a == b for a, b in pairs)
    return {"items": len(pairs), "alike": alike / len(pairs) if pairs else None, "kappa": kappa(pairs)}


def concept_pass(store: Store, today: date, now: datetime) -> int:
    """Judge concept drift of each model and crop over the last four whole weeks and keep verdicts and alarms.

    Returns:
        Verdicts kept.
    """
    end = today - timedelta(days=today.weekday() + 1)
    start = end - timedelta(days=WINDOW_DAYS - 1)
    groups: dict[tuple[str, str], tuple[list[Labelled], list[Labelled]]] = defaultdict(lambda: ([], []))
    for row in labelled(store):
        happened = row["happened_at"].date()
        if happened > end:
            continue
        case = Labelled(row["confidence_e4"] / 10_000, row["right"], row["share"])
        for crop in ("", row["outcome"].split("/")[0]):
            groups[row["model"], crop][happened >= start].append(case)
    found = [
        _concept_row(model, crop, end, judge_concept(before, current), now)
        for (model, crop), (before, current) in sorted(groups.items())
        if current
    ]
    rows.write_verdicts(store, found)
    rows.refresh_alarms(store, [(r["scope"], r["name"], r["model"], "labels") for r in found], now)
    return len(found)


def _concept_row(model: str, crop: str, end: date, verdict: ConceptVerdict, now: datetime) -> dict[str, Any]:
    feature = {"name": "accuracy", "excess": round(verdict.drop, 6), "drifted": verdict.kind == "concept"}
    return {
        "scope": "crop" if crop else "fleet",
        "name": crop,
        "model": model,
        "window_end": end.isoformat(),
        "source": "labels",
        "kind": verdict.kind,
        "basis": "labels",
        "cases": verdict.now,
        "reference_cases": verdict.before,
        "details": json.dumps({"features": [feature | {"p_value": verdict.p_value}], "concept": asdict(verdict)}),
        "judged_at": now,
    }


def fairness_audit(store: Store, by: Grouping, since: datetime, model: str | None = None) -> Audit:
    """The audit of cases received since, grouped by `by`.

    Raises:
        StoreAwayError: the database is away.
    """
    answers = _answered(store, by, since, model)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    place = {row["device_id"]: row for row in store.read("reading places", sa.select(places))}
    for row in labelled(store, model, since):
        group = found[_group_of(row, by, place)]
        if not row["outcome"].endswith("/healthy"):
            group[0] += row["right"] and row["decision"] == "answer"
            group[1] += 1
        if row["decision"] == "answer":
            group[2] += row["right"]
            group[3] += 1
    names = {*answers, *found}
    return audit(
        {
            name: GroupCounts(answers.get(name, Share(0, 0)), Share(*found[name][:2]), Share(*found[name][2:]))
            for name in sorted(names)
        }
    )


def _answered(store: Store, by: Grouping, since: datetime, model: str | None) -> dict[str, Share]:
    column: Any = {
        "district": sa.func.coalesce(sa.func.nullif(places.c.district, ""), "unknown"),
        "device_kind": sa.func.coalesce(sa.func.nullif(places.c.kind, ""), "unknown"),
        "crop": sa.func.coalesce(sa.func.nullif(cases.c.crop, ""), "unknown"),
        "language": cases.c.locale,
    }[by]
    hits = sa.func.sum(sa.case((cases.c.decision == "answer", 1), else_=0)).label("hits")
    source = cases.outerjoin(places, places.c.device_id == cases.c.device_id) if by in _PLACED else cases
    query = sa.select(column.label("name"), hits, sa.func.count().label("cases")).select_from(source)
    query = query.where(cases.c.received_at >= since).group_by(column)
    query = query.where(cases.c.model == model) if model else query
    return {row["name"]: Share(int(row["hits"]), row["cases"]) for row in store.read("counting answers", query)}


_PLACED = ("district", "device_kind")


def _group_of(row: Mapping[str, Any], by: Grouping, place: Mapping[str, Mapping[str, Any]]) -> str:
    if by == "language":
        return str(row["locale"])
    if by == "crop":
        return str(row["crop"]) or "unknown"
    where = place.get(row["device_id"], {})
    return str(where.get("district" if by == "district" else "kind") or "unknown")
