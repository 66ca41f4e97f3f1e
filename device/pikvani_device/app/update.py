"""Builds the updates of a device: where they come from, how a package is tried, what was seen of it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pikvani_contract.messages import UpdateOrder, UpdateReport
from pikvani_contract.model.manifest import Package, PackageError
from pikvani_contract.model.packing import version_key
from pikvani_contract.wire import unpack
from pikvani_device import __version__
from pikvani_device.config import Config
from pikvani_device.errors import DeviceError
from pikvani_device.sync.relay import SOCKET_FILE
from pikvani_device.update.engine import Engine
from pikvani_device.update.fetching import Fetcher
from pikvani_device.update.surroundings import Rules, Tested
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_device.update.watching import Evidence, Seen

if TYPE_CHECKING:
    from pikvani_device.app import Device

ORDER_FACT = "update.order"
"""The centre's last order, packed, in hex: one part of the appliance hears it, another obeys."""
_TEST_TIMEOUT_S = 180.0
_TEST_MEMORY_BYTES = 3 * 2**30
_SLOWER = 1.6
_LOOKED_BACK = 400


def build_fetcher(config: Config, folder: Path | None = None) -> Fetcher:
    """Where updates come from: `folder` if one is given, else as configured.

    Raises:
        DeviceError: nothing is configured.
    """
    settings = config.update
    if folder is not None or settings.source == "directory":
        from pikvani_device.adapters.fetcher_directory import DirectoryFetcher

        return DirectoryFetcher(folder or Path(settings.directory))
    if settings.source == "http":
        from pikvani_device.adapters.fetcher_http import HttpFetcher

        url = settings.url.rstrip("/")
        return HttpFetcher(f"{url}/metadata", f"{url}/targets", ca_file=Path(settings.ca) if settings.ca else None)
    if settings.source == "mqtt":
        from pikvani_device.adapters.fetcher_relay import RelayFetcher

        # Another part of this appliance holds the one connection to the centre.
        return RelayFetcher(Path(config.device.data_dir) / SOCKET_FILE)
    raise DeviceError("no source of updates is configured: set update.source, or give a folder with --from")


def build_engine(device: Device, source: Path | None = None) -> Engine:
    """The updates of this device.

    Raises:
        DeviceError: there is no trusted root, or the folder cannot be made.
    """
    settings = device.config.update
    follow = "orders" if settings.follow == "auto" and settings.source == "mqtt" else settings.follow
    rules = Rules(
        stages=settings.stages,
        # Who holds a stick in front of the device has decided already.
        by_order=follow == "orders" and source is None,
        max_attempts=settings.max_attempts,
        watch_cases=settings.watch_cases,
        watch_ms=int(settings.watch_hours * 3_600_000),
    )
    return Engine(device.update_dir, device.birth_package, _Around(device, source), rules, fits(device.config))


def fits(config: Config):  # type: ignore[no-untyped-def]
    """Says why a package cannot run on this device, or nothing."""

    def check(package: Package) -> str:
        if version_key(package.manifest.requires.app) > version_key(__version__):
            return f"it needs software {package.manifest.requires.app} and this is {__version__}"
        if config.runtime.adapter == "fake":
            return ""
        try:
            package.manifest.binding(config.runtime.adapter)
        except PackageError as error:
            return str(error)
        return ""

    return check


class _Around:
    """See `Surroundings`."""

    def __init__(self, device: Device, source: Path | None) -> None:
        self._device = device
        self._source = source

    def look(self) -> TrustedRepository:
        folder = self._device.update_dir / "trusted"
        root = self._device.config.update.root
        if not (folder / "root.json").exists():
            if not root:
                raise DeviceError("no trusted root: set update.root to the root.json this device was born with")
            try:
                plant_root(folder, Path(root).read_bytes())
            except OSError as error:
                raise DeviceError(f"{root} cannot be read ({error.strerror}); name the root of birth") from None
        clock = self._device.clock
        return TrustedRepository(
            folder, build_fetcher(self._device.config, self._source), clock.now(), self._device.known_time_ms()
        )

    def self_test(self, candidate: Package, active: Package) -> Tested:
        return try_package(self._device.config, candidate.folder, active.folder)

    def evidence(self, package: Package) -> Evidence:
        model = f"{package.manifest.name}@{package.manifest.version}"
        store = self._device.store
        cases = [c.body for c in store.latest_cases(_LOOKED_BACK) if c.body.model == model]
        seen = [Seen(c.decision, c.condition, float(c.latency_ms)) for c in reversed(cases)]
        return Evidence(seen, int(store.fact(f"failures.{model}") or 0))

    def may_fetch(self, size: int) -> bool:
        return (
            self._source is not None or self._device.config.update.source == "directory" or _within(self._device, size)
        )

    def now_ms(self) -> int:
        return self._device.clock.now().wall_ms

    def order(self) -> UpdateOrder | None:
        kept = self._device.store.fact(ORDER_FACT)
        return unpack(bytes.fromhex(kept), UpdateOrder) if kept else None

    def tell(self, report: UpdateReport) -> None:
        self._device.store.enqueue("update", report)


def _within(device: Device, size: int) -> bool:
    """Whether the month's data budget, less its reserve, still holds `size` bytes; as the link counted it last."""
    limit = device.config.sync.monthly_budget_mb * 1_000_000
    used = json.loads(device.store.fact("sync.usage") or "{}").get("used_bytes", 0)
    return not limit or used + size <= limit * (100 - device.config.sync.reserve_percent) // 100


def try_package(config: Config, candidate: Path, active: Path) -> Tested:
    """Run the golden cases of a package in a process of its own, beside the active one for time and memory."""
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
    resource.setrlimit(resource.RLIMIT_AS, (_TEST_MEMORY_BYTES, _TEST_MEMORY_BYTES))
    os.nice(5)


def self_test(config: Config, candidate: Path, active: Path | None, max_rss_mb: int) -> Tested:
    """What the process of `try_package` does: golden cases, time against the active package, memory.

    Raises:
        DeviceError: a package cannot be loaded or run.
    """
    import time

    import numpy as np

    from pikvani_contract.model.golden import check_golden
    from pikvani_device.app.building import build_runtime, load_model

    packages = [load_model(str(folder)) for folder in (candidate, active) if folder is not None]
    runtimes = [build_runtime(config, package) for package in packages]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
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
    medians = [sorted(times)[len(times) // 2] * 1_000 for times in took]
    for runtime in runtimes:
        runtime.close()
    peak_mb = max(peak_mb, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    measured = f"golden error at most {worst:.3f}, {_against(medians)}, peak {peak_mb:.0f} MB with both loaded"
    if len(medians) == 2 and not fake and medians[0] > _SLOWER * medians[1] + 1:
        return Tested(False, f"too slow: {measured}")
    if peak_mb > max_rss_mb:
        return Tested(False, f"too much memory: {measured}")
    return Tested(True, measured)


def _against(medians: Sequence[float]) -> str:
    return " against ".join(f"{median:.1f} ms" for median in medians)
