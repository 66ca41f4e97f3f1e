"""Golden cases of a package: drawn pictures with expected logits, checked before a package is trusted to run.

INT8 arithmetic differs between runtimes and processors, so logits are compared by their distance relative to their
spread, not bit by bit. A broken file, a wrong preprocessing or mixed-up outputs are far beyond the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from pikvani_contract.model.inference import Invoke
from pikvani_contract.model.manifest import Package, PackageError
from pikvani_contract.model.preprocess import model_input

CASES_FILE = "cases.json"
LOGIT_TOLERANCE = 0.35
MAX_CASES_BYTES = 1_000_000


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One drawn picture beside `cases.json` and the logits expected of its first view."""

    image: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,60}\.png$")]
    logits: tuple[float, ...]


class Cases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`golden/cases.json`. `tolerance` bounds `rms(got - expected) / std(expected)`."""

    about: str
    tolerance: Annotated[float, Meta(gt=0.0, le=1.0)]
    cases: Annotated[tuple[Case, ...], Meta(min_length=1, max_length=64)]


@dataclass(frozen=True)
class GoldenResult:
    """How one case came out: `error` is the relative distance, `passed` whether it is within the tolerance."""

    image: str
    error: float
    passed: bool


def check_golden(package: Package, invoke: Invoke) -> list[GoldenResult]:
    """Run every golden case of a package through a runtime.

    Raises:
        PackageError: The cases are missing or unreadable, or do not fit the labels.
    """
    folder = package.folder / "golden"
    path = folder / CASES_FILE
    try:
        if path.stat().st_size > MAX_CASES_BYTES:
            raise PackageError(f"{path} is larger than {MAX_CASES_BYTES} bytes: fetch the package again")
        golden = msgspec.json.decode(path.read_bytes(), type=Cases)
    except (OSError, msgspec.MsgspecError) as error:
        raise PackageError(f"{path} cannot be read ({error}): fetch the package again") from error
    results = []
    spec = package.manifest.input
    for case in golden.cases:
        bgr = cv2.imread(str(folder / case.image), cv2.IMREAD_COLOR)
        if bgr is None or len(case.logits) != len(package.manifest.labels):
            raise PackageError(f"{folder / case.image} does not fit {path}: fetch the package again")
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
        got = invoke(model_input(rgb, spec, spec.views[0]))["logits"][0]
        expected = np.array(case.logits)
        distance = float(np.sqrt(((got - expected) ** 2).mean()) / (expected.std() + 1e-6))
        results.append(GoldenResult(case.image, distance, distance <= golden.tolerance))
    return results
