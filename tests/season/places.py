"""The places of a season: a centre with everything a real one has, and villages whose devices are real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.link_proxy import LinkProxy
from tests.support.mosquitto import free_port
from tests.support.postgres import Postgres
from tests.support.whole_centre import Centre

DISTRICT, BATCH = "yavatmal", "kharif"
KEYS = ("a", "b", "c", "targets", "snapshot", "timestamp")
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), Path("/usr/lib/faketime/libfaketimeMT.so.1"))
PARTS = ("web", "sync", "enrol")
PACKAGE = Path(__file__).parents[2] / "models" / "packages" / "leaf"


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
    """

    def __init__(self, folder: Path, database: Postgres | None) -> None:
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
        self.centre = Centre(folder / "centre", DISTRICT, f'[database]\nurl = "{self.url}"\n{updates}')
        self.config = self.centre.config
        self._make_repository()
        self.server("stick-keys", "--out", self.stick_keys)
        self.batch = folder / "batch"
        make = ["claims", "make", "--batch", BATCH, "--count", 8, "--district", DISTRICT, "--out", self.batch]
        self.centre.command("provision", *make)
        self.server("enrolment", "add-batch", self.batch / "batch.json", "--config", self.config)
        self.web = ""
        self.process: subprocess.Popen[str] | None = None
        self.start()
        self.work()
        self.token = self.server("tokens", "add", "season", "--role", "admin", "--config", self.config).split()[0]

    def server(self, *words: object, code: int = 0) -> str:
        """One `pikvani-server` command."""
        return self.centre.command("server", *words, code=code)

    def start(self) -> None:
        """The server, and the listener for devices that have no certificate."""
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
        self.centre.start("server", "work", "--config", hasty, ready=False)

    def kill(self) -> None:
        """A power cut at the centre."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def api(self, path: str) -> Any:
        """One answer of the centre's API."""
        request = urllib.request.Request(f"{self.web}/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def cases(self, device: str) -> list[str]:
        """Ids of a device's cases as the centre has them, repetitions too."""
        rows = self.api(f"cases?device={device}&limit=10000")["cases"]
        return [f"{row['outbox']}-{row['seq']}" for row in rows]

    def devices(self) -> dict[str, dict[str, Any]]:
        """What the centre knows of identities, by device."""
        told = self.server("enrolment", "list", "--json", "--config", self.config)
        return {row["device_id"]: row for row in json.loads(told.splitlines()[0])["devices"]}

    def card(self, number: int) -> Path:
        """A card of the batch, from 1."""
        return self.batch / "cards" / f"{DISTRICT}-{BATCH}-{number:04d}.json"

    def sign(self, package: Path, stamp: bool = True) -> str:
        """Register a package as a candidate, stamp it, sign it for production and publish; gives what it is called."""
        add = [
            "repository",
            "add-target",
            package,
            "--dir",
            self.repository,
            "--targets-key",
            self.keys / "targets.pem",
        ]
        told = self.server(*add, "--stage", "candidate", *self.passphrase)
        sha256 = next(word.strip(".,:;") for word in told.split() if len(word.strip(".,:;")) == 64)
        manifest = json.loads((package / "manifest.json").read_text())
        card = next(f["sha256"] for f in manifest["files"] if f["path"] == "MODEL_CARD.md")
        judged = subprocess.run(
            [sys.executable, "-m", "pikvani_models.cli", "validate", str(package), "--json"],
            capture_output=True,
            text=True,
            env=self.centre.environment,
        )
        gates = {gate["gate"]: gate["passed"] for gate in json.loads(judged.stdout)["gates"]}
        approval = {
            "sha256": sha256,
            "gates": gates,
            "model_card_sha256": card,
            "licences": sorted({source["licence"] for source in manifest["data"]}),
            "data_rights": "for rehearsal on loopback only",
            "approved_by": ["Asha Jadhav"],
            "approved_at": "2026-06-01T06:00:00Z",
        }
        path = self.folder / f"stamp-{manifest['version']}.json"
        path.write_text(json.dumps(approval))
        self.server(*add, "--stage", "production", "--stamp", path, *self.passphrase)
        self._publish()
        return f"{manifest['name']}@{manifest['version']}"

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


class Village:
    """One device: its card, its link, its processes, and what it was told.

    Args:
        name: of the village.
        state: the centre it belongs to.
        number: of its card in the batch.
        photographs: what its camera sees, in order, again and again.
        https: whether it can ask the centre for its certificate by itself.
        clock: what its clock shows as it is switched on, as libfaketime reads it; empty for the right time.
        room_mb: size of the card its data lies on; 0 for what there is.
    """

    def __init__(
        self,
        name: str,
        state: State,
        number: int,
        photographs: list[Path],
        https: bool,
        clock: str = "",
        room_mb: int = 0,
    ) -> None:
        self.name, self.state = name, state
        self.id = state.card(number).stem
        self.folder = state.folder / name
        self.sticks = self.folder / "media"
        self.link = LinkProxy(("127.0.0.1", state.centre.device_port))
        self.port = free_port()
        self.told: list[str] = []
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = dict(state.centre.environment)
        if clock:
            self.environment |= {"LD_PRELOAD": str(FAKETIME), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.card: SmallCard | None = SmallCard(self.folder / "data", room_mb) if room_mb else None
        camera = self.folder / "camera"
        camera.mkdir(parents=True, exist_ok=True)
        for k in range(4_000):  # the live view takes several a second
            source = photographs[k % len(photographs)]
            (camera / f"{k:04d}{source.suffix}").symlink_to(source)
        self.sticks.mkdir()
        state.centre.command("provision", "claims", "place", state.card(number), "--onto", self.folder)
        ask = f'url = "https://127.0.0.1:{state.centre.enrol_port}"\n' if https else ""
        self.config = self.folder / "device.toml"
        self.config.write_text(
            f'[device]\nid = "{self.id}"\ndata_dir = "{self.folder / "data"}"\n'
            f'[camera]\nadapter = "folder"\npath = "{camera}"\n[web]\nport = {self.port}\n'
            f'[sync]\nhost = "127.0.0.1"\nport = {self.link.port}\nmax_batch_age_s = 0.2\nreceipt_timeout_s = 3\n'
            f'centre_keys = "{state.stick_keys / "centre-public.pem"}"\n'
            f'[enrolment]\ndir = "{self.folder / "identity"}"\ntrust = "{state.centre.trust}"\n'
            f'ca = "{state.centre.folder / "ca" / "root.pem"}"\nsticks = "{self.sticks}"\n{ask}'
            f'[update]\nsource = "mqtt"\nroot = "{state.root}"\nwatch_cases = 12\n'
            '[privacy]\ncontact = "Sunita Pawar, Panchayat"\n'
        )
        self.start()

    @property
    def base(self) -> str:
        """Address of its pages."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Switched on."""
        self.processes += [self._run(part) for part in PARTS]

    def tend(self) -> list[str]:
        """As systemd does: parts that ended are started again; their names."""
        ended = [n for n, process in enumerate(self.processes) if process.poll() is not None]
        for n in ended:
            self.processes[n] = self._run(PARTS[n])
        return [PARTS[n] for n in ended]

    def _run(self, part: str) -> subprocess.Popen[str]:
        words = ("--config", self.config, "run", "--part", part)
        return self.state.centre.start("device", *words, ready=part != "enrol", environment=self.environment)

    def power_cut(self) -> None:
        """Everything stops at once."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def device(self, *words: object, codes: tuple[int, ...] = (0, 1)) -> str:
        """One `pikvani-device` command here."""
        done = subprocess.run(
            [sys.executable, "-m", "pikvani_device.cli", "--config", str(self.config), *map(str, words)],
            capture_output=True,
            text=True,
            timeout=180,
            env=self.environment,
        )
        assert done.returncode in codes and "Traceback" not in done.stderr, done.stdout + done.stderr
        return done.stdout

    def ask(self, photographs: list[Path], crop: str) -> list[dict[str, Any]]:
        """Each photograph a case, recorded; what was said."""
        words = ["diagnose", "--record", "--each", "--jsonl", "--crop", crop, *photographs]
        said = [json.loads(line) for line in self.device(*words).splitlines() if line.startswith("{")]
        self.told += [row["case_id"] for row in said if row.get("case_id")]
        return said

    def waiting(self) -> int:
        """Records that the centre has not acknowledged."""
        return sum(lane["records"] for lane in json.loads(self.device("status", "--json"))["lanes"])

    def identity(self) -> str:
        """`enrolled`, `waiting` or `refused`."""
        return str(json.loads(self.device("enrol", "status", "--json"))["state"])

    def answers(self) -> str:
        """Which model answers."""
        model: dict[str, str] = json.loads(self.device("update", "status").splitlines()[0])
        return model["answers"]

    def check(self) -> str:
        """Look for an order once; the phase the update is then in."""
        model = json.loads(self.device("update", "check").splitlines()[0])
        return str(model.get("phase", "idle"))

    def stop(self) -> None:
        """Switched off for good."""
        self.power_cut()
        self.link.close()
        if self.card:
            self.card.close()


class SmallCard:
    """A file system of a size of its own that can be filled to the brim: the real thing, where root may mount.

    Args:
        folder: where it is mounted.
        size_mb: how much it holds.

    Raises:
        OSError: nothing may be mounted here.
    """

    def __init__(self, folder: Path, size_mb: int) -> None:
        self.folder, self._ballast = folder, folder / "ballast"
        folder.mkdir(parents=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise OSError(done.stderr.strip())

    def fill(self) -> None:
        """Not one byte is left."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            for size in (65_536, 512, 1):
                with suppress(OSError):
                    while file.write(b"0" * size):
                        pass

    def make_room(self) -> None:
        """As somebody who tidied up."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmounted."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)


def version_of(folder: Path, version: str, **decision: float) -> Path:
    """The shipped package under another version, with other thresholds where given: a good or a bad candidate."""
    shutil.copytree(PACKAGE, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["version"] = version
    if decision:
        manifest["decision"]["overall"] = decision
        manifest["decision"]["crops"] = dict.fromkeys(manifest["decision"]["crops"], decision)
    path.write_text(json.dumps(manifest))
    return folder


def photographs(folder: str, count: int) -> list[Path]:
    """Real photographs of `PIKVANI_DATASETS`, or none where it is not there."""
    root = Path(os.environ.get("PIKVANI_DATASETS", "../shared/datasets")).absolute() / "leaf" / folder
    return sorted(root.glob("*.jpg"))[:count]
