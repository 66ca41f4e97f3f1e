"""How far the quantised model files agree with the network they were made from, at which size and speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model import manifest as m
from pikvani_contract.model.inference import Invoke
from pikvani_contract.model.preprocess import model_input
from pikvani_models.measuring import matches
from pikvani_models.photos import read_rgb
from pikvani_models.records import Record
from pikvani_models.runners import onnx_invoke, tflite_invoke


def with_agreement(manifest: m.Manifest, folder: Path, fp32: Path, root: Path, records: Sequence[Record]) -> m.Manifest:
    """The manifest with how far its two INT8 files in `folder` agree with the FP32 file, the crop known."""
    views = [model_input(read_rgb(root / r.path), manifest.input, manifest.input.views[0]) for r in records]
    exact = onnx_invoke(fp32)
    runners = {
        "onnx": onnx_invoke(folder / "model.onnx", manifest.binding("onnx")),
        "tflite": tflite_invoke(folder / "model.tflite", manifest.binding("tflite")),
    }
    labels = manifest.labels
    wanted = [_named_top(labels, exact, view, r) for view, r in zip(views, records, strict=True)]
    right = np.mean([matches(r, w) for r, w in zip(records, wanted, strict=True)])
    speeds = {"onnx": round(_ms(exact, views[0]) / _ms(runners["onnx"], views[0]), 3), "tflite": 0.0}
    out = {}
    for name, runner in runners.items():
        got = [_named_top(labels, runner, view, r) for view, r in zip(views, records, strict=True)]
        same = float(np.mean([a == b for a, b in zip(got, wanted, strict=True)]))
        own = np.mean([matches(r, g) for r, g in zip(records, got, strict=True)])
        ratio = (folder / f"model.{name}").stat().st_size / fp32.stat().st_size
        drop = round(float(right - own) * 100, 3)
        out[name] = m.Agreement(len(records), round(same, 4), drop, round(ratio, 4), speeds[name])
    return msgspec.structs.replace(manifest, agreement=out)


def _named_top(labels: Sequence[str], invoke: Invoke, view: NDArray[np.float32], record: Record) -> str:
    logits = invoke(view)["logits"][0]
    crop = record.label.split("/")[0]
    members = [i for i, label in enumerate(labels) if label.startswith(f"{crop}/")]
    return labels[members[int(np.argmax(logits[members]))]]


def _ms(invoke: Invoke, view: NDArray[np.float32], rounds: int = 60) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        invoke(view)
        times.append(time.perf_counter() - begun)
    return float(np.median(times[10:]) * 1000)
