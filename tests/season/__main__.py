"""`scripts/season`: bundle, first boot, first case, then so many breakdowns; no hand mends anything."""

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
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.season.breaking import BREAKS, Season
from tests.season.centre import DISTRICT, Centre
from tests.season.container import Machine, build_root, missing_tools, must
from tests.support.mosquitto import free_port

from pikvani_contract.cards import as_json, make_cards

ROOT = Path(__file__).resolve().parents[2]


def say(text: str) -> None:
    print(f"[season {time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/season", description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="breakdowns; 0 for first boot and first case alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0, help="stop breaking after so long; 0 for no limit")
    cache = Path("/var/tmp/pikvani-season")
    parser.add_argument("--cache", type=Path, default=cache, help="keeps the root and the wheels")
    parser.add_argument("--only", choices=sorted(BREAKS), action="append", help="break only this")
    parser.add_argument("--kiosk", action="store_true", help="with cage and Chromium in the root")
    parser.add_argument("--keep", action="store_true", help="leave the machine's folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("scripts/season needs root: it mounts, and starts containers", file=sys.stderr)
        return 2
    if missing := missing_tools():
        print(f"scripts/season needs more tools: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    options.cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="pikvani-season-", dir=options.cache))
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
    if options.json:
        print(json.dumps(report, indent=1))
    return 0 if report["lost"] == report["twice"] == report["by_hand"] == 0 else 1


def run(options: argparse.Namespace, folder: Path, closing: list[Callable[[], None]]) -> dict:
    say("a Debian root (made once, then kept)")
    tar = build_root(options.cache, options.kiosk)
    say("the project's wheel")
    wheels = options.cache / "wheels"
    own = folder / "own"
    must(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", own, timeout_s=300)
    centre = Centre(folder / "centre", ROOT / "models/packages/leaf")
    closing.append(centre.stop)
    centre.start()
    card = make_cards("season", DISTRICT, 1, datetime.now(UTC) + timedelta(days=30))[0]
    site = folder / "site"
    site.mkdir()
    (site / "root.json").write_bytes(centre.root_json.read_bytes())
    (site / "ca.pem").write_bytes((folder / "centre/authorities.pem").read_bytes())
    (site / "card.json").write_bytes(as_json(card))
    port = free_port()
    (site / "site.toml").write_text(
        f'[centre]\nbroker = "127.0.0.1:{centre.broker_port}"\nupdates = "{centre.updates_url}"\n'
        f'[web]\nhost = "127.0.0.1"\nport = {port}\n'
        "[sync]\nmax_batch_age_s = 0.5\nreceipt_timeout_s = 5\n"
        'tls_ca = "/etc/pikvani/ca.pem"\ntls_cert = "/var/lib/pikvani/identity/device.pem"\n'
        'tls_key = "/var/lib/pikvani/identity/device.key"\n'
        '[update]\nstages = ["staging"]\ncheck_hours = 0.1\nwatch_cases = 3\n'
    )
    machine = Machine(folder / "machine", tar)
    season = Season(machine, centre, card.device, f"http://127.0.0.1:{port}", random.Random(options.seed), say)
    closing.append(machine.stop)
    clock = time.monotonic()
    command = ["--board", "debian", "--out", folder / "out", "--site", site / "site.toml", "--wheels", wheels]
    command += ["--wheel", next(own.glob("*.whl")), "--card", site / "card.json", "--into", machine.root, "--download"]
    must(sys.executable, "-m", "pikvani_provision.cli", "image", *command, timeout_s=900)
    season.note("bundle", clock)

    clock = time.monotonic()
    machine.start(overlay=False)
    season.wait_first_boot()
    season.note("first boot", clock)
    centre.identity(card.device, machine.data / "pikvani/identity")
    season.own_identity()
    clock = time.monotonic()
    season.wait_active()
    season.note("services", clock)
    clock = time.monotonic()
    season.ask()
    season.note("first answer", clock)
    clock = time.monotonic()
    season.wait_synced()
    season.note("first case at the centre", clock)
    machine.stop()

    say("from here on the root is read-only under an overlay, as on a device")
    season.boot()
    season.wait_active()
    clock = time.monotonic()
    centre.offer("1.0.1")
    season.take_update("1.0.1")
    season.note("signed update", clock)

    names, counted = options.only or sorted(BREAKS), Counter[str]()
    until = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    for number in range(options.times):
        if time.monotonic() > until:
            say(f"time is up after {number} breakdowns")
            break
        name = names[number] if number < len(names) else season.rng.choice(names)
        clock = time.monotonic()
        season.broken = f"{number + 1}/{options.times} {name}"
        BREAKS[name](season)
        season.wait_active()
        season.ask()
        counted[name] += 1
        say(f"{season.broken}: back after {time.monotonic() - clock:.1f} s")
        season.recoveries.setdefault(name, []).append(round(time.monotonic() - clock, 1))
    season.wait_synced()
    at_centre = centre.cases()
    told = set(season.told)
    return {
        "device": card.device,
        "seconds": season.seconds,
        "breakdowns": dict(counted),
        "back_after_s": {name: [min(each), max(each)] for name, each in season.recoveries.items()},
        "told": len(told),
        "lost": len(told - set(at_centre)),
        "twice": len(at_centre) - len(set(at_centre)),
        "not_kept_and_said_so": season.not_kept,
        "by_hand": 0,
    }


if __name__ == "__main__":
    sys.exit(main())
