"""Kills devices, broker, server and PostgreSQL at random and fills cards: is the set sent the set stored?

Everything is real: Mosquitto, PostgreSQL with fsync, the ingest worker, the devices' store and publisher, a link of
64 kbit/s that stalls and resets. The seed is printed; the same seed makes the same choices.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from tests.faults.link_proxy import TWO_G, LinkProxy, Shape
from tests.faults.small_disk import SmallDisk
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.pki import Pki
from tests.support.postgres import Postgres

from pikvani_server.broker.mosquitto_config import CENTRE_USER, MosquittoSettings, write_mosquitto_config


@dataclass(frozen=True)
class Plan:
    """What a run does to whom."""

    devices: int = 20
    results_per_device: int = 1_000
    kills: int = 200
    pause_s: float = 1.5
    rate: float = 20.0
    seed: int = 1
    shape: Shape = TWO_G
    deadline_s: float = 540.0
    small_disks: int = 3
    fills: int = 12


@dataclass
class Outcome:
    """What was found afterwards."""

    seed: int
    sent: int = 0
    stored: int = 0
    lost: int = 0
    duplicates: int = 0
    invented: int = 0
    dead_letters: int = 0
    resets: int = 0
    fills: int = 0
    no_small_disk: str = ""
    wall_s: float = 0.0
    kills: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        return self.sent == self.stored > 0 and not (self.lost or self.duplicates or self.invented)


class Keeper:
    """A process that is started again whenever it dies, until it ends by itself with 0 or is told to stop."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.command, self.log = command, log
        self.done = False
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)

    def tend(self) -> None:
        code = self.process.poll()
        if code == 0:
            self.done = True
        elif code is not None:
            self.process = self._start()

    def kill(self) -> None:
        if not self.done and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        self.done = True
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def production_broker(folder: Path, names: list[str]) -> tuple[Mosquitto, Path, str]:
    """Mosquitto as `pikvani-server broker-config` sets it up, with certificates for everybody.

    Returns:
        The broker, not started; the folder of the devices' TLS files; the centre's `[broker]` table.
    """
    pki = Pki(folder / "pki")
    data = folder / "mosquitto"
    data.mkdir()
    data.chmod(0o777)  # Mosquitto started as root becomes a user of its own
    device_port, centre_port = free_port(), free_port()
    settings = MosquittoSettings(
        pki.ca_file,
        pki.broker_cert,
        pki.broker_key,
        pki.crl_file,
        data,
        device_port,
        centre_port,
        device_host="127.0.0.1",
    )
    configuration = write_mosquitto_config(settings, folder / "broker")[0]
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    data.chmod(0o777)
    tls = folder / "tls"
    tls.mkdir()
    shutil.copy(pki.ca_file, tls / "ca.pem")
    for name in names:
        device_cert, device_key = pki.files(name)
        shutil.copy(device_cert, tls / f"{name}.pem")
        shutil.copy(device_key, tls / f"{name}.key")
    centre_cert, centre_key = pki.files(CENTRE_USER)
    table = (
        f'[broker]\nhost = "127.0.0.1"\nport = {centre_port}\nca_file = "{pki.ca_file}"\n'
        f'cert_file = "{centre_cert}"\nkey_file = "{centre_key}"\n'
    )
    return Mosquitto(configuration, [device_port, centre_port]), tls, table


def run(plan: Plan, folder: Path, say=print) -> Outcome:
    """Run a plan in `folder` and count."""
    rng = random.Random(plan.seed)
    outcome = Outcome(plan.seed, kills={})
    began = time.monotonic()
    names = [f"village-{n:03d}" for n in range(plan.devices)]
    postgres, (mosquitto, tls, broker_table) = Postgres(), production_broker(folder, names)
    proxies: list[LinkProxy] = []
    keepers: dict[str, Keeper] = {}
    disks: list[SmallDisk] = []
    fillings: list[tuple[float, SmallDisk]] = []
    try:
        postgres.start()
        url = postgres.new_database()
        mosquitto.start()
        config = folder / "server.toml"
        config.write_text(f'[database]\nurl = "{url}"\n{broker_table}')
        server = [sys.executable, "-m", "pikvani_server.cli", "ingest", "--config", str(config)]
        keepers["server"] = Keeper(server, folder / "server.log")
        for number, name in enumerate(names):
            proxy = LinkProxy(("127.0.0.1", mosquitto.port), plan.shape, plan.seed * 1_000 + number)
            proxies.append(proxy)
            (folder / name).mkdir()
            if number < plan.small_disks and not outcome.no_small_disk:
                try:
                    disks.append(SmallDisk(folder / name, folder / f"{name}.ext4"))
                except RuntimeError as error:
                    outcome.no_small_disk = str(error)
                    say(str(error))
            command = [sys.executable, "-m", "tests.faults.light_device", "--dir", str(folder / name)]
            command += ["--id", name, "--port", str(proxy.port), "--tls", str(tls)]
            command += ["--results", str(plan.results_per_device), "--rate", str(plan.rate), "--seed", str(plan.seed)]
            keepers[name] = Keeper(command, folder / f"{name}.log")
        deadline = began + plan.deadline_s
        while time.monotonic() < deadline and not all(keepers[n].done for n in names):
            killed = sum(outcome.kills.values())
            if killed < plan.kills:
                time.sleep(rng.expovariate(1 / plan.pause_s))
                victim = rng.choices(("device", "server", "broker", "postgres"), (0.55, 0.2, 0.15, 0.1))[0]
                if victim == "device":
                    keepers[rng.choice(names)].kill()
                elif victim == "server":
                    keepers["server"].kill()
                elif victim == "broker":
                    mosquitto.kill()
                    mosquitto.start()
                else:
                    postgres.kill()
                    postgres.start()
                outcome.kills[victim] = outcome.kills.get(victim, 0) + 1
                if disks and outcome.fills < plan.fills and rng.random() < 2 * plan.fills / plan.kills:
                    full = rng.choice(disks)
                    full.fill()
                    outcome.fills += 1
                    fillings.append((time.monotonic() + rng.uniform(1, 8), full))
                if killed % 20 == 0:
                    say(f"{killed + 1} kills, {sum(k.done for k in keepers.values())} devices drained")
            else:
                time.sleep(0.5)
            for until, disk in [f for f in fillings if f[0] < time.monotonic()]:
                disk.empty()
                fillings.remove((until, disk))
            for keeper in keepers.values():
                if not keeper.done:
                    keeper.tend()
        outcome.wall_s = round(time.monotonic() - began, 1)
        outcome.resets = sum(proxy.resets for proxy in proxies)
        _count(outcome, folder, names, url)
        return outcome
    finally:
        for keeper in keepers.values():
            keeper.stop()
        for proxy in proxies:
            proxy.close()
        mosquitto.stop()
        postgres.close()
        for disk in disks:
            disk.close()


def _count(outcome: Outcome, folder: Path, names: list[str], url: str) -> None:
    sent: dict[tuple[str, str, int], bytes] = {}
    for name in names:
        with sqlite3.connect(folder / name / "device.sqlite3") as device:
            rows = device.execute(
                """SELECT o.outbox, c.id & 1099511627775, c.body FROM records c
                   JOIN outboxes o ON o.stream = c.id >> 40 WHERE kind = 'case'"""
            )
            sent |= {(name, bytes(outbox).hex(), seq): body for outbox, seq, body in rows}
    with psycopg.connect(url) as centre:
        stored = [
            (device, bytes(outbox).hex(), seq)
            for device, outbox, seq in centre.execute("SELECT device_id, outbox, seq FROM cases")
        ]
        outcome.dead_letters = centre.execute("SELECT COUNT(*) FROM dead_letters").fetchone()[0]
    outcome.sent, outcome.stored = len(sent), len(stored)
    outcome.lost = len(sent.keys() - set(stored))
    outcome.invented = len(set(stored) - sent.keys())
    outcome.duplicates = len(stored) - len(set(stored))


def main() -> int:
    import argparse
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--devices", type=int, default=Plan.devices)
    parser.add_argument("--results", type=int, default=Plan.results_per_device)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    plan = Plan(
        options.devices,
        options.results,
        options.kills,
        pause_s=max(0.05, options.minutes * 60 * 0.45 / options.kills),
        rate=options.results / (options.minutes * 60 * 0.4),
        seed=options.seed,
        deadline_s=options.minutes * 60,
    )
    with tempfile.TemporaryDirectory(prefix="pikvani-faults-", ignore_cleanup_errors=True) as folder:
        outcome = run(plan, Path(folder), lambda text: print(text, flush=True))
    print(json.dumps(outcome.__dict__ | {"held": outcome.held}))
    return 0 if outcome.held else 1


if __name__ == "__main__":
    sys.exit(main())
