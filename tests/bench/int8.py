"""INT8 beside FP32 of the same network in each runtime, one thread, taking turns invoke by invoke.

    scripts/bench int8 [-n 200]

The FP32 twins are written by `tests/bench/peers/float_twins.py`. Ratios above 1: INT8 is faster.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.bench.answer import PEERS, ROOT

from pikvani_contract.model.manifest import load_package
from pikvani_device.app.building import shipped_package

WARM_UP = 20


def onnx(path: Path) -> Callable[[NDArray[np.float32]], object]:
    """All outputs of an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda view: session.run(None, {name: view})


def tflite(path: Path) -> Callable[[NDArray[np.float32]], object]:
    """All outputs of a TFLite file, quantised in and out where it takes integers."""
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_path=str(path), num_threads=1)
    engine.allocate_tensors()
    source, outputs = engine.get_input_details()[0], engine.get_output_details()
    scale, zero = source["quantization"]

    def invoke(view: NDArray[np.float32]) -> object:
        given = view if source["dtype"] == np.float32 else np.round(view / scale + zero).astype(source["dtype"])
        engine.set_tensor(source["index"], given)
        engine.invoke()
        return [engine.get_tensor(output["index"]) for output in outputs]

    return invoke


def measure(count: int, folder: Path) -> dict[str, object]:
    """Medians and ratios of each runtime."""
    package = load_package(shipped_package())
    size, classes = package.manifest.input.size, len(package.manifest.labels)
    command = [str(PEERS), str(Path(__file__).parent / "peers" / "float_twins.py"), str(size), str(classes)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'models'}:{ROOT / 'contract'}"}
    made = subprocess.run([*command, str(folder)], env=environment, capture_output=True, text=True)
    view = np.random.default_rng(1).normal(0, 0.5, (1, size, size, 3)).astype(np.float32)
    found: dict[str, object] = {"side": size}
    for runtime, load in (("onnx", onnx), ("tflite", tflite)):
        twin = folder / f"model.{runtime}"
        if not twin.exists():
            sys.exit(f"no FP32 twin for {runtime}: {made.stderr[-2_000:]}")
        file = package.folder / package.manifest.binding(runtime).file
        invokes = {"int8": load(file), "fp32": load(twin)}
        took: dict[str, list[float]] = {name: [] for name in invokes}
        for _ in range(WARM_UP + count):
            for name, invoke in invokes.items():
                began_s = time.perf_counter()
                invoke(view)
                took[name].append((time.perf_counter() - began_s) * 1_000)
        medians = {name: statistics.median(times[WARM_UP:]) for name, times in took.items()}
        found |= {f"{runtime}_{name}_ms": round(ms, 2) for name, ms in medians.items()}
        found[f"{runtime}_speed_ratio"] = round(medians["fp32"] / medians["int8"], 2)
        found[f"{runtime}_size_ratio"] = round(file.stat().st_size / twin.stat().st_size, 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options.n, Path(folder))))


if __name__ == "__main__":
    main()
