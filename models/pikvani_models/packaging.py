"""Weights to a model package: export, quantise, fit, measure, golden cases, card, manifest. The pipeline's last stage.

Every number in the manifest and the card comes from the quantised ONNX file that is shipped. The order matters: the
manifest is first written with neutral values so that the same code that runs on the device can collect outputs.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model import gates
from pikvani_contract.model import manifest as m
from pikvani_contract.model.inference import Invoke
from pikvani_contract.model.posterior import Evidence
from pikvani_contract.model.preprocess import model_input
from pikvani_models import augment, export, features, figures, fitting, leaving, measuring
from pikvani_models.agreement import with_agreement
from pikvani_models.card import write_card
from pikvani_models.golden import write_golden
from pikvani_models.looks import PAINTED
from pikvani_models.network import EMBEDDING
from pikvani_models.pair import PairedNet
from pikvani_models.photos import read_rgb
from pikvani_models.records import DataError, Record, data_root, half_of, scan
from pikvani_models.registry import BY_NAME, HELD_OUT_SOURCES, NONE
from pikvani_models.runners import onnx_invoke
from pikvani_models.scope import Scope, require_enough
from pikvani_models.stream import TrainingStream
from pikvani_models.tracking import tracked
from pikvani_models.weights import load, load_net

PER_LABEL = 40
WORN_SEED = 11
AGAIN_SEED = 13
VIEWS = (m.ViewSpec("whole", 1.0, "centre", "always"), m.ViewSpec("closer", 0.7, "map", "unsure"))


@dataclass(frozen=True)
class BuildSpec:
    """What to build: weights, input side in pixels, version, the manifest to take fitted parts from, if any, the
    weights of a second network whose symptoms laboratory crops borrow, if any, and what the weights were kept from, if
    anything (`leaving.py`): then nothing is fitted on it, and it is measured as a farm never seen. The figures of such
    packages, `left_out_from` their manifests, of the same labels or fewer, go into this one's.
    """

    weights: Path
    size: int
    version: str
    created_at: str
    fitted_from: Path | None = None
    lender: Path | None = None
    leave_out: str | None = None
    left_out_from: tuple[Path, ...] = ()


def build(spec: BuildSpec, folder: Path) -> m.Manifest:
    """Build a package of what the weights are of in `folder` (its files are replaced) and return its manifest.

    Raises:
        DataError: photographs are missing, too few, or the weights or the fitted manifest are of something else.
    """
    root = data_root()
    scope, net = load_net(spec.weights, spec.lender)
    records = scan(root, scope.sources)
    require_enough(records, scope)
    left: list[Record] = []
    if spec.leave_out is not None:
        records, left = leaving.parted(root, records, spec.leave_out)
    given = None if spec.fitted_from is None else _fitted(spec.fitted_from, scope)
    rehearsal = rehearsal_of(spec)
    farms = [x for path in spec.left_out_from for x in leaving.told_by(path, scope)]
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _neutral(spec, scope)
    say(f"embedding and quantisation views of {scope.told()}")
    trained = [r for r in records if r.split == "train" and r.source not in HELD_OUT_SOURCES]
    sample = per_label(trained, scope.labels)
    views = [model_input(read_rgb(root / r.path), manifest.input, VIEWS[0]) for r in sample]
    features.set_projection(net, features.pooled_features(net, views))
    seen = [r for r in records if r.split == "val" and r.source not in HELD_OUT_SOURCES]
    pictures = [model_input(read_rgb(root / r.path), manifest.input, VIEWS[0]) for r in seen]
    if isinstance(net, PairedNet):
        say("where a laboratory's crops borrow")
        laboratory = [BY_NAME[r.source].kind == "laboratory" for r in seen]
        features.set_elsewhere(net, features.pooled_features(net, pictures), laboratory)
    few = views[:: 2 * max(1, len(views) // 240)]
    others = pictures[:: len(pictures) // 240 + 1]
    fp32 = folder.parent / f"{folder.name}.fp32.onnx"
    say("ONNX, FP32 and INT8")
    export.to_onnx(net, spec.size, fp32)
    ranges = export.best_onnx(fp32, folder / "model.onnx", few, others)
    say("TFLite, INT8")
    tflite = export.to_tflite(net, spec.size, folder / "model.tflite", few, others)
    onnx = m.Binding("onnx", "model.onnx", "image", "logits", "maps", "embedding")
    manifest = msgspec.structs.replace(manifest, bindings=(onnx, tflite))
    invoke = onnx_invoke(folder / "model.onnx", onnx, threads=2)
    manifest = _fit_and_measure(
        manifest, given, root, records, sample, invoke, folder.parent / f"{folder.name}.figures"
    )
    strangers = [] if given is not None else leaving.never_shown(root, scope)
    if left or strangers:
        say(f"what was left out: {len(left)} photographs; of crops never shown: {len(strangers)}")
        farms += leaving.figures(manifest, root, spec.leave_out, [*left, *strangers], invoke)
    if rehearsal:
        say("what was kept from the rehearsal")
        farms += leaving.rehearsed(manifest, root, records, invoke)
    farms = [x for x in farms if x not in manifest.metrics]
    manifest = msgspec.structs.replace(manifest, metrics=(*manifest.metrics, *farms))
    test = [r for r in records if r.split == "test" and r.label != NONE]
    say("INT8 against FP32")
    manifest = with_agreement(manifest, folder, fp32, root, test)
    how = {"onnx": f"static QDQ, per-channel, {ranges}", "tflite": "static_wi8_ai8", "photographs": str(len(few))}
    if given is not None:
        how["went_on"] = "with the test photographs left out" if rehearsal else "with every photograph"
    if spec.lender is not None:
        how["network"] = "two EfficientNet-Lite0 side by side, the second for crops of laboratories alone"
        if painted := _painted(spec.lender, scope):
            how["painted"] = ", ".join(painted)
    manifest = msgspec.structs.replace(manifest, quantisation=how)
    golden = write_golden(manifest, onnx_invoke(folder / "model.onnx", onnx), folder / "golden")
    card = folder / "MODEL_CARD.md"
    write_card(manifest, card)
    files = [folder / "model.onnx", folder / "model.tflite", card, *golden]
    entries = tuple(_entry(folder, path) for path in files)
    manifest = msgspec.structs.replace(manifest, files=entries)
    (folder / m.MANIFEST_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    m.load_package(folder)
    _log(manifest, spec, folder)
    return manifest


def rehearsal_of(spec: BuildSpec) -> bool:
    """Whether the weights are those of a rehearsal. Weights of before they remembered their recipe say nothing.

    Raises:
        DataError: They saw what would be fitted or measured on.
    """
    recipes = {load(path)[1].get("recipe") for path in (spec.weights, spec.lender) if path}
    if gates.REHEARSED_PROTOCOL in recipes and len(recipes) > 1:
        raise DataError(f"{spec.weights} and {spec.lender} are not of one recipe: rehearse with both, or with none")
    if spec.fitted_from is None and (saw := recipes & {gates.REHEARSED_PROTOCOL, "shipped"}):
        raise DataError(
            f"weights of recipe {saw.pop()} saw the photographs that are fitted on: give --fitted-from the manifest of "
            "the measured package"
        )
    return gates.REHEARSED_PROTOCOL in recipes


def _painted(lender: Path, scope: Scope) -> list[str]:
    """The crops of which a lender saw painted diseases instead of a laboratory's."""
    shown = load(lender)[1].get("painted", 0.0)
    return [crop for crop in scope.crops if shown and crop in PAINTED]


def _log(manifest: m.Manifest, spec: BuildSpec, folder: Path) -> None:
    """The package as a run of its own, so that versions stand side by side."""
    beside = folder.parent / f"{folder.name}.run"
    given = {"weights": str(spec.weights), "size": spec.size, "crops": ", ".join(manifest.crops)}
    others = {
        "fitted_from": str(spec.fitted_from or ""),
        "lender": str(spec.lender or ""),
        "leave_out": spec.leave_out or "",
    }
    with tracked("package", beside, given | others) as run:
        run.note("version", manifest.version)
        # MLflow takes no comma in a name, which protocols such as "in-source, cases of 3" hold.
        names = ["/".join(filter(None, (x.protocol.replace(", ", "/"), x.source, x.name))) for x in manifest.metrics]
        run.results(dict(zip(names, (x.value for x in manifest.metrics), strict=True)))
        for name, a in manifest.agreement.items():
            run.results({f"{name}/top1": a.top1, f"{name}/drop": a.accuracy_drop, f"{name}/size": a.size_ratio})


def _fitted(path: Path, scope: Scope) -> m.Manifest:
    given = m.parse_manifest(path.read_bytes())
    if given.labels != scope.labels:
        raise DataError(
            f"{path} was fitted for crops {', '.join(given.crops)} ({len(given.labels)} labels), the weights are of "
            f"{scope.told()}: give the manifest of a package of the same labels, or leave --fitted-from out"
        )
    return given


def per_label(records: Sequence[Record], labels: Sequence[str], count: int = PER_LABEL) -> list[Record]:
    """At most `count` records of each label, evenly spread, in an order that mixes labels."""
    chosen: list[tuple[int, Record]] = []
    for label in labels:
        mine = [r for r in records if r.label == label]
        step = max(1, len(mine) // count)
        chosen += list(enumerate(mine[::step][:count]))
    return [r for _, r in sorted(chosen, key=lambda pair: pair[0])]


def say(stage: str) -> None:
    """One line of progress on standard error."""
    print(f"package: {stage}", file=sys.stderr, flush=True)


def _neutral(spec: BuildSpec, scope: Scope) -> m.Manifest:
    named = len(scope.labels) - 1
    half = m.Linear((1.0, 0.0, 0.0), 0.0)
    data = tuple(m.DataSource(s.name, s.crop, s.kind, s.licence, 0, s.redistributable) for s in scope.sources)
    zeros = (0.0,) * EMBEDDING
    return m.Manifest(
        schema=m.SCHEMA,
        name="leaf",
        version=spec.version,
        created_at=spec.created_at,
        files=(m.FileEntry("model.onnx", "0" * 64, 0),),
        input=m.InputSpec(spec.size, "NHWC", "RGB", (127.0,) * 3, (128.0,) * 3, "area", VIEWS),
        outputs=m.Outputs(len(scope.labels), spec.size // 32, EMBEDDING),
        bindings=(m.Binding("onnx", "model.onnx", "image", "logits", "maps", "embedding"),),
        labels=scope.labels,
        confidence=m.Confidence(1.0, {}, half, half, {}),
        refusal=m.Refusal(m.Linear((-1.0, 0.0, 0.0, 0.0), 0.0), (zeros,) * named, (1.0,) * EMBEDDING, 0.5),
        decision=m.Decision(fitting.RISK, m.Thresholds(0.7, 0.35), {}, 1.0, 6, 0.5),
        reference=m.ReferenceSketch(0, zeros, (1.0,) * EMBEDDING, (0.1,) * 10, {}),
        requires=m.Requires({"onnxruntime": ">=1.20", "ai-edge-litert": ">=2.1", "tflite-runtime": ">=2.14"}, "0.1.0"),
        data=data,
        metrics=(),
        agreement={},
        quantisation={},
        laboratory_only=scope.laboratory_only,
        not_measured=() if scope.holds_out else (gates.UNSEEN_PROTOCOL,),
    )


def _fit_and_measure(
    manifest: m.Manifest,
    given: m.Manifest | None,
    root: Path,
    records: Sequence[Record],
    sample: Sequence[Record],
    invoke: Invoke,
    drawings: Path,
) -> m.Manifest:
    held = [r for r in records if r.source in HELD_OUT_SOURCES]
    if given is not None:
        manifest = msgspec.structs.replace(
            manifest, confidence=given.confidence, decision=given.decision, metrics=given.metrics
        )
    say("label centres")
    seen = measuring.collect(_first_view_only(manifest), root, [r for r in sample if r.label != NONE], invoke)
    refusal = fitting.centres(manifest.labels, [(s.record.label, s.first) for s in seen])
    manifest = msgspec.structs.replace(manifest, refusal=refusal)
    rest = [r for r in records if r.source not in HELD_OUT_SOURCES]
    say("validation photographs")
    always = msgspec.structs.replace(
        manifest, decision=msgspec.structs.replace(manifest.decision, second_view_below=1.0)
    )
    val = measuring.collect(always, root, [r for r in rest if r.split == "val"], invoke)
    if given is not None:
        manifest = msgspec.structs.replace(
            manifest, refusal=msgspec.structs.replace(refusal, model=given.refusal.model)
        )
        manifest = fitting.relearnt(manifest, val)
    else:
        proxies = measuring.collect(always, root, [r for r in held if half_of(r.group) == 0], invoke)
        say("validation photographs, worn")
        manifest = fitting.fit(manifest, val, proxies, worn(always, root, rest, invoke))
        say("several pictures of one leaf")
        kept = [[s.record for s in part if s.record.label != NONE] for part in (val, proxies)]
        one_leaf = [again(manifest, root, part, invoke) for part in kept]
        leaves = [[(c[0].record, [s.first for s in c]) for c in measuring.cases_of(part, 3)] for part in (val, proxies)]
        manifest = fitting.fit_fusion(manifest, one_leaf, leaves)
        say("test photographs")
        test_all = measuring.collect(always, root, [r for r in rest if r.split == "test"], invoke)
        test = measuring.answers(manifest, test_all)
        unseen_all = measuring.collect(always, root, [r for r in held if half_of(r.group) == 1], invoke)
        unseen = measuring.answers(manifest, unseen_all)
        everything = [*unseen, *measuring.answers(manifest, proxies)]
        known = [a for a in test if a.record.label != NONE]
        figures.confusion(known, manifest.labels[:-1], drawings / "confusion_in_source.png", "Same sources")
        figures.reliability(known, drawings / "reliability_in_source.png", "Same sources")
        if unseen:
            figures.reliability(unseen, drawings / "reliability_unseen_source.png", "Unseen source")
        metrics = [
            *measuring.crop_metrics(known, "in-source"),
            *measuring.crop_metrics(unseen, "cross-source"),
            *[x for x in measuring.crop_metrics(everything, "cross-source-all") if x.name.startswith("accuracy")],
            *(x for n in fitting.CASES_OF for x in measuring.case_metrics(manifest, test_all, "in-source", n)),
            *(x for n in fitting.CASES_OF for x in measuring.case_metrics(manifest, unseen_all, "cross-source", n)),
            *measuring.refusal_metrics(known, [a for a in test if a.record.label == NONE]),
        ]
        manifest = msgspec.structs.replace(manifest, metrics=tuple(metrics))
    counts = Counter(r.source for r in records)
    data = tuple(msgspec.structs.replace(d, photographs=counts[d.name]) for d in manifest.data)
    return msgspec.structs.replace(manifest, reference=fitting.reference(manifest, val), data=data)


def worn(manifest: m.Manifest, root: Path, records: Sequence[Record], invoke: Invoke) -> list[measuring.Seen]:
    """Validation photographs altered as training pictures are: light, camera, part of the view, laboratory leaves set
    in scenes. They stand for other phones and fields, of every crop, where no photograph of an unseen source is.
    """
    known = [r for r in records if r.split == "val" and r.label != NONE]
    scenes = [r for r in records if r.split == "train" and r.label == NONE and BY_NAME[r.source].kind != "laboratory"]
    stream = TrainingStream(root, [*known, *scenes], manifest.labels, manifest.input.size, 1, WORN_SEED)
    rng = np.random.default_rng(WORN_SEED)
    return measuring.collect(manifest, root, known, invoke, lambda i: stream.picture(i, rng))


def again(
    manifest: m.Manifest, root: Path, records: Sequence[Record], invoke: Invoke
) -> list[tuple[Record, list[Evidence]]]:
    """Six pictures of each photograph's leaf, as a hand takes one after the other: nearer, turned, in other light."""
    rng = np.random.default_rng(AGAIN_SEED)
    size = manifest.input.size

    def picture(i: int) -> NDArray[np.uint8]:
        view = augment.random_view(read_rgb(root / records[i].path), size, rng, smallest=0.55)
        return augment.light(view, rng, strength=0.5)

    rounds = [measuring.collect(_first_view_only(manifest), root, records, invoke, picture) for _ in range(6)]
    return [(seen[0].record, [s.first for s in seen]) for seen in zip(*rounds, strict=True)]


def _first_view_only(manifest: m.Manifest) -> m.Manifest:
    return msgspec.structs.replace(manifest, input=msgspec.structs.replace(manifest.input, views=VIEWS[:1]))


def _entry(folder: Path, path: Path) -> m.FileEntry:
    data = path.read_bytes()
    return m.FileEntry(str(path.relative_to(folder)), hashlib.sha256(data).hexdigest(), len(data))
