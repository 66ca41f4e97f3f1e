"""The centre of a season, with everything a real one has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.season.calendar import days_ago, set_clock
from tests.support.mosquitto import free_port
from tests.support.postgres import Postgres
from tests.support.whole_centre import Centre

DISTRICT, BATCH = "yavatmal", "kharif"
KEYS = ("a", "b", "c", "targets", "snapshot", "timestamp")
NEIGHBOURS = ("Amravati", "Akola", "Wardha", "Nagpur", "Latur", "Nanded", "Jalna", "Beed")
FARTHER = ("Buldhana", "Aurangabad", "Parbhani", "Nashik", "Dhule", "Jalgaon", "Ahmednagar", "Pune", "Satara", "Sangli",
           "Kolhapur", "Solapur", "Ratnagiri", "Raigad", "Thane")  # fmt: skip
BIRTH_DAYS_AGO = 14.0
GOOD_VERSION = "91.0.0"
LEAVES = Path(os.environ.get("PIKVANI_DATASETS", "../shared/datasets")).absolute() / "leaf"


def until(condition: Callable[[], Any], timeout_s: float = 120.0) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.3)
    return bool(condition())


class State:
    """Authority, broker, database, server, signed repository and a batch of cards; each through its command.

    Args:
        folder: everything lies below it.
        database: PostgreSQL, or None for SQLite.
        others: districts of its light devices.
    """

    def __init__(self, folder: Path, database: Postgres | None, others: Sequence[str]) -> None:
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.folder, self.keys, self.repository = folder, folder / "keys", folder / "repository"
        passphrase = folder / "keys-passphrase"
        passphrase.write_text("four words of cotton\n")
        self.passphrase = ["--passphrase-file", passphrase]
        self.stick_keys = folder / "stick-keys"
        self.url = database.new_database() if database else f"sqlite:///{folder / 'centre.sqlite3'}"
        updates = f'[updates]\nrepository = "{self.repository}"\ninterval_s = 1\nrate_bytes_s = 0\n'
        (folder / "centre").mkdir()
        migrate = [sys.executable, "-m", "pikvani_server.cli", "migrate", "--db", self.url]
        subprocess.run(migrate, check=True, capture_output=True)
        born = dict(os.environ)
        set_clock(born, days_ago(BIRTH_DAYS_AGO))
        slugs = [name.lower() for name in others]
        sections = f'[database]\nurl = "{self.url}"\n{updates}'
        self.centre = Centre(folder / "centre", DISTRICT, sections, slugs, born)
        self.config = self.centre.config
        try:
            self._begin()
        except BaseException:  # stopped half way, nobody else would end the broker
            self.centre.stop()
            raise

    def _begin(self) -> None:
        shelf = [sys.executable, "-m", "tests.season.shelf", "{labels}", "{out}", GOOD_VERSION]
        told = self.config.read_text().replace("[web]\nport = 0", f"[web]\nport = {free_port()}")
        told = told.replace("work = false", f"work = false\npipeline = {json.dumps(shelf)}")
        self.config.write_text(told)
        self._make_repository()
        self.server("stick-keys", "--out", self.stick_keys)
        self.batch = self.folder / "batch"
        make = ["claims", "make", "--batch", BATCH, "--count", 8, "--district", DISTRICT, "--out", self.batch]
        self.centre.command("provision", *make)
        self.server("enrolment", "add-batch", self.batch / "batch.json", "--config", self.config)
        self.web = ""
        self.process: subprocess.Popen[str] | None = None
        self._others: list[tuple[str, ...]] = []
        self._standing: list[subprocess.Popen[str]] = []
        self.start()
        self.work()
        self.token = self.server("tokens", "add", "season", "--role", "admin", "--config", self.config).split()[0]

    def server(self, *words: object, code: int = 0, timeout_s: float = 120) -> str:
        """One `pikvani-server` command."""
        return self.centre.command("server", *words, code=code, timeout_s=timeout_s)

    def start(self) -> None:
        """The server."""
        self.process = self.centre.start("server", "run", "--config", self.config, ready=False)
        assert self.process.stdout
        ready = next((line for line in self.process.stdout if line.startswith("ready ")), None)
        if ready is None:
            raise RuntimeError(f"the server did not start; its words are in {self.centre.folder}")
        self.web = json.loads(ready.removeprefix("ready "))["web"]

    def work(self) -> None:
        """The standing work (review queue, counts, erasures), every second instead of every few minutes."""
        hasty = self.folder / "work.toml"
        often = "review_interval_s = 1\ncounts_interval_s = 1\ndrift_interval_s = 0\npropose_interval_s = 0"
        told = self.config.read_text().replace("work = false", often)
        hasty.write_text(told + "[privacy]\nerase_interval_s = 1\n")
        self._stand("work", "--config", str(hasty))

    def open_desk(self) -> None:
        """The listener for devices that have no certificate."""
        self._stand("enrolment", "web", "--config", str(self.config), "--workers", "1")

    def kill(self) -> None:
        """A power cut at the centre."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def come_back(self) -> None:
        """After a power cut: all of it, in the present."""
        set_clock(self.centre.environment, "")
        for process in self._standing:
            process.terminate()
            process.wait(20)
        self.server("enrolment", "lists", "--config", self.config)  # the broker's list of the revoked is worn by now
        assert self.centre.broker.process
        self.centre.broker.process.terminate()  # its keeper starts it again
        standing, self._standing, self._others = self._others, [], []
        for words in standing:
            self._stand(*words)
        self.start()

    def _stand(self, *words: str) -> None:
        self._others.append(words)
        self._standing.append(self.centre.start("server", *words, ready=False))

    def api(self, path: str) -> Any:
        """One answer of the centre's API."""
        request = urllib.request.Request(f"{self.web}/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def cases(self, device: str) -> list[str]:
        """Ids of a device's cases as the centre has them, repetitions too."""
        rows = self.api(f"cases?device={device}&limit=10000")["cases"]
        return [f"{row['outbox']}-{row['seq']}" for row in rows]

    def moments(self, device: str) -> dict[str, datetime]:
        """When each case of a device happened, as the centre has it."""
        rows = self.api(f"cases?device={device}&limit=10000")["cases"]
        return {f"{row['outbox']}-{row['seq']}": datetime.fromisoformat(row["happened_at"]) for row in rows}

    def devices(self) -> dict[str, dict[str, Any]]:
        """What the centre knows of identities, by device."""
        told = self.server("enrolment", "list", "--json", "--config", self.config)
        return {row["device_id"]: row for row in json.loads(told.splitlines()[0])["devices"]}

    def card(self, number: int) -> Path:
        """A card of the batch, from 1."""
        return self.batch / "cards" / f"{DISTRICT}-{BATCH}-{number:04d}.json"

    def judged(self, package: Path) -> dict[str, bool]:
        """Each gate of a candidate's evaluation, and whether it passed."""
        words = [sys.executable, "-m", "pikvani_models.cli", "validate", str(package), "--json"]
        judged = subprocess.run(words, capture_output=True, text=True, env=self.centre.environment)
        return {gate["gate"]: gate["passed"] for gate in json.loads(judged.stdout)["gates"]}

    def sign(self, package: Path, gates: dict[str, bool], code: int = 0) -> str:
        """Register a package as a candidate, stamp it, sign it for production and publish; what signing said."""
        add = ["repository", "add-target", package, "--dir", self.repository]
        add += ["--targets-key", self.keys / "targets.pem"]
        told = self.server(*add, "--stage", "candidate", *self.passphrase)
        sha256 = next(word.strip(".,:;") for word in told.split() if len(word.strip(".,:;")) == 64)
        manifest = json.loads((package / "manifest.json").read_text())
        card = next(f["sha256"] for f in manifest["files"] if f["path"] == "MODEL_CARD.md")
        approval = {
            "sha256": sha256,
            "gates": gates,
            "model_card_sha256": card,
            "licences": sorted({source["licence"] for source in manifest["data"]}),
            "data_rights": "for rehearsal on loopback only",
            "approved_by": ["Asha Jadhav"],
            "approved_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        path = self.folder / f"stamp-{manifest['version']}.json"
        path.write_text(json.dumps(approval))
        said = self.server(*add, "--stage", "production", "--stamp", path, *self.passphrase, code=code)
        if not code:
            self._publish()
        return said

    def rollout(self, *words: object, code: int = 0) -> str:
        """One `pikvani-server rollout` command."""
        return self.server("rollout", *words, "--config", self.config, code=code)

    def rollout_status(self, number: int) -> dict[str, Any]:
        """How a roll-out stands."""
        found: dict[str, Any] = json.loads(self.rollout("status", number, "--json"))
        return found

    def stop(self) -> None:
        """All of it."""
        self.centre.stop()

    def _make_repository(self) -> None:
        self.keys.mkdir()
        for name in KEYS:
            self.server("keys", "generate", "--out", self.keys / f"{name}.pem", *self.passphrase)
        roles = [f"--{role}-key={self.keys / role}.pem" for role in ("targets", "snapshot", "timestamp")]
        roots = ["--root-key", self.keys / "a.pem", "--root-key", self.keys / "b.pem"]
        roots += ["--root-public", self.keys / "c.pem.pub"]
        self.server("repository", "init", "--dir", self.repository, *roots, *roles, *self.passphrase)
        self._publish()
        self.root = self.repository / "metadata" / "1.root.json"

    def _publish(self) -> None:
        online = [f"--{role}-key={self.keys / role}.pem" for role in ("snapshot", "timestamp")]
        self.server("repository", "publish", "--dir", self.repository, *online, *self.passphrase)


def photographs(folder: str, count: int) -> list[Path]:
    """Real photographs of `PIKVANI_DATASETS`, or none where it is not there."""
    return sorted((LEAVES / folder).glob("*.jpg"))[:count]
