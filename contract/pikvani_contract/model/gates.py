"""Names of the gates a model package must pass: who judges and who signs mean the same ones. Judges nothing."""

from __future__ import annotations

from typing import Literal

from pikvani_contract.model.manifest import Manifest, Metric

RUNTIMES = ("onnx", "tflite")
UNSEEN_PROTOCOL: Literal["cross-source"] = "cross-source"
PROTOCOLS = ("in-source", UNSEEN_PROTOCOL)
REFUSAL_PROTOCOL = "refusal"
REHEARSED_PROTOCOL = "rehearsed"
"""Of a network that took the last steps of training as this one did, but without the photographs it is measured on."""
REFUSED = "refused_at_90_kept"
MACRO_F1 = "macro-F1 in-source"
UNSEEN = "accuracy unseen source"
REFUSAL = "refusal"
LICENCES = "licences"
SPEED = "onnx speed to FP32"


def accuracy_of(source: str) -> str:
    """Accuracy on photographs of one source the model was trained on."""
    return f"accuracy {source}"


def calibration_of(protocol: str) -> str:
    """Expected calibration error."""
    return f"ECE {protocol}"


def refused_of(source: str) -> str:
    """Share of one kind of stranger refused while nine in ten of its own are kept."""
    return f"refused {source}"


def rehearsed_of(source: str) -> str:
    """What the last steps of training keep of a source: accuracy on it, or how often it is refused."""
    return f"rehearsed {source}"


def quantised_of(runtime: str) -> tuple[str, str, str]:
    """INT8 against FP32: same top label, accuracy lost, size."""
    return (
        f"{runtime} same top label as FP32",
        f"{runtime} accuracy lost, points",
        f"{runtime} size to FP32",
    )


def golden_of(runtime: str) -> str:
    """Golden cases give what they gave."""
    return f"golden cases, {runtime}"


def unmeasured_crops(manifest: Manifest) -> list[str]:
    """The crops of a package of which no accuracy is told."""
    told = {m.crop for m in manifest.metrics if (m.name, m.protocol) == ("accuracy", "in-source")}
    return [crop for crop in manifest.crops if crop not in told]


def protocols(manifest: Manifest) -> tuple[str, ...]:
    """What its confidence must be measured by."""
    return tuple(p for p in PROTOCOLS if p not in manifest.not_measured)


def rehearsed(manifest: Manifest) -> list[Metric]:
    """What is told of a rehearsal: accuracy and refusal, by source."""
    mine = [m for m in manifest.metrics if m.protocol == REHEARSED_PROTOCOL and m.source]
    return [m for m in mine if m.name in ("accuracy", REFUSED)]


def demanded(manifest: Manifest) -> tuple[str, ...]:
    """Every gate a package with this manifest has to pass, in the order it is judged."""
    sources = [m.source for m in manifest.metrics if (m.name, m.protocol) == ("accuracy", "in-source") and m.source]
    unseen = () if UNSEEN_PROTOCOL in manifest.not_measured else (UNSEEN,)
    strangers = [m.source for m in manifest.metrics if (m.name, m.protocol) == (REFUSED, REFUSAL_PROTOCOL)]
    return (
        MACRO_F1,
        *map(accuracy_of, (*sources, *unmeasured_crops(manifest))),
        *unseen,
        *map(calibration_of, protocols(manifest)),
        *(map(refused_of, strangers) if strangers else (REFUSAL,)),
        *(rehearsed_of(m.source) for m in rehearsed(manifest)),
        *(name for runtime in RUNTIMES for name in quantised_of(runtime)),
        SPEED,
        LICENCES,
        *map(golden_of, RUNTIMES),
    )
