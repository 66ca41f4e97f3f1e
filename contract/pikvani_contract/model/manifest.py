"""The model package: `manifest.json` as typed structures, and a reader that refuses what does not fit.

A package is a folder with `model.onnx`, `model.tflite`, `manifest.json`, `MODEL_CARD.md` and `golden/`. The
signature is not checked here (TUF does that); what is checked is that the folder holds exactly what its manifest
says. Nothing is written and no model is run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pikvani_contract.errors import ContractError

SCHEMA = 1
MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 2_000_000
MAX_FILE_BYTES = 64_000_000
MAX_FILES = 256

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
LabelId = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}/[a-z_]{1,60}$")]
Version = Annotated[str, Meta(pattern=r"^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class PackageError(ContractError):
    """A model package cannot be used; the message says what, in which file, and what to do."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all parts of a manifest."""


class FileEntry(Part, frozen=True):
    """One file of the package: path relative to it, SHA-256 and size in bytes."""

    path: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,120}$")]
    sha256: Sha256
    size: Annotated[int, Meta(ge=0, le=MAX_FILE_BYTES)]


class ViewSpec(Part, frozen=True):
    """One look at a photograph.

    `share` is the side of the square cut out, relative to the photograph's short side. `focus` is where its
    centre lies: "centre", or "map" (the peak of the class map of the view before). A view with `when` "unsure" is
    taken only where the confidence after the views before it is below `Decision.second_view_below`.
    """

    name: str
    share: Annotated[float, Meta(gt=0.0, le=1.0)]
    focus: Literal["centre", "map"]
    when: Literal["always", "unsure"]


class InputSpec(Part, frozen=True):
    """The model's input: RGB float32 `[1, size, size, 3]`, value `(pixel - mean) / std` of pixels 0..255.

    Both model files take this layout. A file whose input tensor is integer is fed by its adapter with
    `round(value / scale) + zero_point`, read from the file.
    """

    size: Annotated[int, Meta(ge=32, le=1024, multiple_of=32)]
    layout: Literal["NHWC"]
    colour: Literal["RGB"]
    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]
    resize: Literal["area"]
    views: Annotated[tuple[ViewSpec, ...], Meta(min_length=1, max_length=4)]


class Outputs(Part, frozen=True):
    """Shapes of the three outputs: `logits [1, classes]`, `maps [1, side, side, classes]`, `embedding [1, embedding]`.

    `logits` is the mean of `maps` over space, so the map of a label is its class activation map.
    """

    classes: Annotated[int, Meta(ge=2, le=1000)]
    side: Annotated[int, Meta(ge=1, le=64)]
    embedding: Annotated[int, Meta(ge=1, le=128)]


class Binding(Part, frozen=True):
    """How to reach the tensors in one model file.

    `input`, `logits`, `maps` and `embedding` are tensor names: for `onnx` those of the graph, for `tflite` the
    `name` in `Interpreter.get_input_details()` and `get_output_details()`.
    """

    runtime: Literal["onnx", "tflite"]
    file: str
    input: str
    logits: str
    maps: str
    embedding: str


class Linear(Part, frozen=True):
    """A logistic regression: `sigmoid(bias + weights . features)`."""

    weights: Annotated[tuple[float, ...], Meta(min_length=1, max_length=16)]
    bias: float


class Elsewhere(Part, frozen=True):
    """How sure to be, for crops that were learnt from laboratory photographs alone, of one from no laboratory.

    A photograph is from elsewhere where `likeness_bias + likeness_weights . embedding`, which tells the laboratory's
    photographs from the field's, is below `below`; of a case's photographs the mean counts. `known` and `open` are as
    in `Confidence`, of the first feature alone, and take their place.
    """

    crops: tuple[str, ...]
    likeness_weights: tuple[float, ...]
    likeness_bias: float
    below: float
    known: Linear
    open: Linear


class Confidence(Part, frozen=True):
    """Confidence calibration, fitted on validation photographs (held-out sources and refusals among them).

    `temperature` divides the logits (per crop where the crop is known). `known` and `open` give the probability that
    the named condition is right, when the crop is known and when it is not, from the seven features of
    `posterior.confidence_features`, or from the first three of them. `crop_bias` is added for a crop.
    `elsewhere` says for which crops and photographs another calibration counts.
    """

    temperature: Positive
    crop_temperature: dict[str, Positive]
    known: Linear
    open: Linear
    crop_bias: dict[str, float]
    elsewhere: Elsewhere | None = None


class Refusal(Part, frozen=True):
    """The out-of-distribution score: a logistic regression over four features of `posterior.refusal_features`.

    `centres [labels without none][embedding]` and `precision [embedding]` give the Mahalanobis distance (diagonal, in
    the embedding, whose projection is already whitened) to the nearest label.
    """

    model: Linear
    centres: tuple[tuple[float, ...], ...]
    precision: tuple[float, ...]
    leaf_below: Share


class Thresholds(Part, frozen=True):
    """Answer at or above `answer`; ask for another photograph at or above `more`; else refuse."""

    answer: Share
    more: Share


class Repeats(Part, frozen=True):
    """How several photographs of one leaf are told, and that they prove less than as many leaves.

    `exponent` counts instead of `decision.fusion_exponent` where the photographs' embeddings lie at most `alike` from
    each other (`posterior.apartness`), that one from `apart` on, and a mean of both between.
    """

    alike: Positive
    apart: Positive
    exponent: Share


class Decision(Part, frozen=True):
    """When to answer. `risk` is the share of wrong answers the thresholds were chosen for, on held-out sources."""

    risk: Share
    overall: Thresholds
    crops: dict[str, Thresholds]
    second_view_below: Share
    max_photos: Annotated[int, Meta(ge=1, le=6)]
    fusion_exponent: Share
    repeats: Repeats | None = None


class ReferenceSketch(Part, frozen=True):
    """What the model saw and said while it was made, to judge drift against.

    Attributes:
        count: Photographs it was made of.
        embedding_mean: Mean of each embedding dimension.
        embedding_std: Standard deviation of each embedding dimension.
        confidence_histogram: Share of photographs in ten equal bins of confidence.
        label_share: Share of photographs named as each label.
    """

    count: int
    embedding_mean: tuple[float, ...]
    embedding_std: tuple[float, ...]
    confidence_histogram: Annotated[tuple[float, ...], Meta(min_length=10, max_length=10)]
    label_share: dict[str, float]


class Requires(Part, frozen=True):
    """What a device must have: at least one of the runtimes, and at least this version of the software."""

    runtimes: dict[str, str]
    app: Version


class DataSource(Part, frozen=True):
    """One set of photographs the model was trained on."""

    name: str
    crop: str
    kind: Literal["field", "laboratory", "web", "scene"]
    licence: str
    photographs: int
    redistributable: bool


class Metric(Part, frozen=True):
    """One measured number: what (`accuracy`, `macro_f1`, `ece` ...), on which `protocol`, of which crop or source."""

    name: str
    protocol: str
    value: float
    count: int
    crop: str = ""
    source: str = ""


class Agreement(Part, frozen=True):
    """INT8 against FP32: share of equal top labels, drop of accuracy in points, size ratio, speed ratio (or 0)."""

    photographs: int
    top1: Share
    accuracy_drop: float
    size_ratio: Positive
    speed_ratio: float


class Manifest(Part, frozen=True, omit_defaults=True):
    """The whole of `manifest.json`. `labels` are in the order of the logits; the refusal label is `none/background`.

    `not_measured` names what could not be measured because no source of the package's crops is held out of training.
    """

    schema: int
    name: str
    version: Version
    created_at: str
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=1, max_length=MAX_FILES)]
    input: InputSpec
    outputs: Outputs
    bindings: Annotated[tuple[Binding, ...], Meta(min_length=1, max_length=8)]
    labels: Annotated[tuple[LabelId, ...], Meta(min_length=2, max_length=1000)]
    confidence: Confidence
    refusal: Refusal
    decision: Decision
    reference: ReferenceSketch
    requires: Requires
    data: tuple[DataSource, ...]
    metrics: tuple[Metric, ...]
    agreement: dict[str, Agreement]
    quantisation: dict[str, str]
    laboratory_only: tuple[str, ...] = ()
    not_measured: tuple[Literal["cross-source"], ...] = ()

    @property
    def crops(self) -> tuple[str, ...]:
        """Crops the model knows, in alphabetical order."""
        return tuple(sorted({label.split("/")[0] for label in self.labels} - {"none"}))

    def binding(self, runtime: Literal["onnx", "tflite"]) -> Binding:
        """The binding of a runtime.

        Raises:
            PackageError: The package has no file for it.
        """
        for binding in self.bindings:
            if binding.runtime == runtime:
                return binding
        have = ", ".join(b.runtime for b in self.bindings)
        raise PackageError(f"{MANIFEST_FILE} has no model for runtime {runtime} (it has {have}): choose one of these")


@dataclass(frozen=True)
class Package:
    """A package that was read and fits its manifest."""

    folder: Path
    manifest: Manifest

    def model_path(self, runtime: Literal["onnx", "tflite"]) -> Path:
        """Path of the model file for a runtime (raises `PackageError` where there is none)."""
        return self.folder / self.manifest.binding(runtime).file


def parse_manifest(data: bytes) -> Manifest:
    """Read and check `manifest.json`.

    Raises:
        PackageError: It is not JSON, of another schema, or its parts do not fit one another.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise PackageError(f"{MANIFEST_FILE} has {len(data)} bytes, more than {MAX_MANIFEST_BYTES}: not a manifest")
    try:
        schema = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).get("schema")
        if schema is None or int(bytes(schema)) != SCHEMA:
            shown = "none" if schema is None else bytes(schema).decode(errors="replace")[:20]
            raise PackageError(f"{MANIFEST_FILE} has schema {shown}, this software reads {SCHEMA}: update the software")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, ValueError) as error:
        raise PackageError(f"{MANIFEST_FILE} does not validate: {error}; rebuild the package") from error
    _check_fit(manifest)
    return manifest


def _check_fit(m: Manifest) -> None:
    wrong: list[str] = []
    if len(set(m.labels)) != len(m.labels):
        wrong.append("labels repeat")
    if m.outputs.classes != len(m.labels):
        wrong.append(f"outputs.classes is {m.outputs.classes}, but there are {len(m.labels)} labels")
    if m.outputs.side * 32 != m.input.size:
        wrong.append(f"outputs.side {m.outputs.side} does not fit input.size {m.input.size} (side is size / 32)")
    named = sum(not label.startswith("none/") for label in m.labels)
    if len(m.refusal.centres) != named:
        wrong.append(f"refusal.centres has {len(m.refusal.centres)} rows for {named} labels outside none/")
    lengths = {len(row) for row in m.refusal.centres} | {len(m.refusal.precision)}
    lengths |= {len(m.reference.embedding_mean), len(m.reference.embedding_std)}
    sizes = [
        ("refusal.model", m.refusal.model, (4,)),
        ("confidence.known", m.confidence.known, (3, 7)),
        ("confidence.open", m.confidence.open, (3, 7)),
    ]
    rule = m.confidence.elsewhere
    if rule is not None:
        lengths.add(len(rule.likeness_weights))
        sizes += [("confidence.elsewhere", rule.known, (1,)), ("confidence.elsewhere", rule.open, (1,))]
    repeats = m.decision.repeats
    if repeats is not None and repeats.apart <= repeats.alike:
        wrong.append(f"decision.repeats.apart {repeats.apart} is not above decision.repeats.alike {repeats.alike}")
    if lengths != {m.outputs.embedding}:
        wrong.append(f"vectors of lengths {sorted(lengths)} where outputs.embedding is {m.outputs.embedding}")
    for where, model, expected in sizes:
        if len(model.weights) not in expected:
            wrong.append(f"{where} has {len(model.weights)} weights, not {' or '.join(map(str, expected))}")
    files = {entry.path for entry in m.files}
    wrong += [f"bindings name {b.file}, which files does not list" for b in m.bindings if b.file not in files]
    wrong += [f"file path {p} leaves the package" for p in files if ".." in p.split("/")]
    named_crops = {*m.decision.crops, *m.confidence.crop_bias, *m.confidence.crop_temperature}
    strangers = named_crops.union(rule.crops if rule else ()) - set(m.crops)
    if strangers:
        wrong.append(f"unknown crops {sorted(strangers)}")
    if measured := sorted({x.protocol for x in m.metrics} & set(m.not_measured)):
        wrong.append(f"metrics of {', '.join(measured)}, which is said to be not measured")
    if any(t.more > t.answer for t in (m.decision.overall, *m.decision.crops.values())):
        wrong.append("decision: more is above answer")
    if m.input.views[0].when != "always" or m.input.views[0].focus != "centre":
        wrong.append("input.views: the first view must be always and centre")
    if wrong:
        raise PackageError(f"{MANIFEST_FILE} contradicts itself: {'; '.join(wrong)}; rebuild the package")


def load_package(folder: Path) -> Package:
    """Read a package and verify that every file it lists is there, of that size and hash.

    Raises:
        PackageError: Anything is missing, changed, oversize or contradictory.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise PackageError(f"{folder} holds no {MANIFEST_FILE}: give the folder of a model package")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise PackageError(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes: not a manifest")
    manifest = parse_manifest(path.read_bytes())
    for entry in manifest.files:
        file = folder / entry.path
        if not file.is_file():
            raise PackageError(f"{file} is listed in {MANIFEST_FILE} but missing: fetch the package again")
        size = file.stat().st_size
        if size != entry.size:
            raise PackageError(f"{file} has {size} bytes, {MANIFEST_FILE} says {entry.size}: fetch the package again")
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != entry.sha256:
            raise PackageError(f"{file} differs from its hash in {MANIFEST_FILE}: fetch the package again")
    return Package(folder, manifest)
