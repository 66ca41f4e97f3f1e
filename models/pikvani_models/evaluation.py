"""Evaluating a package on a folder of photographs: `FOLDER/<crop>/<condition>/*.jpg`, as the device would answer.

In-source and cross-source differ in what the numbers mean, not in how they are measured; refusal takes every
photograph under the folder for something that must be refused, and ranks by open confidence.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pikvani_contract.model.inference import look
from pikvani_contract.model.manifest import Manifest, Package
from pikvani_contract.model.posterior import Diagnosis, decide
from pikvani_models.measuring import KEPT_BAR, calibration_error, macro_f1
from pikvani_models.photos import read_rgb
from pikvani_models.records import DataError
from pikvani_models.registry import BY_NAME
from pikvani_models.runners import onnx_invoke

Protocol = Literal["in-source", "cross-source", "refusal"]
SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class Report:
    """Numbers of one folder. Those that the protocol does not ask for are None."""

    protocol: str
    photographs: int
    answered: float
    mean_confidence: float
    accuracy: float | None = None
    accuracy_open: float | None = None
    macro_f1: float | None = None
    ece: float | None = None
    right_of_answered: float | None = None
    crops: dict[str, float] | None = None
    refused_at_90_kept: float | None = None

    def document(self) -> dict[str, object]:
        """As JSON's types, without what was not asked for."""
        return {k: v for k, v in asdict(self).items() if v is not None}


def evaluate(package: Package, folder: Path, protocol: Protocol) -> Report:
    """Run a package over a folder.

    Raises:
        DataError: The folder holds no photograph, or names a label the model does not know.
    """
    manifest = package.manifest
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{folder} holds no photograph (.jpg, .jpeg, .png): give a folder with some")
    invoke = onnx_invoke(package.model_path("onnx"), manifest.binding("onnx"))
    rows: list[tuple[str, Diagnosis, Diagnosis]] = []
    for i, path in enumerate(found):
        truth = "" if protocol == "refusal" else label_of(manifest, folder, path)
        rgb = read_rgb(path)
        opened = decide(manifest, [look(manifest, rgb, invoke)])
        crop = truth.split("/")[0]
        known = decide(manifest, [look(manifest, rgb, invoke, crop)], crop) if truth else opened
        rows.append((truth, known, opened))
        if i % 250 == 249:
            print(f"looked at {i + 1} of {len(found)} photographs", file=sys.stderr)
    bar = next((x.value for x in manifest.metrics if x.name == KEPT_BAR), None)
    return summary(protocol, rows, bar)


def label_of(manifest: Manifest, folder: Path, path: Path) -> str:
    """The label a photograph's place gives it: `crop/condition`, or a source of the registry and its class folder.

    Raises:
        DataError: It gives none the model knows.
    """
    parts = path.relative_to(folder).parts
    for outer, inner in zip((folder.name, *parts), parts[:-1], strict=False):
        if f"{outer}/{inner}" in manifest.labels:
            return f"{outer}/{inner}"
        source = BY_NAME.get(outer)
        if source is not None and inner in source.classes and source.label(inner) in manifest.labels:
            return source.label(inner)
    raise DataError(
        f"{path}: its folders name no label of the model (crops {', '.join(manifest.crops)}); "
        "arrange them as CROP/CONDITION"
    )


def summary(protocol: Protocol, rows: list[tuple[str, Diagnosis, Diagnosis]], bar: float | None = None) -> Report:
    """Numbers of `(true label, diagnosis with the crop known, open diagnosis)`.

    Args:
        protocol: which numbers.
        rows: a photograph each.
        bar: open confidence that keeps 90% of the package's own field photographs; for refusal.
    """
    answered = np.array([k.decision == "answer" for _, k, _ in rows])
    confidence = np.array([k.confidence for _, k, _ in rows])
    base = (protocol, len(rows), float(answered.mean()), float(confidence.mean()))
    if protocol == "refusal":
        below = None if bar is None else float((np.array([o.confidence for _, _, o in rows]) < bar).mean())
        return Report(*base, refused_at_90_kept=below)
    right = np.array([_right(t, k.label) for t, k, _ in rows])
    crops = np.array([t.split("/")[0] for t, _, _ in rows])
    said = [t if _right(t, k.label) else k.label for t, k, _ in rows]
    return Report(
        *base,
        accuracy=float(right.mean()),
        accuracy_open=float(np.mean([_right(t, o.label) for t, _, o in rows])),
        macro_f1=macro_f1([t for t, _, _ in rows], said),
        ece=calibration_error(confidence, right),
        right_of_answered=float(right[answered].mean()) if answered.any() else 0.0,
        crops={str(c): float(right[crops == c].mean()) for c in sorted(set(crops))},
    )


def _right(truth: str, label: str) -> bool:
    if truth == "cotton/diseased_unspecified":
        return label.startswith("cotton/") and not label.endswith("/healthy")
    return truth == label
