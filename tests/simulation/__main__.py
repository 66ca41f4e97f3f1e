"""A fleet on fast-forward into a real database: seasons, outages, unlike villages, and drift put in on purpose.

    scripts/simulate --devices 48 --days 120 [--database URL] [--seed 1] [--road full|light] [--faults all|none|LIST]

Days end yesterday, so that pages look alive. The last line is JSON: what was sent, stored, and raised.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.simulation.roads import Centre, FullDevice, LightDevice, morning_ms, thumbnail
from tests.simulation.world import Faults, Village, World, villages

from pikvani_contract.clock import ClockTrust
from pikvani_device.adapters.broker_memory import MemoryHub
from pikvani_device.drift.saying import INDIA
from pikvani_server.drift import computing, queries
from pikvani_server.fleet import counts
from pikvani_server.review import queue, results
from pikvani_server.store import Store, open_store
from pikvani_server.store.schema_learning import places

_FULL_AT_ONCE = 100
_LIGHT_AT_ONCE = 1_000
_FAR_MS = 2**62
FAULTS = ("camera", "model", "disease", "outbreak")


def faults_of(names: str, first: date, days: int) -> Faults:
    """The faults named, each from its share of the time on."""
    wanted = set(FAULTS) if names == "all" else set() if names == "none" else set(names.split(","))
    if wanted - set(FAULTS):
        raise SystemExit(f"unknown faults {', '.join(sorted(wanted - set(FAULTS)))}: choose from {', '.join(FAULTS)}")

    def start(name: str, share: float) -> date | None:
        return first + timedelta(days=int(days * share)) if name in wanted else None

    return Faults(
        start("camera", 0.6),
        model_from=start("model", 0.7),
        disease_from=start("disease", 0.5),
        outbreak_from=start("outbreak", 0.6),
    )


def settle_places(store: Store, found: list[Village], now: datetime) -> None:
    """Say where the villages are, as a person at the centre would."""
    rows = [
        {"device_id": v.device_id, "district": v.district, "taluka": "", "kind": v.kind, "updated_at": now}
        for v in found
    ]
    insert = store.insert(places)
    with store.writing("placing villages") as connection:
        for start in range(0, len(rows), 1_000):
            connection.execute(insert.on_conflict_do_nothing(), rows[start : start + 1_000])


def simulate(
    store: Store,
    devices: int,
    days: int,
    seed: int = 1,
    road: str = "full",
    faults: str = "all",
    cases_a_day: float = 12.0,
    thumbnails: bool = False,
    last: date | None = None,
    say: Any = lambda text: None,
) -> dict[str, Any]:
    """Run the fleet and give back what was sent and what the centre holds."""
    # Before morning in India, the morning after yesterday has not come: nothing arrives later than now.
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    end_ms = _FAR_MS if last else now_ms
    last = last or datetime.now(INDIA).date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    made = villages(devices, seed, cases_a_day)
    world = World(seed, faults_of(faults, first, days))
    settle_places(store, made, datetime.now(UTC))
    hub = MemoryHub()
    centre = Centre(store, hub)
    started_s = time.monotonic()
    at_once = _FULL_AT_ONCE if road == "full" else _LIGHT_AT_ONCE
    waiting = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for start in range(0, devices, at_once):
            chunk = made[start : start + at_once]
            if road == "full":
                waiting += _run_full(chunk, world, hub, centre, Path(folder), first, days, end_ms)
            else:
                _run_light(chunk, world, hub, centre, first, days, thumbnails, end_ms)
            say(f"{start + len(chunk)} devices, {centre.cases} cases, {time.monotonic() - started_s:.0f} s")
    totals = store.totals()
    return {
        "devices": devices,
        "days": days,
        "first_day": first.isoformat(),
        "cases_committed": centre.cases,
        "cases_stored": totals.cases,
        "duplicates": totals.duplicates,
        "dead_letters": totals.dead_letters,
        "still_waiting_on_devices": waiting,
        "seconds": round(time.monotonic() - started_s, 1),
    }


def _run_full(
    chunk: list[Village],
    world: World,
    hub: MemoryHub,
    centre: Centre,
    folder: Path,
    first: date,
    days: int,
    end_ms: int,
) -> int:
    fleet = [(village, FullDevice(village, world, hub, folder, first)) for village in chunk]
    for number in range(days + 1):
        day = first + timedelta(days=number)
        evening_ms = morning_ms(day) + 14 * 3_600_000
        centre.now_ms = evening_ms
        linked = [device for village, device in fleet if world.linked(village, day) or number == days]
        for village, device in fleet:
            if number < days:
                device.live(day)
            if not world.linked(village, day) and number < days:
                device.unlink()
        if number == days:
            # The morning after: what is over is said, and everything goes out.
            for _, device in fleet:
                device._clock.step_wall(min(morning_ms(day), end_ms), ClockTrust.SYNCED)
                say_days(device)
            centre.now_ms = min(morning_ms(day) + 60_000, end_ms)
        for turn in range(6):
            for device in linked:
                device.link(centre.now_ms)
            centre.settle()
            if turn and not any(device.waiting for device in linked):
                break
    waiting = sum(device.waiting for _, device in fleet)
    for _, device in fleet:
        device.close()
    return waiting


def say_days(device: FullDevice) -> None:
    """The house-keeping of a new day."""
    from pikvani_device.drift.saying import say_finished_days

    say_finished_days(device._store, device._clock)


def _run_light(
    chunk: list[Village],
    world: World,
    hub: MemoryHub,
    centre: Centre,
    first: date,
    days: int,
    thumbnails: bool,
    end_ms: int,
) -> None:
    fleet = [(village, LightDevice(village, world, hub, thumbnail if thumbnails else None)) for village in chunk]
    chance = random.Random(chunk[0].device_id)
    for number in range(days):
        day = first + timedelta(days=number)
        centre.now_ms = min(morning_ms(day) + 86_400_000, end_ms)
        for village, device in fleet:
            device.live(day)
            if world.linked(village, day) or (number == days - 1 and chance.random() < 0.97):
                device.link(centre.now_ms)
        centre.settle()
    for village, device in fleet:
        device.say_status(centre.now_ms, world.linked(village, first + timedelta(days=days - 1)))
    centre.settle()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=48)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument(
        "--database", default="sqlite:///pikvani-data/simulated.sqlite3", help="sqlite:/// or postgresql://"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--road", choices=("full", "light"), default="full", help="light: no device disk, for volume")
    parser.add_argument("--faults", default="all", help=f"all, none, or some of {','.join(FAULTS)}")
    parser.add_argument("--cases-a-day", type=float, default=12.0)
    parser.add_argument("--thumbnails", action="store_true", help="light road: consented thumbnails, and review filled")
    parser.add_argument("--no-drift", action="store_true", help="leave the drift pass to the centre")
    options = parser.parse_args()
    store = open_store(options.database)
    store.migrate()

    def say(text: str) -> None:
        print(f"[simulate] {text}", file=sys.stderr, flush=True)

    try:
        told = simulate(
            store,
            options.devices,
            options.days,
            options.seed,
            options.road,
            options.faults,
            options.cases_a_day,
            options.thumbnails,
            say=say,
        )
        counts.run_pass(store, datetime.now(UTC))
        if options.thumbnails:
            told["review_items"] = queue.fill(store, datetime.now(UTC))
        if not options.no_drift:
            started_s = time.monotonic()
            today = datetime.now(INDIA).date()
            done = computing.run_pass(store, today, datetime.now(UTC), results.checked_by_model(store))
            told["drift_seconds"] = round(time.monotonic() - started_s, 1)
            told["verdicts"] = done.verdicts
            told["alarms"] = [
                {name: row[name] for name in ("scope", "name", "model", "kind", "level", "feature", "first_window")}
                for row in queries.alarms(store, open_only=False, limit=30)
            ]
    finally:
        store.close()
    print(json.dumps(told))
    return 0 if told["cases_committed"] == told["cases_stored"] and not told["dead_letters"] else 1


if __name__ == "__main__":
    sys.exit(main())
