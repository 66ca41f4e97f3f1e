"""The gates: a package passes all of them or must not be signed. Only judges; measuring stands in `packaging.py`.

Floors are below the bars of the product plan on purpose: a gate stops a regression, a bar is what is aimed for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pikvani_contract.model import gates as names
from pikvani_contract.model.golden import check_golden
from pikvani_contract.model.manifest import Manifest, Metric, Package, load_package
from pikvani_models.registry import BY_NAME, HELD_OUT_SOURCES
from pikvani_models.runners import onnx_invoke, tflite_invoke

MACRO_F1_FLOOR = 0.90
CROP_FLOORS = {"sugarcane": 0.88, "cotton": 0.95, "blackgram": 0.95, "chilli": 0.78}
OTHER_CROP_FLOOR = 0.75
CROSS_SOURCE_FLOOR = 0.60
ECE_CEILING = {"in-source": 0.06, "cross-source": 0.15}
REFUSED_FLOOR = 0.95
SIZE_CEILING = 0.28
DROP_CEILING = 0.5
SAME_TOP_FLOOR = 0.97
SPEED_FLOOR = 1.35


@dataclass(frozen=True)
class Gate:
    """One judgement: which gate, whether it passed, and the number against its bound."""

    name: str
    passed: bool
    detail: str


def validate(folder: Path) -> list[Gate]:
    """Judge a package.

    Raises:
        PackageError: The package cannot even be read.
    """
    package = load_package(folder)
    manifest = package.manifest
    return [
        *judge(manifest),
        _golden(package, "onnx", lambda: onnx_invoke(package.model_path("onnx"), manifest.binding("onnx"))),
        _golden(package, "tflite", lambda: tflite_invoke(package.model_path("tflite"), manifest.binding("tflite"))),
    ]


def judge(manifest: Manifest) -> list[Gate]:
    """Judge what a manifest says: every gate but the golden cases."""
    unknown = sorted(d.name for d in manifest.data if not d.licence)
    return [
        *_accuracy(manifest),
        *_calibration(manifest),
        *_refusal(manifest),
        *_rehearsed(manifest),
        *_quantised(manifest),
        Gate(names.LICENCES, bool(manifest.data) and not unknown, f"without a licence entry: {unknown or 'none'}"),
    ]


def _value(manifest: Manifest, name: str, protocol: str, source: str = "") -> float | None:
    for x in manifest.metrics:
        if (x.name, x.protocol, x.source) == (name, protocol, source):
            return x.value
    return None


def _least(name: str, value: float | None, floor: float) -> Gate:
    return Gate(name, value is not None and value >= floor, f"{_shown(value)}, at least {floor}")


def _most(name: str, value: float | None, ceiling: float) -> Gate:
    return Gate(name, value is not None and value <= ceiling, f"{_shown(value)}, at most {ceiling}")


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"


def _accuracy(manifest: Manifest) -> list[Gate]:
    gates = [_least(names.MACRO_F1, _value(manifest, "macro_f1", "in-source"), MACRO_F1_FLOOR)]
    for x in manifest.metrics:
        if x.name == "accuracy" and x.protocol == "in-source" and x.source:
            gates.append(_least(names.accuracy_of(x.source), x.value, _floor(x.crop)))
    gates += [_least(names.accuracy_of(crop), None, _floor(crop)) for crop in names.unmeasured_crops(manifest)]
    if names.UNSEEN_PROTOCOL not in manifest.not_measured:
        return [*gates, _least(names.UNSEEN, _value(manifest, "accuracy", names.UNSEEN_PROTOCOL), CROSS_SOURCE_FLOOR)]
    held = [name for name in HELD_OUT_SOURCES if BY_NAME[name].crop in manifest.crops]
    return [*gates, *(Gate(names.UNSEEN, False, f"said to be not measured, but {name} is held out") for name in held)]


def _floor(crop: str) -> float:
    return CROP_FLOORS.get(crop, OTHER_CROP_FLOOR)


def _calibration(manifest: Manifest) -> list[Gate]:
    told = ((p, _value(manifest, "ece", p)) for p in names.protocols(manifest))
    return [_most(names.calibration_of(p), value, ECE_CEILING[p]) for p, value in told]


def _refusal(manifest: Manifest) -> list[Gate]:
    found = [x for x in manifest.metrics if (x.name, x.protocol) == (names.REFUSED, names.REFUSAL_PROTOCOL)]
    if not found:
        return [Gate(names.REFUSAL, False, "not measured")]
    return [_least(names.refused_of(x.source), x.value, REFUSED_FLOOR) for x in found]


def _rehearsed(manifest: Manifest) -> list[Gate]:
    """The last steps, with every photograph, must not undo what was measured before them."""
    return [_least(names.rehearsed_of(x.source), x.value, _rehearsed_floor(x)) for x in names.rehearsed(manifest)]


def _rehearsed_floor(x: Metric) -> float:
    if x.name == names.REFUSED:
        return REFUSED_FLOOR
    return CROSS_SOURCE_FLOOR if x.source in HELD_OUT_SOURCES else _floor(x.crop)


def _quantised(manifest: Manifest) -> list[Gate]:
    gates = []
    for runtime in names.RUNTIMES:
        a = manifest.agreement.get(runtime)
        same_top, lost, size = names.quantised_of(runtime)
        gates += [
            _least(same_top, a and a.top1, SAME_TOP_FLOOR),
            _most(lost, a and a.accuracy_drop, DROP_CEILING),
            _most(size, a and a.size_ratio, SIZE_CEILING),
        ]
    onnx = manifest.agreement.get("onnx")
    return [*gates, _least(names.SPEED, onnx and onnx.speed_ratio, SPEED_FLOOR)]


def _golden(package: Package, runtime: str, build: Callable[[], object]) -> Gate:
    results = check_golden(package, build())  # type: ignore[arg-type]
    worst = max(r.error for r in results)
    return Gate(names.golden_of(runtime), all(r.passed for r in results), f"worst distance {worst:.3f}")
