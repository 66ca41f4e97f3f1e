"""Tries a package before it answers farmers: in a process of its own, held to time and memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pikvani_contract.model.manifest import PackageError
from pikvani_contract.packages import kind_of
from pikvani_device.app.part_tests import TESTS
from pikvani_device.config import Config
from pikvani_device.errors import ModelError
from pikvani_device.update.surroundings import Tested

_TEST_TIMEOUT_S = 180.0
_TEST_MEMORY_BYTES = 3 * 2**30
_SLOWER = 1.6


def try_package(config: Config, candidate: Path, active: Path) -> Tested:
    """Try a package in a process of its own, beside the active one for time and memory."""
    command = [sys.executable, "-m", "pikvani_device.cli", "self-test", str(candidate), "--against", str(active)]
    command += ["--runtime", config.runtime.adapter, "--threads", str(config.runtime.threads)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TEST_TIMEOUT_S, check=False, preexec_fn=_bounded
        )
    except subprocess.TimeoutExpired:
        return Tested(False, f"no answer within {_TEST_TIMEOUT_S:.0f} s")
    if done.returncode < 0:
        return Tested(False, f"the process was ended by signal {-done.returncode}")
    try:
        found = json.loads(done.stdout.splitlines()[-1])
        passed, detail = bool(found["passed"]), str(found["detail"])
    except (ValueError, IndexError, KeyError):
        return Tested(False, (done.stderr.strip().splitlines() or ["no result"])[-1][:200])
    return Tested(passed and done.returncode == 0, detail)


def _bounded() -> None:
    """Between fork and exec. Priority is the unit's: its filter of system calls refuses a process that sets its own."""
    resource.setrlimit(resource.RLIMIT_AS, (_TEST_MEMORY_BYTES, _TEST_MEMORY_BYTES))


def self_test(config: Config, candidate: Path, active: Path | None, max_rss_mb: int) -> Tested:
    """What the process of `try_package` does: whatever shows that a package of this kind works here, and its memory.

    Raises:
        DeviceError: a package cannot be loaded or run.
    """
    try:
        kind = kind_of(candidate)
    except PackageError as error:
        raise ModelError(str(error)) from None
    tested = TESTS[kind](candidate, active) if kind in TESTS else _try_model(config, candidate, active)
    peak_mb = _peak_mb()
    measured = f"{tested.detail}, peak {peak_mb:.0f} MB with both loaded"
    if tested.passed and peak_mb > max_rss_mb:
        return Tested(False, f"too much memory: {measured}")
    return Tested(tested.passed, measured if tested.passed else tested.detail)


def _peak_mb() -> float:
    """Most memory this program held, in MB; not `ru_maxrss`, which begins with what the parent held at the fork."""
    status = Path("/proc/self/status").read_text("ascii", "replace")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _try_model(config: Config, candidate: Path, active: Path | None) -> Tested:
    """Golden cases, and time against the active package.

    Raises:
        DeviceError: a package cannot be loaded or run.
    """
    import time

    import numpy as np

    from pikvani_contract.model.golden import check_golden
    from pikvani_device.app.building import build_runtime, load_model

    packages = [load_model(str(folder)) for folder in (candidate, active) if folder is not None]
    runtimes = [build_runtime(config, package) for package in packages]
    fake = config.runtime.adapter == "fake"
    worst = 0.0
    if not fake:
        try:
            results = check_golden(packages[0], runtimes[0].invoke)
        except PackageError as error:
            return Tested(False, str(error))
        failed = [r for r in results if not r.passed]
        if failed:
            return Tested(False, f"{len(failed)} of {len(results)} golden cases differ, {failed[0].image} most")
        worst = max(r.error for r in results)
    took: list[list[float]] = [[] for _ in runtimes]
    for _ in range(15):
        for runtime, package, times in zip(runtimes, packages, took, strict=True):
            size = package.manifest.input.size
            view = np.zeros((1, size, size, 3), np.float32)
            began = time.perf_counter()
            runtime.invoke(view)
            times.append(time.perf_counter() - began)
    # The best of many, in turns: what else the machine does makes some slower, none faster.
    best = [min(times) * 1_000 for times in took]
    for runtime in runtimes:
        runtime.close()
    measured = f"golden error at most {worst:.3f}, {_against(best)}"
    if len(best) == 2 and not fake and best[0] > _SLOWER * best[1] + 1:
        return Tested(False, f"too slow: {measured}")
    return Tested(True, measured)


def _against(best_ms: Sequence[float]) -> str:
    return " against ".join(f"{took:.1f} ms" for took in best_ms)
