"""Measures `pikvani-device diagnose --each --jsonl` against the bare runtime, side by side on the same machine.

The machine's speed drifts while others use it, so the bare invokes are measured before, in the middle of, and after
the run's own invokes by interleaving: photo, bare invoke, photo, bare invoke. A separate process measures the
command line itself: wall time per photo and peak memory. Run:

    python tests/bench/diagnose.py --photos DIR -n 500
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from pikvani_device.app import Device
from pikvani_device.config import load_config


def choose(folder: Path, count: int, seed: int) -> list[Path]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    return random.Random(seed).sample(paths, min(count, len(paths)))


def in_process(paths: list[Path], runtime: str, model: str, crop: str | None) -> dict[str, float]:
    """Interleaved: one photograph end to end, then one bare invoke on a view that lies ready."""
    config = load_config()
    config = msgspec.structs.replace(
        config,
        model=msgspec.structs.replace(config.model, dir=model),
        runtime=msgspec.structs.replace(config.runtime, adapter=runtime, threads=1),
    )
    device = Device(config)
    size = device.package.manifest.input.size
    view = np.random.default_rng(1).normal(0, 0.5, (1, size, size, 3)).astype(np.float32)
    invoke = device.pipeline.runtime.invoke
    invokes = 0

    def counted(given: np.ndarray):
        nonlocal invokes
        invokes += 1
        return invoke(given)

    device.pipeline.runtime.invoke = counted  # type: ignore[method-assign]
    for _ in range(20):
        invoke(view)
    whole_ms, bare_ms = [], []
    for path in paths:
        started_s = time.perf_counter()
        device.diagnose([(path.name, path.read_bytes())], crop)
        middle_s = time.perf_counter()
        invoke(view)
        whole_ms.append((middle_s - started_s) * 1000)
        bare_ms.append((time.perf_counter() - middle_s) * 1000)
    device.close()
    return {
        "photo_ms": statistics.median(whole_ms),
        "bare_invoke_ms": statistics.median(bare_ms),
        "ratio": statistics.median(whole_ms) / statistics.median(bare_ms),
        "invokes_per_photo": invokes / len(paths),
    }


def as_command(paths: list[Path], runtime: str, model: str, crop: str | None) -> dict[str, float]:
    """The command line on all photographs: median time between two lines, and peak memory."""
    command = [sys.executable, "-m", "pikvani_device.cli", "diagnose", "--each", "--jsonl", "--threads", "1"]
    command += ["--runtime", runtime, *(("--model", model) if model else ()), *(("--crop", crop) if crop else ())]
    with tempfile.TemporaryFile("w+") as errors:
        started_s = last_s = time.perf_counter()
        process = subprocess.Popen([*command, *map(str, paths)], stdout=subprocess.PIPE, stderr=errors, text=True)
        gaps_ms = []
        assert process.stdout is not None
        for _ in process.stdout:
            now_s = time.perf_counter()
            gaps_ms.append((now_s - last_s) * 1000)
            last_s = now_s
        if process.wait() != 0:
            errors.seek(0)
            sys.exit(errors.read())
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "command_photo_ms": statistics.median(gaps_ms),
        "command_total_s": last_s - started_s,
        "peak_rss_mb": peak_mb,
        "lines": len(gaps_ms),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs, searched downwards")
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("--runtime", default="onnx", choices=["onnx", "tflite", "fake"])
    parser.add_argument("--model", default="")
    parser.add_argument("--crop")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    paths = choose(options.photos, options.n, options.seed)
    measured = as_command(paths, options.runtime, options.model, options.crop)
    measured |= in_process(paths, options.runtime, options.model, options.crop)
    rounded = {key: round(value, 3) for key, value in measured.items()}
    print(json.dumps({"photos": len(paths), "runtime": options.runtime, **rounded}))


if __name__ == "__main__":
    main()
