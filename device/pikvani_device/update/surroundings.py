"""What an update needs of the device around it, and by which rules it is taken. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pikvani_contract.messages import UpdateOrder, UpdateReport
from pikvani_contract.packages import AnyPackage
from pikvani_device.update.trust import TrustedRepository
from pikvani_device.update.watching import Evidence


@dataclass(frozen=True)
class Tested:
    """What a self-test found.

    Attributes:
        passed: whether the package may answer farmers here.
        detail: one line: what was measured, or what failed.
    """

    passed: bool
    detail: str


class Surroundings(Protocol):
    """What the engine needs of the device around it."""

    def look(self) -> TrustedRepository:
        """A new look at the repository."""
        ...

    def self_test(self, candidate: AnyPackage, active: AnyPackage) -> Tested:
        """Try a package in a process of its own."""
        ...

    def mark(self, package: AnyPackage) -> str:
        """Where the counting of cases and failures stands now: a word `evidence` understands, never empty."""
        ...

    def evidence(self, package: AnyPackage, since: str = "") -> Evidence:
        """What was seen of cases under a package here: all that is remembered, or what came after a `mark`."""
        ...

    def may_fetch(self, size: int) -> bool:
        """Whether the data budget allows so many bytes now."""
        ...

    def now_ms(self) -> int:
        """UTC milliseconds, as this machine believes."""
        ...

    def clock_is_sure(self) -> bool:
        """Whether something confirmed that time since the machine started."""
        ...

    def order(self) -> UpdateOrder | None:
        """What the centre ordered last."""
        ...

    def tell(self, report: UpdateReport) -> None:
        """Tell the centre, durably."""
        ...


@dataclass(frozen=True)
class Rules:
    """How updates are taken.

    Attributes:
        stages: those of the registry this device follows.
        by_order: take only what the centre ordered, not what is newest.
        max_attempts: tries of one file that do not get further.
        watch_cases: cases after which a new model is kept.
        watch_ms: or this time, if any case was seen.
    """

    stages: tuple[str, ...] = ("production",)
    by_order: bool = False
    max_attempts: int = 3
    watch_cases: int = 30
    watch_ms: int = 72 * 3_600_000
