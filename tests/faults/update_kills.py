"""Kills an update at every write, rename and sync there is; afterwards the device answers with one verified model.

A child process does the update and ends at once (`os._exit`) before its n-th durable step; the next process starts as
after a power cut. Run all of them: python tests/faults/update_kills.py [--every N]
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.device.update.village import Village

from pikvani_contract.messages import UpdateOrder
from pikvani_contract.model.packing import packed_bytes
from pikvani_device.update.state import AT_REST, Phase
from pikvani_device.update.surroundings import Rules, Tested

_DEAD = 77
_EVENTS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"})
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Outcome:
    """What a run found."""

    points: int = 0
    unverified: list[str] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)


class Step:
    """Counts durable steps of this process, and ends it before one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.die_at = -1
        self.on = False
        sys.addaudithook(self._hook)
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._before(getattr(os, name)))

    def _hook(self, event: str, args: tuple[object, ...]) -> None:
        if not self.on:
            return
        if event in _EVENTS or (event == "open" and isinstance(args[2], int) and args[2] & _WRITES):
            self._tick()

    def _before(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            if self.on:
                self._tick()
            return call(*arguments)

        return counted

    def _tick(self) -> None:
        self.count += 1
        if self.count == self.die_at:
            os._exit(_DEAD)


def whole_file(village: Village) -> None:
    """Check, fetch the whole file, switch, watch, keep."""
    village.engine().run()
    village.engine().watch()


def difference_and_back(village: Village) -> None:
    """A second update, by difference, that goes back; then a third that stays."""
    village.engine().run()
    village.cases = {"1.2.0": village.cases["bad"], "1.1.0": village.cases["1.1.0"]}
    village.engine().watch()


def ordered_and_back(village: Village) -> None:
    """The centre orders an update, and then back from it."""
    village.ordered = order(village, 5, "take")
    village.engine().run()
    village.engine().watch()
    village.ordered = order(village, 6, "back")
    village.engine().run()


def kept_then_back(village: Village) -> None:
    """What was kept is ordered back after another failed in the other slot: the package of birth takes that place."""
    village.ordered = order(village, 5, "take", "1.2.0")
    village.engine().run()
    village.ordered = order(village, 6, "back")
    village.engine().run()


def order(village: Village, number: int, action: Literal["take", "back"], version: str = "1.1.0") -> UpdateOrder:
    digest = hashlib.sha256(packed_bytes(village.package(version))).digest()
    return UpdateOrder(1, number, action, "sample", version, digest)


SCENARIOS: dict[str, Callable[[Village], None]] = {
    "whole file": whole_file,
    "difference": difference_and_back,
    "orders": ordered_and_back,
    "kept, then back": kept_then_back,
}


def prepare(folder: Path, name: str) -> Village:
    village = Village(folder)
    first = village.release("1.1.0")
    village.seen("1.1.0", 30)
    if name == "orders":
        village.rules = Rules(watch_cases=20, by_order=True)
    if name == "difference":
        whole_file(village)
        village.release("1.2.0", difference_from=first)
        village.seen("bad", 30, decision="refuse")
    if name == "kept, then back":
        whole_file(village)
        village.release("1.2.0")
        village.tested = Tested(False, "2 of 8 golden cases differ")
        village.rules = Rules(watch_cases=20, by_order=True)
    return village


def run(every: int = 1, say: Callable[[str], None] = print) -> Outcome:
    """All scenarios, killed before every `every`-th step."""
    outcome = Outcome()
    for name in SCENARIOS:
        point = 1
        while _one(name, point, outcome):
            outcome.points += 1
            point += every
        say(f"{name}: {point - 1} steps")
    return outcome


def _one(scenario: str, point: int, outcome: Outcome) -> bool:
    """Kill before step `point`; False where the scenario ended before."""
    name = f"{scenario}, step {point}"
    with tempfile.TemporaryDirectory() as folder:
        village = prepare(Path(folder), scenario)
        child = os.fork()
        if child == 0:
            steps = Step()
            steps.die_at, steps.on = point, True
            try:
                SCENARIOS[scenario](village)
            except BaseException:
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 1:
            outcome.unverified.append(f"{name}: the update raised before it was cut")
            return True
        try:
            # `active` verifies every file; what answers just after the cut, and after going on.
            answers = village.engine().active().manifest.version
            outcome.versions[answers] = outcome.versions.get(answers, 0) + 1
            if scenario in ("orders", "kept, then back"):
                village.ordered = order(village, 6, "back")
            village.engine().recover()
            state = village.engine().run()
            again = village.engine().active().manifest.version
            allowed = {"1.0.0", "1.1.0", "1.2.0"} if scenario == "difference" else {"1.0.0", "1.1.0"}
            ends = {"whole file": {"1.1.0"}, "orders": {"1.0.0"}, "kept, then back": {"1.0.0"}}.get(scenario, allowed)
            if {answers, again} - allowed or state.phase not in AT_REST or again not in ends:
                outcome.unverified.append(f"{name}: {answers}, then {again} ({state.phase} {state.reason})")
            if scenario == "difference" and state.phase == Phase.ROLLED_BACK and again != "1.1.0":
                outcome.unverified.append(f"{name}: rolled back, and {again} answers")
        except Exception as error:
            outcome.unverified.append(f"{name}: {type(error).__name__}: {error}")
        return code == _DEAD


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="kill before every N-th step only")
    logging.disable(logging.WARNING)
    found = run(parser.parse_args().every)
    print(f"{found.points} points, {len(found.unverified)} bad, answered after the cut: {found.versions}")
    for line in found.unverified[:20]:
        print(line)
    sys.exit(1 if found.unverified else 0)
