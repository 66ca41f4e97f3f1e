"""Tries a package before it answers farmers: in a process of its own, held to time and memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
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
_TURNS, _LOOKS, _PAUSE_S = 15, 6, 0.5


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
    views = [np.zeros((1, p.manifest.input.size, p.manifest.input.size, 3), np.float32) for p in packages]
    best = best_ms([partial(runtime.invoke, view) for runtime, view in zip(runtimes, views, strict=True)])
    for runtime in runtimes:
        runtime.close()
    measured = f"golden error at most {worst:.3f}, {_against(best)}"
    if not fake and _too_slow(best):
        return Tested(False, f"too slow: {measured}")
    return Tested(True, measured)


def best_ms(invokes: Sequence[Callable[[], object]]) -> list[float]:
    """The best time of many for each, in turns: what else the machine does makes some slower, none faster.

    Where the first seems too slow beside the second, more turns are taken a little later: a busy board must not send a
    sound model back.
    """
    best = [inf for _ in invokes]
    for turn in range(_LOOKS):
        for _ in range(_TURNS):
            for n, invoke in enumerate(invokes):
                began = time.perf_counter()
                invoke()
                best[n] = min(best[n], (time.perf_counter() - began) * 1_000)
        if not _too_slow(best):
            break
        if turn < _LOOKS - 1:
            time.sleep(_PAUSE_S)
    return best


def _too_slow(best: Sequence[float]) -> bool:
    return len(best) == 2 and best[0] > _SLOWER * best[1] + 1


def _against(best_ms: Sequence[float]) -> str:
    return " against ".join(f"{took:.1f} ms" for took in best_ms)
