"""The centre of the rehearsal: everything a real one has, and a signed repository whose versions go over MQTT."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tests.support.whole_centre import Centre

from pikvani_server.cli import cli

DISTRICT, BATCH = "yavatmal", "r1"
_PASSPHRASE = "four words of cotton"


class CardCentre:
    """Keys, repository, batch of cards, processes; every part through the command that people use.

    Args:
        folder: its own; everything lies below it.
        birth: the model package devices are born with.
    """

    def __init__(self, folder: Path, birth: Path) -> None:
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self._folder, self._birth = folder, birth
        self._keys, self.repository = folder / "keys", folder / "repository"
        sections = f'[updates]\nrepository = "{self.repository}"\ninterval_s = 1\nrate_bytes_s = 0\n'
        (folder / "centre").mkdir()
        self.centre = Centre(folder / "centre", DISTRICT, sections)
        self._make_repository()
        batch = folder / "batch"
        make = ["claims", "make", "--batch", BATCH, "--count", "4", "--district", DISTRICT, "--out", batch]
        self.centre.command("provision", *make)
        self.batch = batch

    def start(self) -> None:
        """The batch is entered; server and the listener for devices without a certificate run."""
        config = self.centre.config
        self.centre.command("server", "enrolment", "add-batch", self.batch / "batch.json", "--config", config)
        server = self.centre.start("server", "run", "--config", config, ready=False)
        assert server.stdout
        for line in server.stdout:
            if line.startswith("ready "):
                self.web = json.loads(line.removeprefix("ready "))["web"]
                break
        else:
            raise RuntimeError(f"the server did not start; see {self._folder}/centre/server-0.log")
        added = self.centre.command("server", "tokens", "add", "rehearsal", "--data-dir", self._folder / "centre/data")
        self._token = added.strip()
        self.centre.start("server", "enrolment", "web", "--config", config, "--workers", 1, ready=False)

    def card(self, number: int) -> Path:
        """The file of one card of the batch."""
        return self.batch / "cards" / f"{DISTRICT}-{BATCH}-{number:04d}.json"

    def site(self, folder: Path, sections: str) -> Path:
        """What the centre hands out for cards: `site.toml` with the public files beside it."""
        folder.mkdir()
        (folder / "root.json").write_bytes(self._root_json.read_bytes())
        (folder / "ca.pem").write_bytes(self.centre.trust.read_bytes())
        path = folder / "site.toml"
        path.write_text(
            f'[centre]\nbroker = "127.0.0.1:{self.centre.device_port}"\n'
            f'enrolment = "https://127.0.0.1:{self.centre.enrol_port}"\n{sections}'
        )
        return path

    def offer(self) -> str:
        """Sign the version after that of the model devices were born with, and publish it; which it is."""
        manifest = json.loads((self._birth / "manifest.json").read_text())
        major, minor, patch = map(int, manifest["version"].split("."))
        version = manifest["version"] = f"{major}.{minor}.{patch + 1}"
        package = self._folder / f"leaf-{version}"
        shutil.copytree(self._birth, package)
        (package / "manifest.json").write_text(json.dumps(manifest))
        where = ["--dir", self.repository, "--stage", "staging", f"--targets-key={self._keys / 'targets.pem'}"]
        self._repository("add-target", package, *where)
        self._publish()
        return version

    def enrolled(self) -> dict[str, dict[str, Any]]:
        """What the centre knows of its devices, by id."""
        told = self.centre.command("server", "enrolment", "list", "--json", "--config", self.centre.config)
        return {row["device_id"]: row for row in json.loads(told.splitlines()[0])["devices"]}

    def cases(self) -> list[str]:
        """Ids of the cases at the centre, with repetitions if there were any."""
        request = urllib.request.Request(f"{self.web}/api/v1/cases?limit=10000")
        request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            rows: list[dict[str, Any]] = json.load(answer)["cases"]
        return [f"{row['outbox']}-{row['seq']}" for row in rows]

    def stop(self) -> None:
        """All of it."""
        self.centre.stop()

    def _make_repository(self) -> None:
        self._keys.mkdir()
        for name in ("a", "b", "c", "targets", "snapshot", "timestamp"):
            self._server("keys", "generate", "--out", self._keys / f"{name}.pem")
        roles = [f"--{role}-key={self._keys / role}.pem" for role in ("targets", "snapshot", "timestamp")]
        roots = ["--root-key", self._keys / "a.pem", "--root-key", self._keys / "b.pem"]
        roots += ["--root-public", self._keys / "c.pem.pub"]
        self._repository("init", "--dir", self.repository, *roots, *roles)
        self._publish()
        self._root_json = next((self.repository / "metadata").glob("1.root.json"))

    def _publish(self) -> None:
        online = [f"--{role}-key={self._keys / role}.pem" for role in ("snapshot", "timestamp")]
        self._repository("publish", "--dir", self.repository, *online)

    def _repository(self, *words: object) -> None:
        self._server("repository", *words)

    def _server(self, *words: object) -> None:
        """In this process: a dozen interpreters would be most of the wait."""
        runner = CliRunner(env={"PIKVANI_KEY_PASSPHRASE": _PASSPHRASE})
        done = runner.invoke(cli, [*map(str, words)])
        if done.exit_code:
            raise RuntimeError(f"pikvani-server {' '.join(map(str, words))}: {done.output or done.exception}")
