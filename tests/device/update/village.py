"""A device's updates with everything real but the self-test, the clock and the cases, which a test sets."""

from __future__ import annotations

from pathlib import Path

from tests.device.conftest import write_sample_package
from tests.device.update.conftest import CountingFetcher, at
from tests.support.tuf_repository import NOW, TufRepository

from pikvani_contract.messages import UpdateOrder, UpdateReport
from pikvani_contract.model.manifest import Package, load_package
from pikvani_contract.model.packing import difference_target, package_target, packed_bytes
from pikvani_device.adapters.fetcher_directory import DirectoryFetcher
from pikvani_device.update.engine import Engine
from pikvani_device.update.surroundings import Rules, Tested
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_device.update.watching import Evidence, Seen
from pikvani_server.repository.differences import make_difference

EXTRA_FILES = 13
"""Beside the model, as golden cases: a package is many files, and an update many steps."""


class Village:
    """One repository and one device; `engine()` is a start of the device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = TufRepository(folder / "repository")
        self.birth = load_package(write_sample_package(folder / "birth", EXTRA_FILES, version="1.0.0"))
        plant_root(folder / "device" / "trusted", self.repository.first_root)
        self.told: list[UpdateReport] = []
        self.ordered: UpdateOrder | None = None
        self.tested = Tested(True, "fine")
        self.budget_bytes = 10**9
        self.clock_ms = int(NOW.timestamp() * 1000)
        self.clock_sure = True
        self.cases: dict[str, Evidence] = {}
        """What is seen of a version from when it comes to answer."""
        self.earlier: dict[str, Evidence] = {}
        """What was seen of it in a watch before that."""
        self.fetcher = CountingFetcher(DirectoryFetcher(folder / "repository"))
        self.rules = Rules(watch_cases=20)

    def package(self, version: str, **changes: object) -> Package:
        place = self.folder / f"package-{version}"
        return load_package(
            place if place.exists() else write_sample_package(place, EXTRA_FILES, version=version, **changes)
        )

    def release(self, version: str, stage: str = "production", difference_from: Package | None = None) -> Package:
        package = self.package(version)
        data = packed_bytes(package)
        target = self.repository.add_target(package_target("sample", version), data)
        target.unrecognized_fields["custom"] = {"stage": stage}
        if difference_from is not None:
            made = make_difference(packed_bytes(difference_from), data)
            assert made is not None
            path = difference_target("sample", difference_from.manifest.version, version)
            offer = self.repository.add_target(path, made)
            base = self.repository.targets.targets.get(package_target("sample", difference_from.manifest.version))
            offer.unrecognized_fields["custom"] = {"base_sha256": _sha256(packed_bytes(difference_from))}
            assert base is None or base.hashes["sha256"] == _sha256(packed_bytes(difference_from))
        self.repository.publish_all()
        return package

    def engine(self) -> Engine:
        return Engine(self.folder / "device", self.birth, self, self.rules)

    def answers(self) -> str:
        return self.engine().active().manifest.version

    def seen(self, version: str, count: int, decision: str = "answer", label: str = "", ms: float = 50) -> None:
        labels = [label] if label else ["cotton/healthy", "cotton/leaf_curl_virus", "maize/common_rust"]
        cases = [Seen(decision, labels[k % len(labels)], ms) for k in range(count)]
        self.cases[version] = Evidence(cases)

    # -- Surroundings

    def look(self) -> TrustedRepository:
        return TrustedRepository(self.folder / "device" / "trusted", self.fetcher, at(NOW))

    def self_test(self, candidate: Package, active: Package) -> Tested:
        return self.tested

    def mark(self, package: Package) -> str:
        return f"since {package.manifest.version} came"

    def evidence(self, package: Package, since: str = "") -> Evidence:
        version = package.manifest.version
        seen, earlier = self.cases.get(version, Evidence([])), self.earlier.get(version, Evidence([]))
        if since:
            assert since == self.mark(package)
            return seen
        return Evidence([*earlier.cases, *seen.cases], earlier.errors + seen.errors)

    def may_fetch(self, size: int) -> bool:
        return size <= self.budget_bytes

    def now_ms(self) -> int:
        return self.clock_ms

    def clock_is_sure(self) -> bool:
        return self.clock_sure

    def order(self) -> UpdateOrder | None:
        return self.ordered

    def tell(self, report: UpdateReport) -> None:
        self.told.append(report)


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
