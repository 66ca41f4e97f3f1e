"""Confidence calibration, out-of-distribution score and decision thresholds, fitted on validation photographs only.

Takes what the quantised model said (`measuring.collect`) and returns the manifest's parts. "Proxies" are photographs
of a source the model never trained on: they stand for the unseen farm. "Worn" are the validation photographs as another
phone, light and field would have taken them (`packaging.worn`). It touches no test photograph.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from pikvani_contract.model.manifest import (
    Elsewhere,
    Linear,
    Manifest,
    ReferenceSketch,
    Refusal,
    Repeats,
    Thresholds,
)
from pikvani_contract.model.posterior import (
    Evidence,
    apartness,
    decide,
    likeness,
    refusal_features,
    refusal_probability,
)
from pikvani_models.measuring import Seen, answers, matches
from pikvani_models.records import Record
from pikvani_models.registry import BY_NAME, NONE

RISK = 0.10
PROXY_WEIGHT = 0.3
WORN_WEIGHT = 0.5
STRANGER_WEIGHT = 0.35
DOUBT_SHARE = 0.35
KEPT_SHARE = 0.75
LABORATORY_KEPT = 0.95
LEAST_PROXIES = 50
NOWHERE = 1000.0
CEILING = 0.97
FUSION_EXPONENTS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CASES_OF = (3, 6)
ALIKE_SHARE = 0.95
Case = tuple[Record, Sequence[Evidence]]
STRANGERS_C = 0.01
KNOWN_C = 0.1
"""How hard a direction is shrunk where strangers are to be told, and where the crop was told."""


def fit(manifest: Manifest, val: Sequence[Seen], proxies: Sequence[Seen], worn: Sequence[Seen]) -> Manifest:
    """A manifest whose confidence, refusal and decision parts are fitted.

    Args:
        manifest: With any valid values in those parts.
        val: Validation photographs, refusal pictures among them.
        proxies: Photographs of known crops from sources never trained on.
        worn: Validation photographs of known crops, altered.
    """
    known = [s for s in val if s.record.label != NONE]
    strangers = [s for s in val if s.record.label == NONE]
    manifest = _with_confidence(manifest, temperature=_temperature(manifest, known))
    manifest = _fit_refusal(manifest, known, strangers)
    manifest = _fit_confidence(manifest, known, strangers, proxies, worn)
    manifest = _fit_elsewhere(manifest, known, proxies)
    manifest = _fit_second_view(manifest, known, proxies)
    return _fit_decision(manifest, [*known, *worn], proxies)


def fit_fusion(manifest: Manifest, one_leaf: Sequence[Sequence[Case]], leaves: Sequence[Sequence[Case]]) -> Manifest:
    """How much several photographs may say together: those of one leaf are hardly more than one.

    Three pictures of one leaf are told by how near their embeddings lie: nearer than in `ALIKE_SHARE` of such cases
    they are alike, further than half of the cases of several leaves they are apart; the group that asks for more
    decides. Where they are alike, the exponent is the lowest at which cases of 3 and 6 pictures of one leaf, the worst
    a farmer may do, are wrong in at most `RISK` of those answered, or 1, where six count as one.

    Args:
        manifest: Fitted in all other parts.
        one_leaf: Groups that must hold each for itself, such as known sources and proxies; each case is the record of
            a photograph and the evidence of at least six altered pictures of it.
        leaves: Groups of cases of three photographs of different plants with one label.
    """
    near = [float(np.quantile([apartness(e[:3]) for _, e in part], ALIKE_SHARE)) for part in one_leaf if part]
    far = [float(np.median([apartness(e) for _, e in part])) for part in leaves if part]
    alike = round(max([*near, 0.01]), 4)
    apart = round(max([*far, 1.1 * alike]), 4)
    for exponent in FUSION_EXPONENTS:
        rule = Repeats(alike, apart, exponent)
        trial = msgspec.structs.replace(manifest, decision=msgspec.structs.replace(manifest.decision, repeats=rule))
        if all(_wrong(trial, part, n) <= RISK for part in one_leaf for n in CASES_OF):
            break
    return trial


def _wrong(manifest: Manifest, cases: Sequence[Case], count: int) -> float:
    """Share of wrong ones among the cases of `count` pictures that are answered, the crop known; 0 if none is."""
    said = [(record, decide(manifest, given[:count], record.label.split("/")[0])) for record, given in cases]
    answered = [matches(record, d.label) for record, d in said if d.decision == "answer"]
    return 1.0 - sum(answered) / len(answered) if answered else 0.0


def centres(labels: Sequence[str], seen: Sequence[tuple[str, Evidence]]) -> Refusal:
    """Label centres and the shared diagonal precision in the embedding, from labelled evidence.

    A label that was left out altogether has its centre so far away that nothing is near it.
    """
    named = [label for label in labels if label != NONE]
    embeddings = np.stack([e.embedding for _, e in seen])
    index = np.array([named.index(label) for label, _ in seen])
    middle = np.stack(
        [
            embeddings[index == i].mean(axis=0) if (index == i).any() else np.full(embeddings.shape[1], NOWHERE)
            for i in range(len(named))
        ]
    )
    precision = 1.0 / np.maximum((embeddings - middle[index]).var(axis=0), 1e-3)
    rounded = tuple(tuple(round(float(v), 4) for v in row) for row in middle)
    model = Linear((-1.0, 0.0, 0.0, 0.0), 0.0)
    return Refusal(model, rounded, tuple(round(float(v), 4) for v in precision), 0.5)


def reference(manifest: Manifest, seen: Sequence[Seen]) -> ReferenceSketch:
    """The reference sketch for drift, of photographs of known crops."""
    known = [s for s in seen if s.record.label != NONE]
    given = [a.open for a in answers(manifest, known)]
    embeddings = np.stack([s.first.embedding for s in known])
    histogram = np.histogram([d.confidence for d in given], bins=10, range=(0, 1))[0] / len(given)
    said = [d.label for d in given]
    return ReferenceSketch(
        len(given),
        tuple(round(float(v), 4) for v in embeddings.mean(axis=0)),
        tuple(round(float(v), 4) for v in embeddings.std(axis=0)),
        tuple(round(float(v), 4) for v in histogram),
        {label: round(said.count(label) / len(said), 4) for label in manifest.labels if label != NONE},
    )


def _with_confidence(manifest: Manifest, **changes: object) -> Manifest:
    return msgspec.structs.replace(manifest, confidence=msgspec.structs.replace(manifest.confidence, **changes))


def _temperature(manifest: Manifest, known: Sequence[Seen]) -> float:
    """The temperature with the least negative log-likelihood within the known crop."""
    best, least = 1.0, np.inf
    for t in np.geomspace(0.3, 3.0, 25):
        trial = _with_confidence(manifest, temperature=float(t))
        loss = 0.0
        for s in known:
            p = decide(trial, [s.first], s.record.label.split("/")[0]).probabilities
            loss -= np.log(max(p[s.record.label], 1e-9))
        if loss < least:
            best, least = float(t), loss
    return round(best, 4)


def _fit_refusal(manifest: Manifest, known: Sequence[Seen], strangers: Sequence[Seen]) -> Manifest:
    x = np.stack([refusal_features(manifest, s.first) for s in [*known, *strangers]])
    y = np.array([1] * len(known) + [0] * len(strangers))
    model = _logistic(x, y, np.where(y == 1, 0.5 / len(known), 0.5 / len(strangers)) * len(y))
    return msgspec.structs.replace(manifest, refusal=msgspec.structs.replace(manifest.refusal, model=model))


def _fit_confidence(
    manifest: Manifest,
    known: Sequence[Seen],
    strangers: Sequence[Seen],
    proxies: Sequence[Seen],
    worn: Sequence[Seen],
) -> Manifest:
    weight = np.array(
        [1.0] * len(known)
        + [WORN_WEIGHT * len(known) / max(len(worn), 1)] * len(worn)
        + [PROXY_WEIGHT * len(known) / max(len(proxies), 1)] * len(proxies)
        + [STRANGER_WEIGHT * len(known) / len(strangers)] * len(strangers)
    )
    everyone = [*known, *worn, *proxies, *strangers]
    crops = manifest.crops
    rng = np.random.default_rng(0)
    models = {}
    for mode in ("known", "open"):
        rows, right = [], []
        for s in everyone:
            crop: str | None = s.record.label.split("/")[0]
            if mode == "open":
                crop = None
            elif s.record.label == NONE:
                crop = str(rng.choice(crops))
            features, label = features_of(manifest, s.first, crop)
            rows.append(features)
            right.append(s.record.label != NONE and matches(s.record, label))
        shrink = KNOWN_C if mode == "known" else STRANGERS_C
        models[mode] = _logistic(np.array(rows), np.array(right, int), weight, shrink)
    return _with_confidence(manifest, known=models["known"], open=models["open"])


def features_of(manifest: Manifest, evidence: Evidence, crop: str | None) -> tuple[NDArray[np.float64], str]:
    """The confidence features of one photograph and the label it would be named."""
    from pikvani_contract.model import posterior as p

    log_p = p.fused(manifest, [evidence], crop)
    inside = p.restricted(manifest, log_p, crop)
    label = manifest.labels[int(np.argmax(inside))]
    said = crop or label.split("/")[0]
    in_distribution = refusal_probability(manifest, evidence)
    return p.confidence_features(manifest, log_p, inside, said, in_distribution, [evidence]), label


def _fit_elsewhere(manifest: Manifest, known: Sequence[Seen], proxies: Sequence[Seen]) -> Manifest:
    """A calibration of its own for photographs from no laboratory of crops that were learnt in laboratories alone.

    Laboratory is told from field by a logistic regression of the embedding over validation photographs, no proxy among
    them; the cut keeps `LABORATORY_KEPT` of the laboratory's. The calibration is fitted on the proxies below the cut.
    """
    rule = _laboratory_rule(known)
    if rule is None:
        return manifest
    outside = [s for s in proxies if _crop(s) in rule.crops and likeness(rule, s.first) < rule.below]
    if len(outside) < LEAST_PROXIES:
        return manifest
    fitted = {}
    for mode in ("known", "open"):
        said = [features_of(manifest, s.first, _crop(s) if mode == "known" else None) for s in outside]
        right = np.array([matches(s.record, label) for s, (_, label) in zip(outside, said, strict=True)], int)
        if right.min() == right.max():
            return manifest
        fitted[mode] = _logistic(np.array([f[:1] for f, _ in said]), right, np.ones(len(said)))
    return _with_confidence(manifest, elsewhere=msgspec.structs.replace(rule, **fitted))


def _laboratory_rule(known: Sequence[Seen]) -> Elsewhere | None:
    """What tells laboratory from field in this network's embedding; nothing is said yet of how sure to be."""
    crops = tuple(sorted({_crop(s) for s in known} - field_crops(known)))
    inside = np.array([BY_NAME[s.record.source].kind == "laboratory" for s in known])
    if not crops or inside.all():
        return None
    x = np.stack([s.first.embedding for s in known])
    weights, bias = laboratory_line(x, inside)
    below = float(np.quantile(x[inside] @ weights + bias, 1 - LABORATORY_KEPT))
    any_model = Linear((1.0,), 0.0)
    rounded = tuple(round(float(v), 5) for v in weights)
    return Elsewhere(crops, rounded, round(bias, 5), round(below, 4), any_model, any_model)


def laboratory_line(x: NDArray[np.floating], inside: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Weights and bias of what tells embeddings `[n, d]` of laboratory photographs from others, shrunk."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    model = LogisticRegression(C=0.01, max_iter=2000).fit((x - mean) / spread, inside)
    weights = model.coef_[0] / spread
    return weights, float(model.intercept_[0] - weights @ mean)


def relearnt(manifest: Manifest, val: Sequence[Seen]) -> Manifest:
    """A manifest fitted for another network; what tells laboratory from field is found anew in this one's embedding."""
    given = manifest.confidence.elsewhere
    rule = _laboratory_rule([s for s in val if s.record.label != NONE])
    if given is None or rule is None:
        return _with_confidence(manifest, elsewhere=None)
    return _with_confidence(manifest, elsewhere=msgspec.structs.replace(rule, known=given.known, open=given.open))


def _crop(s: Seen) -> str:
    return s.record.label.split("/")[0]


def field_crops(known: Sequence[Seen]) -> set[str]:
    """The crops of which a photograph is from a field or the web."""
    return {_crop(s) for s in known if BY_NAME[s.record.source].kind != "laboratory"}


def more_than_chance(righted: int, wronged: int) -> bool:
    """Whether so many changes for the better against those for the worse are no coin's (sign test, two deviations)."""
    return righted - wronged > 2 * (righted + wronged) ** 0.5


def _fit_second_view(manifest: Manifest, known: Sequence[Seen], proxies: Sequence[Seen]) -> Manifest:
    """Take the second view for the least sure third, if it rights more of those than it wrongs, else never.

    By more than chance would, as it doubles the time of each of them.
    """
    pool = [*known, *proxies]
    first = [decide(manifest, [s.first], s.record.label.split("/")[0]) for s in pool]
    bar = float(np.quantile([d.confidence for d in first[: len(known)]], DOUBT_SHARE))
    righted = wronged = 0
    for s, d in zip(pool, first, strict=True):
        if d.confidence < bar:
            again = decide(manifest, [s.every], s.record.label.split("/")[0])
            before, after = matches(s.record, d.label), matches(s.record, again.label)
            righted += int(after and not before)
            wronged += int(before and not after)
    below = round(bar, 4) if more_than_chance(righted, wronged) else 0.0
    decision = msgspec.structs.replace(manifest.decision, second_view_below=below)
    return msgspec.structs.replace(manifest, decision=decision)


def _fit_decision(manifest: Manifest, known: Sequence[Seen], proxies: Sequence[Seen]) -> Manifest:
    """The lowest threshold with at most `RISK` wrong among the answered.

    Crops trained in the laboratory alone take the threshold of the proxies: their farmer's photograph is always of an
    unseen source. Crops with field photographs take their own, but at least the one that answers `KEPT_SHARE` of
    validation (`known`, worn photographs among them), so that an unseen farm, whose confidences are lower, is answered
    less often.
    """
    near = [(a.known.confidence, a.right) for a in answers(manifest, known) if a.known]
    far = [(a.known.confidence, a.right) for a in answers(manifest, proxies) if a.known]
    kept = float(np.quantile([c for c, _ in near], 1 - KEPT_SHARE))
    unseen = min(lowest_threshold(far), CEILING) if far else CEILING
    own = lowest_threshold(near)
    overall = _thresholds(min(max(own, kept), unseen) if unseen < CEILING else max(own, kept))
    in_fields = field_crops(known)
    crops = {crop: _thresholds(max(unseen, kept)) for crop in manifest.crops if crop not in in_fields}
    decision = msgspec.structs.replace(manifest.decision, risk=RISK, overall=overall, crops=crops)
    return msgspec.structs.replace(manifest, decision=decision)


def _thresholds(answer: float) -> Thresholds:
    answer = round(float(np.clip(answer, 0.5, CEILING)), 4)
    return Thresholds(answer, round(answer * 0.5, 4))


def lowest_threshold(pairs: Sequence[tuple[float, bool]], risk: float = RISK) -> float:
    """The lowest confidence at and above which at most `risk` are wrong, or 1 where there is none.

    Only cuts that keep at least 20 photographs (or all, if fewer) are considered.
    """
    ordered = sorted(pairs, key=lambda p: -p[0])
    wrong, best = 0, 1.0
    for count, (confidence, right) in enumerate(ordered, start=1):
        wrong += not right
        if count >= min(20, len(ordered)) and wrong <= risk * count:
            best = confidence
    return best


def _logistic(
    x: NDArray[np.float64], y: NDArray[np.int64], weight: NDArray[np.float64], shrink: float = STRANGERS_C
) -> Linear:
    """A logistic regression whose direction is shrunk hard and whose scale is then fitted along it.

    The strangers at hand are trained ones, told by one feature alone. A free fit leans on that feature, which says
    little of a crop that the network never saw; a shrunk one shares the weight among all that agree.
    """
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    scaled = (x - mean) / spread
    direction = LogisticRegression(C=shrink, max_iter=2000).fit(scaled, y, sample_weight=weight).coef_[0]
    along = scaled @ direction
    unit = float(along.std()) + 1e-6
    fitted = LogisticRegression(C=1.0, max_iter=2000).fit(along[:, None] / unit, y, sample_weight=weight)
    w = direction * float(fitted.coef_[0][0]) / unit / spread
    bias = float(fitted.intercept_[0] - w @ mean)
    return Linear(tuple(round(float(v), 5) for v in w), round(bias, 5))
