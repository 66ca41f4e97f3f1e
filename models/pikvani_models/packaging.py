"""Weights to a model package: export, quantise, fit, measure, golden cases, card, manifest. The pipeline's last stage.

Every number in the manifest and the card comes from the quantised ONNX file that is shipped. The order matters: the
manifest is first written with neutral values so that the same code that runs on the device can collect outputs.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from pikvani_contract.model import manifest as m
from pikvani_contract.model.inference import Invoke
from pikvani_contract.model.preprocess import model_input
from pikvani_models import export, features, figures, fitting, measuring
from pikvani_models.card import write_card
from pikvani_models.golden import write_golden
from pikvani_models.network import EMBEDDING, LeafNet
from pikvani_models.photos import read_rgb
from pikvani_models.recipes import HELD_OUT_SOURCES
from pikvani_models.records import Record, data_root, half_of, scan
from pikvani_models.registry import BY_NAME, LABELS, NONE
from pikvani_models.runners import onnx_invoke, tflite_invoke
from pikvani_models.stream import TrainingStream
from pikvani_models.tracking import tracked

LABORATORY_ONLY = ("bell_pepper", "grape", "potato", "tomato")
PER_LABEL = 40
WORN_SEED = 11
CASES_OF = (3, 6)
VIEWS = (m.ViewSpec("whole", 1.0, "centre", "always"), m.ViewSpec("closer", 0.7, "map", "unsure"))


@dataclass(frozen=True)
class BuildSpec:
    """What to build: weights, input side in pixels, version, and the manifest to take fitted parts from, if any."""

    weights: Path
    size: int
    version: str
    created_at: str
    fitted_from: Path | None = None
    redistributable_only: bool = False


def build(spec: BuildSpec, folder: Path) -> m.Manifest:
    """Build a package in `folder` (its files are replaced) and return its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    root = data_root()
    records = [r for r in scan(root) if BY_NAME[r.source].redistributable or not spec.redistributable_only]
    net = LeafNet(len(LABELS))
    net.load_state_dict(torch.load(spec.weights, map_location="cpu"))
    net.eval()
    manifest = _neutral(spec)
    say("embedding and quantisation views")
    sample = per_label([r for r in records if r.split == "train" and r.source not in HELD_OUT_SOURCES])
    views = [model_input(read_rgb(root / r.path), manifest.input, VIEWS[0]) for r in sample]
    features.set_projection(net, features.pooled_features(net, views))
    few = views[:: max(1, len(views) // 240)]
    fp32 = folder.parent / f"{folder.name}.fp32.onnx"
    say("ONNX, FP32 and INT8")
    export.to_onnx(net, spec.size, fp32)
    ranges = export.best_onnx(fp32, folder / "model.onnx", few)
    say("TFLite, INT8")
    tflite = export.to_tflite(net, spec.size, folder / "model.tflite", few)
    onnx = m.Binding("onnx", "model.onnx", "image", "logits", "maps", "embedding")
    manifest = msgspec.structs.replace(manifest, bindings=(onnx, tflite))
    invoke = onnx_invoke(folder / "model.onnx", onnx, threads=2)
    manifest = _fit_and_measure(manifest, spec, root, records, sample, invoke, folder.parent / f"{folder.name}.figures")
    test = [r for r in records if r.split == "test" and r.label != NONE]
    manifest = _agreement(manifest, folder, fp32, root, test)
    how = {"onnx": f"static QDQ, per-channel, {ranges}", "tflite": "static_wi8_ai8", "photographs": str(len(few))}
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


def _log(manifest: m.Manifest, spec: BuildSpec, folder: Path) -> None:
    """The package as a run of its own, so that versions stand side by side."""
    beside = folder.parent / f"{folder.name}.run"
    given = {"weights": str(spec.weights), "size": spec.size, "redistributable_only": spec.redistributable_only}
    with tracked("package", beside, given | {"fitted_from": str(spec.fitted_from or "")}) as run:
        run.note("version", manifest.version)
        # MLflow takes no comma in a name, which protocols such as "in-source, cases of 3" hold.
        names = ["/".join(filter(None, (x.protocol.replace(", ", "/"), x.source, x.name))) for x in manifest.metrics]
        run.results(dict(zip(names, (x.value for x in manifest.metrics), strict=True)))
        for name, a in manifest.agreement.items():
            run.results({f"{name}/top1": a.top1, f"{name}/drop": a.accuracy_drop, f"{name}/size": a.size_ratio})


def per_label(records: Sequence[Record], count: int = PER_LABEL) -> list[Record]:
    """At most `count` records of each label, evenly spread, in an order that mixes labels."""
    chosen: list[tuple[int, Record]] = []
    for label in LABELS:
        mine = [r for r in records if r.label == label]
        step = max(1, len(mine) // count)
        chosen += list(enumerate(mine[::step][:count]))
    return [r for _, r in sorted(chosen, key=lambda pair: pair[0])]


def say(stage: str) -> None:
    """One line of progress on standard error."""
    print(f"package: {stage}", file=sys.stderr, flush=True)


def _neutral(spec: BuildSpec) -> m.Manifest:
    named = len(LABELS) - 1
    half = m.Linear((1.0, 0.0, 0.0), 0.0)
    sources = [s for s in BY_NAME.values() if s.redistributable or not spec.redistributable_only]
    data = tuple(m.DataSource(s.name, s.crop, s.kind, s.licence, 0, s.redistributable) for s in sources)
    zeros = (0.0,) * EMBEDDING
    return m.Manifest(
        schema=m.SCHEMA,
        name="leaf",
        version=spec.version,
        created_at=spec.created_at,
        files=(m.FileEntry("model.onnx", "0" * 64, 0),),
        input=m.InputSpec(spec.size, "NHWC", "RGB", (127.0,) * 3, (128.0,) * 3, "area", VIEWS),
        outputs=m.Outputs(len(LABELS), spec.size // 32, EMBEDDING),
        bindings=(m.Binding("onnx", "model.onnx", "image", "logits", "maps", "embedding"),),
        labels=LABELS,
        confidence=m.Confidence(1.0, {}, half, half, {}),
        refusal=m.Refusal(m.Linear((-1.0, 0.0, 0.0, 0.0), 0.0), (zeros,) * named, (1.0,) * EMBEDDING, 0.5),
        decision=m.Decision(fitting.RISK, m.Thresholds(0.7, 0.35), {}, 1.0, 6, 0.5),
        reference=m.ReferenceSketch(0, zeros, (1.0,) * EMBEDDING, (0.1,) * 10, {}),
        requires=m.Requires({"onnxruntime": ">=1.20", "ai-edge-litert": ">=2.1", "tflite-runtime": ">=2.14"}, "0.1.0"),
        data=data,
        metrics=(),
        agreement={},
        quantisation={},
        laboratory_only=LABORATORY_ONLY,
    )


def _fit_and_measure(
    manifest: m.Manifest,
    spec: BuildSpec,
    root: Path,
    records: Sequence[Record],
    sample: Sequence[Record],
    invoke: Invoke,
    drawings: Path,
) -> m.Manifest:
    held = [r for r in records if r.source in HELD_OUT_SOURCES]
    if spec.fitted_from is not None:
        given = m.parse_manifest(spec.fitted_from.read_bytes())
        manifest = msgspec.structs.replace(
            manifest, confidence=given.confidence, decision=given.decision, metrics=given.metrics
        )
    say("label centres")
    seen = measuring.collect(_first_view_only(manifest), root, [r for r in sample if r.label != NONE], invoke)
    refusal = fitting.centres(LABELS, [(s.record.label, s.first) for s in seen])
    manifest = msgspec.structs.replace(manifest, refusal=refusal)
    rest = [r for r in records if r.source not in HELD_OUT_SOURCES]
    say("validation photographs")
    always = msgspec.structs.replace(
        manifest, decision=msgspec.structs.replace(manifest.decision, second_view_below=1.0)
    )
    val = measuring.collect(always, root, [r for r in rest if r.split == "val"], invoke)
    if spec.fitted_from is not None:
        manifest = msgspec.structs.replace(
            manifest, refusal=msgspec.structs.replace(refusal, model=given.refusal.model)
        )
        manifest = fitting.relearnt(manifest, val)
    else:
        proxies = measuring.collect(always, root, [r for r in held if half_of(r.group) == 0], invoke)
        say("validation photographs, worn")
        manifest = fitting.fit(manifest, val, proxies, worn(always, root, rest, invoke))
        say("test photographs")
        test_all = measuring.collect(always, root, [r for r in rest if r.split == "test"], invoke)
        test = measuring.answers(manifest, test_all)
        unseen_all = measuring.collect(always, root, [r for r in held if half_of(r.group) == 1], invoke)
        unseen = measuring.answers(manifest, unseen_all)
        everything = [*unseen, *measuring.answers(manifest, proxies)]
        known = [a for a in test if a.record.label != NONE]
        figures.confusion(known, drawings / "confusion_in_source.png", "Same sources")
        figures.reliability(known, drawings / "reliability_in_source.png", "Same sources")
        figures.reliability(unseen, drawings / "reliability_unseen_source.png", "Unseen source")
        metrics = [
            *measuring.crop_metrics(known, "in-source"),
            *measuring.crop_metrics(unseen, "cross-source"),
            *[x for x in measuring.crop_metrics(everything, "cross-source-all") if x.name.startswith("accuracy")],
            *(x for n in CASES_OF for x in measuring.case_metrics(manifest, test_all, "in-source", n)),
            *(x for n in CASES_OF for x in measuring.case_metrics(manifest, unseen_all, "cross-source", n)),
            *measuring.refusal_metrics(known, [a for a in test if a.record.label == NONE]),
        ]
        manifest = msgspec.structs.replace(manifest, metrics=tuple(metrics))
    counts = {name: sum(r.source == name for r in records) for name in BY_NAME}
    data = tuple(msgspec.structs.replace(d, photographs=counts[d.name]) for d in manifest.data)
    return msgspec.structs.replace(manifest, reference=fitting.reference(manifest, val), data=data)


def worn(manifest: m.Manifest, root: Path, records: Sequence[Record], invoke: Invoke) -> list[measuring.Seen]:
    """Validation photographs altered as training pictures are: light, camera, part of the view, laboratory leaves set
    in scenes. They stand for other phones and fields, of every crop, where no photograph of an unseen source is.
    """
    known = [r for r in records if r.split == "val" and r.label != NONE]
    scenes = [r for r in records if r.split == "train" and r.label == NONE and BY_NAME[r.source].kind != "laboratory"]
    stream = TrainingStream(root, [*known, *scenes], manifest.input.size, 1, WORN_SEED)
    rng = np.random.default_rng(WORN_SEED)
    return measuring.collect(manifest, root, known, invoke, lambda i: stream.picture(i, rng))


def _first_view_only(manifest: m.Manifest) -> m.Manifest:
    return msgspec.structs.replace(manifest, input=msgspec.structs.replace(manifest.input, views=VIEWS[:1]))


def _agreement(manifest: m.Manifest, folder: Path, fp32: Path, root: Path, records: Sequence[Record]) -> m.Manifest:
    say("INT8 against FP32")
    views = [model_input(read_rgb(root / r.path), manifest.input, VIEWS[0]) for r in records]
    exact = onnx_invoke(fp32)
    runners = {
        "onnx": onnx_invoke(folder / "model.onnx", manifest.binding("onnx")),
        "tflite": tflite_invoke(folder / "model.tflite", manifest.binding("tflite")),
    }
    wanted = [_named_top(exact, view, r) for view, r in zip(views, records, strict=True)]
    right = np.mean([measuring.matches(r, w) for r, w in zip(records, wanted, strict=True)])
    speeds = {"onnx": round(_ms(exact, views[0]) / _ms(runners["onnx"], views[0]), 3), "tflite": 0.0}
    out = {}
    for name, runner in runners.items():
        got = [_named_top(runner, view, r) for view, r in zip(views, records, strict=True)]
        same = float(np.mean([a == b for a, b in zip(got, wanted, strict=True)]))
        own = np.mean([measuring.matches(r, g) for r, g in zip(records, got, strict=True)])
        ratio = (folder / f"model.{name}").stat().st_size / fp32.stat().st_size
        drop = round(float(right - own) * 100, 3)
        out[name] = m.Agreement(len(records), round(same, 4), drop, round(ratio, 4), speeds[name])
    return msgspec.structs.replace(manifest, agreement=out)


def _named_top(invoke: Invoke, view: NDArray[np.float32], record: Record) -> str:
    logits = invoke(view)["logits"][0]
    crop = record.label.split("/")[0]
    members = [i for i, label in enumerate(LABELS) if label.startswith(f"{crop}/")]
    return LABELS[members[int(np.argmax(logits[members]))]]


def _ms(invoke: Invoke, view: NDArray[np.float32], rounds: int = 60) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        invoke(view)
        times.append(time.perf_counter() - begun)
    return float(np.median(times[10:]) * 1000)


def _entry(folder: Path, path: Path) -> m.FileEntry:
    data = path.read_bytes()
    return m.FileEntry(str(path.relative_to(folder)), hashlib.sha256(data).hexdigest(), len(data))
