"""What a package says of photographs, collected once, and the numbers drawn from it.

Pure but for reading photographs; fitting stands in `fitting.py`, gates in `validation.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.gates import REFUSAL_PROTOCOL, REFUSED
from pikvani_contract.model.inference import Invoke, look
from pikvani_contract.model.manifest import Manifest, Metric
from pikvani_contract.model.posterior import Diagnosis, Evidence, decide
from pikvani_models.photos import read_rgb
from pikvani_models.records import Record
from pikvani_models.registry import BY_NAME, NONE

FLOOR_KEPT = 0.9
KEPT_BAR = "bar_at_90_kept"
NEVER_SHOWN = "refused_never_shown"


@dataclass(frozen=True)
class Seen:
    """One photograph and what the model said of it: first view only, and with every view the manifest has."""

    record: Record
    first: Evidence
    every: Evidence


@dataclass(frozen=True)
class Answer:
    """One photograph's truth and the two diagnoses of it: crop known (None for a refusal picture) and open."""

    record: Record
    known: Diagnosis | None
    open: Diagnosis

    @property
    def right(self) -> bool:
        """Whether the named condition is right with the crop known."""
        return self.known is not None and matches(self.record, self.known.label)


def matches(record: Record, label: str) -> bool:
    """Whether a label is right for a photograph.

    `cotton_zade_field` does not name its disease: there every cotton disease is right for "diseased".
    """
    if record.label == "cotton/diseased_unspecified":
        return label.startswith("cotton/") and not label.endswith("/healthy")
    return label == record.label


def collect(
    manifest: Manifest,
    root: Path,
    records: Sequence[Record],
    invoke: Invoke,
    picture: Callable[[int], NDArray[np.uint8]] | None = None,
) -> list[Seen]:
    """Run the model over photographs, with progress on standard error.

    Args:
        manifest: of the package.
        root: of the photographs.
        records: which.
        invoke: runs the model.
        picture: gives the pixels of a record by its place in `records`, instead of the photograph as it lies.
    """
    seen = []
    for i, record in enumerate(records):
        rgb = read_rgb(root / record.path) if picture is None else picture(i)
        crop = record.label.split("/")[0] if record.label != NONE else None
        first: list[Evidence] = []

        def noting(view: NDArray[np.float32], kept: list[Evidence] = first) -> dict[str, NDArray[np.float32]]:
            outputs = dict(invoke(view))
            if not kept:
                logits = outputs["logits"][0].astype(np.float64)
                kept.append(Evidence(logits, outputs["embedding"][0].astype(np.float64), outputs["maps"][0]))
            return outputs

        every = look(manifest, rgb, noting, crop)
        seen.append(Seen(record, first[0], every))
        if i % 250 == 249:
            print(f"looked at {i + 1} of {len(records)} photographs", file=sys.stderr)
    return seen


def answers(manifest: Manifest, seen: Iterable[Seen]) -> list[Answer]:
    """Diagnose each photograph as the device would: the second view only where the first leaves doubt."""
    out = []
    for s in seen:
        crop = s.record.label.split("/")[0] if s.record.label != NONE else None
        out.append(Answer(s.record, _diagnose(manifest, s, crop) if crop else None, _diagnose(manifest, s, None)))
    return out


def _diagnose(manifest: Manifest, s: Seen, crop: str | None) -> Diagnosis:
    first = decide(manifest, [s.first], crop)
    if first.confidence >= manifest.decision.second_view_below or s.every.views == 1:
        return first
    return decide(manifest, [s.every], crop)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over equal-width bins (Guo et al. 2017)."""
    if not len(confidence):
        return 0.0
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[place == b].mean() - right[place == b].mean()) * (place == b).mean()
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))


def macro_f1(truth: Sequence[str], said: Sequence[str]) -> float:
    """Mean F1 over the labels that occur in `truth`."""
    t, s = np.array(truth), np.array(said)
    scores = []
    for label in sorted(set(truth)):
        hit = float(((t == label) & (s == label)).sum())
        scores.append(2 * hit / max(float((t == label).sum() + (s == label).sum()), 1.0))
    return float(np.mean(scores)) if scores else 0.0


def crop_metrics(given: Sequence[Answer], protocol: str) -> list[Metric]:
    """Accuracy (known, open), macro-F1, calibration error, share answered and right among them, per source."""
    out: list[Metric] = []
    names = sorted({a.record.source for a in given if a.known})
    for name in [*names, ""]:
        part = [a for a in given if a.known and (not name or a.record.source == name)]
        if not part:
            continue
        crop = BY_NAME[name].crop if name else ""
        diagnoses = [(a, a.known) for a in part if a.known]
        right = np.array([a.right for a in part])
        confidence = np.array([d.confidence for _, d in diagnoses])
        answered = np.array([d.decision == "answer" for _, d in diagnoses])
        canonical = [a.record.label if matches(a.record, d.label) else d.label for a, d in diagnoses]
        values = {
            "accuracy": right.mean(),
            "accuracy_open": np.mean([matches(a.record, a.open.label) for a in part]),
            "macro_f1": macro_f1([a.record.label for a in part], canonical),
            "ece": calibration_error(confidence, right),
            "mean_confidence": confidence.mean(),
            "answered": answered.mean(),
            "right_of_answered": right[answered].mean() if answered.any() else 0.0,
        }
        out += [Metric(k, protocol, round(float(v), 4), len(part), crop, name) for k, v in values.items()]
    return out


def cases_of(seen: Sequence[Seen], photographs: int) -> list[list[Seen]]:
    """Cases of photographs of one source and label, as they come: other plants of the same field.

    A multiple of `photographs` of each; what is left over is in no case.
    """
    groups: dict[tuple[str, str], list[Seen]] = {}
    for s in seen:
        if s.record.label != NONE:
            groups.setdefault((s.record.source, s.record.label), []).append(s)
    return [
        part[start : start + photographs]
        for part in groups.values()
        for start in range(0, len(part) - photographs + 1, photographs)
    ]


def case_metrics(manifest: Manifest, seen: Sequence[Seen], protocol: str, photographs: int) -> list[Metric]:
    """What fusing a case's photographs gives: accuracy, share answered and right among them, the crop known.

    Cases are those of `cases_of`: other plants of the same field, so they are less alike than a farmer's own.
    """
    cases = cases_of(seen, photographs)
    if not cases:
        return []
    said = [decide(manifest, [s.first for s in case], case[0].record.label.split("/")[0]) for case in cases]
    right = np.array([matches(case[0].record, d.label) for case, d in zip(cases, said, strict=True)])
    answered = np.array([d.decision == "answer" for d in said])
    values = {
        "accuracy": right.mean(),
        "answered": answered.mean(),
        "right_of_answered": right[answered].mean() if answered.any() else 0.0,
    }
    name = f"{protocol}, cases of {photographs}"
    return [Metric(k, name, round(float(v), 4), len(cases), "", "") for k, v in values.items()]


def refusal_metrics(known: Sequence[Answer], strangers: Sequence[Answer]) -> list[Metric]:
    """Share of each refusal source below the confidence that keeps 90% of the known field photographs (open).

    Where the crops have no photograph from a field, 90% of those there are: the card says so.

    The bar itself stands among them as `bar_at_90_kept`, so that other folders can be judged by the same.
    """
    field = [a for a in known if BY_NAME[a.record.source].kind == "field"] or known
    if not field:
        return []
    bar = float(np.quantile([a.open.confidence for a in field], 1 - FLOOR_KEPT))
    refused = [Metric(REFUSED, REFUSAL_PROTOCOL, share, n, "", name) for name, share, n in _below(bar, strangers)]
    return [Metric(KEPT_BAR, REFUSAL_PROTOCOL, round(bar, 4), len(field), "", ""), *refused]


def never_shown_metrics(manifest: Manifest, strangers: Sequence[Answer], protocol: str) -> list[Metric]:
    """Share of each source that was never shown below the package's own bar, its name after `protocol`.

    No gate asks for it: it is to be read how often a crop that nobody photographed here is taken for a known one.
    """
    bar = next((x.value for x in manifest.metrics if x.name == KEPT_BAR), None)
    if bar is None:
        return []
    told = _below(bar, strangers)
    return [Metric(NEVER_SHOWN, f"{protocol}{name}", share, n, "", "") for name, share, n in told]


def _below(bar: float, strangers: Sequence[Answer]) -> list[tuple[str, float, int]]:
    """Of each source the share whose open confidence is below `bar`, and how many photographs it has."""
    out = []
    for name in sorted({a.record.source for a in strangers}):
        part = np.array([a.open.confidence for a in strangers if a.record.source == name])
        out.append((name, round(float((part < bar).mean()), 4), len(part)))
    return out
