"""`scripts/bench card`: bundle, first boot, enrolment, first case, update, then breakdowns that no hand mends."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.card.breaking import BREAKS, Rehearsal
from tests.card.centre import CardCentre
from tests.card.container import Machine, build_root, missing_tools, must
from tests.support.mosquitto import free_port

ROOT = Path(__file__).resolve().parents[2]


def say(text: str) -> None:
    print(f"[card {time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench card", description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="breakdowns; 0 for first boot and first case alone")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--minutes", type=float, default=0, help="stop breaking after so long; 0 for no limit")
    cache = Path("/var/tmp/pikvani-card")
    parser.add_argument("--cache", type=Path, default=cache, help="keeps the root and the wheels")
    parser.add_argument("--only", choices=sorted(BREAKS), action="append", help="break only this")
    parser.add_argument("--kiosk", action="store_true", help="with cage and Chromium in the root")
    parser.add_argument("--keep", action="store_true", help="leave the machine's folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("scripts/bench card needs root: it mounts, and starts containers", file=sys.stderr)
        return 2
    if missing := missing_tools():
        print(f"scripts/bench card needs more tools: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    say(f"seed {options.seed}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    options.cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="pikvani-card-", dir=options.cache))
    folder.chmod(0o755)
    closing: list[Callable[[], None]] = []
    try:
        report = run(options, folder, closing)
    finally:
        for close in reversed(closing):
            close()
        if options.keep:
            say(f"left behind: {folder}")
        else:
            must("rm", "-rf", "--one-file-system", folder)
    print(json.dumps(report, indent=1) if options.json else summary(report))
    return 0 if report["lost"] == report["twice"] == report["by_hand"] == 0 else 1


def run(options: argparse.Namespace, folder: Path, closing: list[Callable[[], None]]) -> dict[str, Any]:
    """The whole rehearsal; what it leaves running is appended to `closing`."""
    say("a Debian root (made once, then kept)")
    tar = build_root(options.cache, options.kiosk)
    say("the project's wheel")
    wheels, own = options.cache / "wheels", folder / "own"
    must(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", own, timeout_s=300)
    say("the centre")
    centre = CardCentre(folder / "centre", ROOT / "models/packages/leaf")
    closing.append(centre.stop)
    centre.start()
    port = free_port()
    site = centre.site(
        folder / "site",
        f'[web]\nhost = "127.0.0.1"\nport = {port}\nwifi_port = {free_port()}\n'
        "[sync]\nmax_batch_age_s = 0.5\nreceipt_timeout_s = 5\n"
        '[update]\nfollow = "newest"\nstages = ["staging"]\ncheck_hours = 0.1\nwatch_cases = 3\n',
    )
    machine = Machine(folder / "machine", tar)
    card = centre.card(1)
    device = card.stem
    web = f"http://127.0.0.1:{port}"
    rehearsal = Rehearsal(machine, centre, device, web, random.Random(options.seed), say)
    closing.append(machine.stop)

    began = clock = time.monotonic()
    command = ["--board", "debian", "--out", folder / "out", "--site", site, "--wheels", wheels]
    command += ["--wheel", next(own.glob("*.whl")), "--card", card, "--into", machine.root, "--download"]
    must(sys.executable, "-m", "pikvani_provision.cli", "image", *command, timeout_s=900)
    rehearsal.note("bundle", clock)
    from_card = clock = time.monotonic()
    machine.start(overlay=False)
    rehearsal.wait_first_boot()
    rehearsal.note("first boot", clock)
    clock = time.monotonic()
    rehearsal.wait_active()
    rehearsal.note("services", clock)
    clock = time.monotonic()
    rehearsal.ask()
    rehearsal.note("first answer", clock)
    clock = time.monotonic()
    rehearsal.wait_enrolled()
    rehearsal.note("enrolled by itself", clock)
    clock = time.monotonic()
    rehearsal.wait_synced()
    rehearsal.note("first case at the centre", clock)
    rehearsal.note("from power on to the first case at the centre", from_card)
    rehearsal.note("from the bundle's making to the first case at the centre", began)
    rehearsal.by_hand()
    machine.stop()

    say("from here on the root is read-only under an overlay, as on a device")
    rehearsal.boot()
    rehearsal.wait_active()
    clock = time.monotonic()
    rehearsal.take_update(centre.offer())
    rehearsal.note("signed update", clock)
    counted = break_it(rehearsal, options)
    rehearsal.wait_synced()
    at_centre, told = centre.cases(), set(rehearsal.told)
    return {
        "seed": options.seed,
        "device": device,
        "seconds": rehearsal.seconds,
        "breakdowns": dict(counted),
        "back_after_s": {name: [min(each), max(each)] for name, each in rehearsal.recoveries.items()},
        "told": len(told),
        "lost": len(told - set(at_centre)),
        "twice": len(at_centre) - len(set(at_centre)),
        "not_kept_and_said_so": rehearsal.not_kept,
        "by_hand": 0,
    }


def break_it(rehearsal: Rehearsal, options: argparse.Namespace) -> Counter[str]:
    """Every way once, then at random; after each, all units are active and a leaf is answered and kept."""
    names, counted = options.only or rehearsal.ways(), Counter[str]()
    until = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    for number in range(options.times):
        if time.monotonic() > until:
            say(f"time is up after {number} breakdowns")
            break
        name = names[number] if number < len(names) else rehearsal.rng.choice(names)
        clock = time.monotonic()
        rehearsal.broken = f"{number + 1}/{options.times} {name}"
        BREAKS[name](rehearsal)
        rehearsal.wait_active()
        rehearsal.ask()
        counted[name] += 1
        seconds = round(time.monotonic() - clock, 1)
        say(f"{rehearsal.broken}: back after {seconds} s")
        rehearsal.recoveries.setdefault(name, []).append(seconds)
    return counted


def summary(report: dict[str, Any]) -> str:
    """The report in a few lines."""
    done = sum(report["breakdowns"].values())
    return (
        f"seed {report['seed']}: {done} breakdowns, {report['told']} cases told as kept, {report['lost']} lost, "
        f"{report['twice']} twice, {report['by_hand']} mended by hand"
    )


if __name__ == "__main__":
    sys.exit(main())
