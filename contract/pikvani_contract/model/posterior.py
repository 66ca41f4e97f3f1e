"""Model outputs to a diagnosis: fusion over views and photographs, confidence, and answer / more / refuse.

Pure numpy, a function of the manifest and the outputs. It reads no picture and runs no model. "Known" means that the
farmer told the crop; naming is then restricted to its labels, while confidence still falls where the leaf looks
like no leaf or like another crop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import Elsewhere, Linear, Manifest, PackageError

Verdict = Literal["answer", "more", "refuse"]
Reason = Literal["sure", "unsure", "not_a_leaf", "unknown_plant", "other_crop"]
Vector = NDArray[np.float64]
LIMIT = 10.0


@dataclass(frozen=True)
class Evidence:
    """What the model said of one photograph, averaged over its views: `logits [classes]`, `embedding [e]`, `map`.

    `maps [side, side, classes]` belongs to the first view, which is centred.
    """

    logits: Vector
    embedding: Vector
    maps: NDArray[np.float32]
    views: int = 1


@dataclass(frozen=True)
class Diagnosis:
    """What the model says of a case.

    Attributes:
        decision: What to do.
        reason: Why, as an id the device has words for.
        label: Best `crop/condition`, also when refused; never `none/...`.
        confidence: Calibrated probability that `label` is right, refusals included: rank by it.
        probabilities: Posterior over all labels but `none/...`, within the crop where it is known; sums to 1.
        in_distribution: Probability that this is a leaf of a crop the model knows.
    """

    decision: Verdict
    reason: Reason
    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: float

    @property
    def crop(self) -> str:
        """Crop of the best label."""
        return self.label.split("/")[0]


def decide(
    manifest: Manifest,
    evidence: Sequence[Evidence],
    crop: str | None = None,
    symptoms: Mapping[str, float] | None = None,
) -> Diagnosis:
    """Fuse a case's photographs (and what was said) into one diagnosis.

    Photographs of one plant are not independent: their log-probabilities are summed and divided by
    `n ** fusion_exponent` (1 averages, 0 multiplies).

    Args:
        manifest: The package's manifest.
        evidence: One per photograph, 1 to `decision.max_photos`.
        crop: The crop, where the farmer told it.
        symptoms: Likelihood (0..1] of what the farmer said under each label; labels left out count as 1.

    Raises:
        PackageError: No evidence, too much of it, or a crop the model does not know.
    """
    if not 1 <= len(evidence) <= manifest.decision.max_photos:
        raise PackageError(f"{len(evidence)} photographs in a case: give 1 to {manifest.decision.max_photos}")
    if crop is not None and crop not in manifest.crops:
        raise PackageError(f"crop {crop!r} is not one the model knows: choose from {', '.join(manifest.crops)}")
    named = _named(manifest)
    log_p = fused(manifest, evidence, crop)
    if symptoms:
        log_p = _normalised(log_p + np.log([max(symptoms.get(label, 1.0), 1e-3) for label in manifest.labels]))
    inside = restricted(manifest, log_p, crop)
    best = int(np.argmax(inside))
    label = manifest.labels[best]
    said = crop or label.split("/")[0]
    in_distribution = float(np.mean([refusal_probability(manifest, e) for e in evidence]))
    features = confidence_features(manifest, log_p, inside, said, in_distribution, evidence)
    calibration = elsewhere(manifest, evidence, said) or manifest.confidence
    model = calibration.open if crop is None else calibration.known
    confidence = _sigmoid(_dot(model, features) + manifest.confidence.crop_bias.get(said, 0.0))
    thresholds = manifest.decision.crops.get(said, manifest.decision.overall)
    verdict: Verdict = "refuse"
    if confidence >= thresholds.answer:
        verdict = "answer"
    elif confidence >= thresholds.more and len(evidence) < manifest.decision.max_photos:
        verdict = "more"
    none_mass = float(np.exp(log_p[~named]).sum())
    crop_mass = float(np.exp(features[1]))
    reason = _reason(manifest, verdict, none_mass, in_distribution, crop_mass if crop else 1.0)
    said_of = zip(manifest.labels, inside, strict=True)
    probabilities = {name: float(np.exp(value)) for name, value in said_of if np.isfinite(value)}
    return Diagnosis(verdict, reason, label, float(confidence), probabilities, in_distribution)


def elsewhere(manifest: Manifest, evidence: Sequence[Evidence], crop: str) -> Elsewhere | None:
    """The calibration of a case of a crop that was learnt in laboratories alone and photographed in none, or None."""
    rule = manifest.confidence.elsewhere
    if rule is None or crop not in rule.crops:
        return None
    return rule if float(np.mean([likeness(rule, e) for e in evidence])) < rule.below else None


def likeness(rule: Elsewhere, evidence: Evidence) -> float:
    """How much like the laboratory's photographs one is, above `rule.below` where it is."""
    return rule.likeness_bias + float(np.dot(rule.likeness_weights, evidence.embedding))


def confidence_features(
    manifest: Manifest,
    log_p: Vector,
    inside: Vector,
    crop: str,
    in_distribution: float,
    evidence: Sequence[Evidence],
) -> Vector:
    """The seven features of the confidence calibration; a model of three weights reads the first three.

    Log-odds of the best label within the allowed ones; log of the crop's share of all probability, refusal mass
    included; log-odds of being in distribution; each within `+-LIMIT`. Then what tells an unseen farm or camera:
    the distance to the nearest label of the crop, and refusal log-odds, energy and entropy, averaged over photographs.
    """
    top = float(np.exp(inside.max()))
    member = np.array([label.startswith(f"{crop}/") for label in manifest.labels])
    share = float(np.exp(log_p[member]).sum())
    own = member[_named(manifest)]
    away = [float(np.sqrt(_distances(manifest, e)[own].min())) for e in evidence]
    shift = np.mean([refusal_features(manifest, e)[:3] for e in evidence], axis=0)
    first = (_log_odds(top), float(np.clip(np.log(max(share, 1e-9)), -LIMIT, 0.0)), _log_odds(in_distribution))
    return np.array([*first, float(np.mean(away)), *shift])


def refusal_features(manifest: Manifest, evidence: Evidence) -> Vector:
    """The four features of the out-of-distribution score of one photograph.

    Log-odds of the refusal labels; energy of the other labels (Liu et al. 2020), over 10; entropy of the other
    labels; square root of the Mahalanobis distance to the nearest label's centre, per dimension (Lee et al. 2018).
    """
    named = _named(manifest)
    log_p = _normalised(evidence.logits / manifest.confidence.temperature)
    none = _log_odds(float(np.exp(log_p[~named]).sum()))
    kept = evidence.logits[named]
    energy = float(np.log(np.exp(kept - kept.max()).sum()) + kept.max()) / 10.0
    inside = _normalised(log_p[named])
    entropy = float(-(np.exp(inside) * inside).sum())
    return np.array([none, energy, entropy, np.sqrt(_distances(manifest, evidence).min())])


def _distances(manifest: Manifest, evidence: Evidence) -> Vector:
    """Squared Mahalanobis distance to each label's centre (`none/...` has none), per dimension."""
    away = evidence.embedding - np.asarray(manifest.refusal.centres)
    return np.asarray((away**2 * np.asarray(manifest.refusal.precision)).mean(axis=1))


def refusal_probability(manifest: Manifest, evidence: Evidence) -> float:
    """Probability that one photograph shows a leaf of a crop the model knows."""
    return float(_sigmoid(_dot(manifest.refusal.model, refusal_features(manifest, evidence))))


def map_focus(maps: NDArray[np.float32], label: int) -> tuple[float, float]:
    """Where the evidence for a label lies in a view, as shares (x, y): the centre of the positive map's mass."""
    heat = maps[:, :, label].astype(np.float64)
    heat = np.clip(heat - heat.mean(), 0, None) ** 2
    total = heat.sum()
    if total <= 0:
        return 0.5, 0.5
    rows, columns = heat.shape
    y = float((heat.sum(axis=1) * (np.arange(rows) + 0.5)).sum() / total / rows)
    x = float((heat.sum(axis=0) * (np.arange(columns) + 0.5)).sum() / total / columns)
    return x, y


def fused(manifest: Manifest, evidence: Sequence[Evidence], crop: str | None) -> Vector:
    """Log-probabilities over all labels of a case's photographs, at the temperature of the crop where known."""
    temperature = manifest.confidence.temperature
    if crop is not None:
        temperature = manifest.confidence.crop_temperature.get(crop, temperature)
    total = sum((_normalised(e.logits / temperature) for e in evidence), np.zeros(len(manifest.labels)))
    return _normalised(total / len(evidence) ** fusion_exponent(manifest, evidence))


def fusion_exponent(manifest: Manifest, evidence: Sequence[Evidence]) -> float:
    """The exponent of a case: photographs of one leaf, which look alike, prove less than those of several leaves."""
    apart, rule = manifest.decision.fusion_exponent, manifest.decision.repeats
    if rule is None:
        return apart
    share = float(np.clip((apartness(evidence) - rule.alike) / (rule.apart - rule.alike), 0.0, 1.0))
    return rule.exponent + share * (apart - rule.exponent)


def apartness(evidence: Sequence[Evidence]) -> float:
    """Mean over pairs of photographs of the root mean square difference of their embeddings; 0 of a single one."""
    rows = np.stack([e.embedding for e in evidence])
    first, second = np.triu_indices(len(rows), 1)
    if not len(first):
        return 0.0
    return float(np.sqrt(((rows[first] - rows[second]) ** 2).mean(axis=1)).mean())


def restricted(manifest: Manifest, log_p: Vector, crop: str | None) -> Vector:
    """`log_p` within a crop's labels (all but `none/...` where the crop is unknown), -inf outside."""
    allowed = _named(manifest)
    if crop is not None:
        allowed = np.array([label.startswith(f"{crop}/") for label in manifest.labels])
    return _normalised(np.where(allowed, log_p, -np.inf))


def _reason(manifest: Manifest, verdict: Verdict, none: float, in_distribution: float, crop_mass: float) -> Reason:
    if verdict == "answer":
        return "sure"
    if in_distribution < manifest.refusal.leaf_below:
        return "not_a_leaf" if none > 0.5 else "unknown_plant"
    return "other_crop" if crop_mass < 0.05 else "unsure"


def _named(manifest: Manifest) -> NDArray[np.bool_]:
    return np.array([not label.startswith("none/") for label in manifest.labels])


def _normalised(x: Vector) -> Vector:
    top = x.max()
    return np.asarray(x - top - np.log(np.exp(x - top).sum()))


def _log_odds(p: float) -> float:
    q = min(max(p, 1e-6), 1 - 1e-6)
    return float(np.clip(np.log(q / (1 - q)), -LIMIT, LIMIT))


def _sigmoid(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(x, -60, 60))))


def _dot(model: Linear, features: Sequence[float] | Vector) -> float:
    return float(np.dot(model.weights, np.asarray(features)[: len(model.weights)])) + model.bias
