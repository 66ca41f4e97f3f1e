"""Builds the updates of a device: where they come from, how a package is tried, what was seen of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pikvani_contract.clock import ClockTrust, Moment
from pikvani_contract.messages import CaseBody, UpdateOrder, UpdateReport
from pikvani_contract.model.manifest import Package, PackageError
from pikvani_contract.model.packing import version_key
from pikvani_contract.packages import AnyPackage
from pikvani_contract.wire import unpack
from pikvani_device import __version__
from pikvani_device.app.self_tests import try_package
from pikvani_device.config import Config
from pikvani_device.errors import DeviceError
from pikvani_device.sync.relay import SOCKET_FILE
from pikvani_device.update.engine import Engine
from pikvani_device.update.errors import UnreachableError, UpdateError
from pikvani_device.update.fetching import Fetcher
from pikvani_device.update.surroundings import Rules, Tested
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_device.update.watching import Evidence, Seen

if TYPE_CHECKING:
    from pikvani_device.app import Device

_LOOKED_BACK = 400


def order_fact(package: str) -> str:
    """Where the centre's last order about a package is kept: one part of the appliance hears it, another obeys."""
    return f"update.order.{package}"


def build_fetcher(config: Config, now: Moment, folder: Path | None = None) -> Fetcher:
    """Where updates come from: `folder` if one is given, else as configured.

    A board that wakes in 1970 still reads over HTTPS: what comes is judged by its signatures, at the latest time known.

    Raises:
        DeviceError: nothing is configured.
    """
    settings = config.update
    if folder is not None or settings.source == "directory":
        from pikvani_device.adapters.fetcher_directory import DirectoryFetcher

        return DirectoryFetcher(folder or Path(settings.directory))
    if settings.source == "http":
        from pikvani_device.adapters.fetcher_http import HttpFetcher
        from pikvani_device.adapters.tls_dates import dates_count

        url = settings.url.rstrip("/")
        authority = Path(settings.ca) if settings.ca else None
        return HttpFetcher(f"{url}/metadata", f"{url}/targets", ca_file=authority, dates=dates_count(now))
    if settings.source == "mqtt":
        from pikvani_device.adapters.fetcher_relay import RelayFetcher

        # Another part of this appliance holds the one connection to the centre.
        return RelayFetcher(Path(config.device.data_dir) / SOCKET_FILE)
    raise DeviceError("no source of updates is configured: set update.source, or give a folder with --from")


def build_engine(device: Device, source: Path | None = None, shared: OneLook | None = None) -> Engine:
    """The updates of this device's model.

    Args:
        device: whose.
        source: a folder or stick to take them from, instead of what is configured.
        shared: a look other engines use too.

    Raises:
        DeviceError: there is no trusted root, or the folder cannot be made.
    """
    adapter = device.config.runtime.adapter
    return Engine(
        device.update_dir,
        device.birth_package,
        Around(device, source, device.birth_package.manifest.name, shared),
        rules_of(device.config, source),
        fits(device.config),
        runtime="" if adapter == "fake" else adapter,
    )


def rules_of(config: Config, source: Path | None) -> Rules:
    """How updates are taken, from where they are configured to come, or from the stick in front of the device."""
    settings = config.update
    follow = "orders" if settings.follow == "auto" and settings.source == "mqtt" else settings.follow
    return Rules(
        stages=settings.stages,
        # Who holds a stick in front of the device has decided already.
        by_order=follow == "orders" and source is None,
        max_attempts=settings.max_attempts,
        watch_cases=settings.watch_cases,
        watch_ms=int(settings.watch_hours * 3_600_000),
    )


def fits(config: Config) -> Callable[[AnyPackage], str]:
    """Says why a package cannot run on this device, or nothing."""

    def check(package: AnyPackage) -> str:
        requires = getattr(package.manifest, "requires", None)
        if requires is not None and version_key(requires.app) > version_key(__version__):
            return f"it needs software {requires.app} and this is {__version__}"
        if not isinstance(package, Package) or config.runtime.adapter == "fake":
            return ""
        try:
            package.manifest.binding(config.runtime.adapter)
        except PackageError as error:
            return str(error)
        return ""

    return check


def look_at(device: Device, source: Path | None) -> TrustedRepository:
    """A new look at the repository updates come from.

    Raises:
        DeviceError: there is no trusted root, or no source.
    """
    folder = device.update_dir / "trusted"
    root = device.config.update.root
    if not (folder / "root.json").exists():
        if not root:
            raise DeviceError("no trusted root: set update.root to the root.json this device was born with")
        try:
            plant_root(folder, Path(root).read_bytes())
        except OSError as error:
            raise DeviceError(f"{root} cannot be read ({error.strerror}); name the root of birth") from None
    now = device.clock.now()
    return TrustedRepository(folder, build_fetcher(device.config, now, source), now, device.known_time_ms())


class OneLook:
    """One look at the repository for the updates of all packages: the link pays for one check, not for each.

    What is wrong with a repository is wrong for all; it is said once, and the other packages only wait.

    Args:
        device: whose.
        source: as for `look_at`.
    """

    def __init__(self, device: Device, source: Path | None) -> None:
        self._device = device
        self._source = source
        self._looked: TrustedRepository | None = None
        self._failure = ""

    def __call__(self) -> TrustedRepository:
        """The look, made when first asked for.

        Raises:
            UpdateError: as `TrustedRepository.refresh`; of the kind that waits from the second time on.
            DeviceError: as `look_at`.
        """
        if self._failure:
            raise UnreachableError(self._failure)
        if self._looked is None:
            looked = look_at(self._device, self._source)
            try:
                looked.refresh()
            except UpdateError as error:
                self._failure = str(error)
                raise
            self._looked = looked
        return self._looked


class Around:
    """See `Surroundings`.

    Args:
        device: whose updates.
        source: a folder or stick to take them from, instead of what is configured.
        name: of the package.
        shared: a look other engines use too.
    """

    def __init__(self, device: Device, source: Path | None, name: str, shared: OneLook | None = None) -> None:
        self._device = device
        self._source = source
        self._name = name
        self._shared = shared

    def look(self) -> TrustedRepository:
        """A new look, at the latest time known, or the one all packages share."""
        return self._shared() if self._shared is not None else look_at(self._device, self._source)

    def self_test(self, candidate: AnyPackage, active: AnyPackage) -> Tested:
        """In a process of its own, beside the active one."""
        return try_package(self._device.config, candidate.folder, active.folder)

    def mark(self, package: AnyPackage) -> str:
        """How often it failed so far, and the newest case by its name: no clock is asked."""
        newest = self._device.store.latest_cases(1)
        return f"{self._failures(package)} {newest[0].case_id if newest else ''}"

    def evidence(self, package: AnyPackage, since: str = "") -> Evidence:
        """Cases this package decided."""
        failed_before, _, case = since.partition(" ")
        cases = self._device.store.latest_cases(_LOOKED_BACK, case)
        seen = [self._seen(c.body) for c in reversed(cases) if self._served(package, c.body)]
        return Evidence(seen, max(0, self._failures(package) - int(failed_before or 0)))

    def _served(self, package: AnyPackage, case: CaseBody) -> bool:
        return case.model == _named(package)

    def _seen(self, case: CaseBody) -> Seen:
        return Seen(case.decision, case.condition, float(case.latency_ms))

    def _failures(self, package: AnyPackage) -> int:
        return int(self._device.store.fact(f"failures.{_named(package)}") or 0)

    def may_fetch(self, size: int) -> bool:
        """A folder or stick costs nothing."""
        return (
            self._source is not None or self._device.config.update.source == "directory" or _within(self._device, size)
        )

    def now_ms(self) -> int:
        """See `Surroundings.now_ms`."""
        return self._device.clock.now().wall_ms

    def clock_is_sure(self) -> bool:
        """See `Surroundings.clock_is_sure`."""
        return self._device.clock.now().trust == ClockTrust.SYNCED

    def order(self) -> UpdateOrder | None:
        """See `Surroundings.order`."""
        kept = self._device.store.fact(order_fact(self._name))
        return unpack(bytes.fromhex(kept), UpdateOrder) if kept else None

    def tell(self, report: UpdateReport) -> None:
        """Through the outbox."""
        self._device.store.enqueue("update", report)


def _named(package: AnyPackage) -> str:
    return f"{package.manifest.name}@{package.manifest.version}"


def _within(device: Device, size: int) -> bool:
    """Whether the month's data budget, less its reserve, still holds `size` bytes; as the link counted it last."""
    limit = device.config.sync.monthly_budget_mb * 1_000_000
    used = json.loads(device.store.fact("sync.usage") or "{}").get("used_bytes", 0)
    return not limit or used + size <= limit * (100 - device.config.sync.reserve_percent) // 100
