"""Every bench that fits into one run, told as one page: what a user would pick instead stands beside ours.

    scripts/bench all [--out docs/benchmarks.md] [--only NAME,NAME]

Parts run one after another on an otherwise quiet machine, about half an hour; a part that fails is told as that, and
the others go on. What takes hours stands in docs/long-runs.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import tables
from tests.bench.sync import machine

_PYTHON = (sys.executable, "-m")
PARTS: tuple[tuple[str, str, tables.Rows, tuple[str, ...]], ...] = (
    ("answer", "From a photograph to an answer", tables.answer, ("tests.bench.answer", "-n", "150")),
    ("int8", "INT8 beside FP32", tables.int8, ("tests.bench.int8",)),
    ("speech", "Words of real speakers", tables.speech, ("tests.bench.speech",)),
    ("sync", "Sync", tables.sync, ("tests.bench.sync", "--json")),
    ("update", "Updates over 2G", tables.update, ("tests.bench.update", "--json", "--cuts", "10")),
    ("rollout", "A roll-out to 1,000 devices", tables.rollout, ("tests.simulation.rollout", "--json")),
    ("drift", "Drift of a plain series", tables.drift, ("tests.bench.drift", "series", "annotated")),
    ("memory", "Memory of the whole device", tables.memory, ("tests.bench.device_memory",)),
    ("kiosk", "The kiosk", tables.kiosk, ("tests.bench.kiosk", "--runs", "10", "--photographs", "30", "--json")),
    ("growth", "How costs grow", tables.growth, ("tests.bench.growth",)),
)
_PART_S = 1_500


def run(command: tuple[str, ...]) -> tuple[list[dict[str, Any]], str]:
    """One part: the JSON objects it printed, and why there are none."""
    try:
        done = subprocess.run([*_PYTHON, *command], stdout=subprocess.PIPE, text=True, timeout=_PART_S)
    except subprocess.TimeoutExpired:
        return [], f"not done within {_PART_S / 60:.0f} minutes"
    found = []
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            found.append(json.loads(line))
    # A bench ends with 1 where a bound was missed, after it has printed what it measured.
    return found, "" if found else f"ended with {done.returncode} and no figures"


def page(told: list[str], began: datetime, took_s: float, loads: tuple[float, float]) -> str:
    """The whole page."""
    here = machine()
    where = f"{here['cores']} cores ({here['processor']}), Python {here['python']}"
    words = (
        f"`scripts/bench all`, {began:%Y-%m-%d}, in one run of {took_s / 60:.0f} minutes on {where}; load "
        f"{loads[0]:.1f} before and {loads[1]:.1f} after. Ratios count, times are of that machine; above 1 ours is "
        "better. A bound in **bold** was missed. What takes longer: [long-runs.md](long-runs.md)."
    )
    return "# Benchmarks\n\n" + words + "\n\n" + "\n".join(told).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench all", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--only", default="", help="parts, with commas between")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [name for name, *_ in PARTS]
    if unknown := set(wanted) - {name for name, *_ in PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    began, began_s, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]
    told: list[str] = []
    failed = []
    for name, title, rows, command in PARTS:
        if name not in wanted:
            continue
        print(f"[bench] {title}", file=sys.stderr, flush=True)
        found, why = run(command)
        words = f"python -m {' '.join(command)}"
        told += [f"## {title}", ""]
        if why:
            failed.append(name)
            told += [f"`{words}`: {why}.", ""]
            continue
        told += [*rows(found), "", f"`{words}`", ""]
        # After each part: whatever becomes of the next one, this one was measured.
        options.out.write_text(page(told, began, time.monotonic() - began_s, (load, os.getloadavg()[0])), "utf-8")
    print(f"{options.out}" + (f": no figures from {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
