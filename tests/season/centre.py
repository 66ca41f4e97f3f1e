"""The centre of the season: certificates, a real Mosquitto, the server, and a signed repository over HTTP."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.mosquitto import Mosquitto, free_port

from pikvani_contract import certificates
from pikvani_provision.authority import CENTRE_CN, Authority, key_pem

DISTRICT = "yavatmal"
PASSPHRASE = "season season season"


class Centre:
    """Started by `start`; every file below `folder`.

    Args:
        folder: its own.
        birth: the model package devices are born with.
    """

    def __init__(self, folder: Path, birth: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.folder, self._birth = folder, birth
        self._processes: list[subprocess.Popen[str]] = []
        self.broker_port, self._centre_port = free_port(), free_port()
        now = datetime.now(UTC) - timedelta(hours=1)
        self.authority = Authority.create(folder / "ca", "Season root", PASSPHRASE.encode(), now)
        self.district = self.authority.issue_district(DISTRICT, folder / "districts", b"", now)
        self.root_pem = folder / "ca" / "root.pem"
        for name in ("root.pem", "root.crl"):
            shutil.copy(folder / "ca" / name, folder / "districts" / name)
        self.env = os.environ | {"PIKVANI_KEY_PASSPHRASE": PASSPHRASE}
        self._keys()

    def _server(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pikvani_server.cli", *words],
            capture_output=True,
            text=True,
            env=self.env,
            timeout=300,
        )
        if done.returncode:
            raise RuntimeError(f"pikvani-server {' '.join(words)}: {done.stderr[-1000:]}")
        return done.stdout

    def _keys(self) -> None:
        keys = self.folder / "keys"
        keys.mkdir()
        for name in ("a", "b", "c", "targets", "snapshot", "timestamp"):
            self._server("keys", "generate", "--out", str(keys / f"{name}.pem"))
        self.repository = self.folder / "repository"
        roles = [f"--{role}-key={keys / role}.pem" for role in ("targets", "snapshot", "timestamp")]
        roots = ["--root-key", str(keys / "a.pem"), "--root-key", str(keys / "b.pem")]
        roots += ["--root-public", str(keys / "c.pem.pub")]
        self._server("repository", "init", "--dir", str(self.repository), *roots, *roles)
        self.publish()
        self.root_json = next((self.repository / "metadata").glob("1.root.json"))

    def publish(self) -> None:
        """Sign and show what is staged."""
        keys = self.folder / "keys"
        online = [f"--{role}-key={keys / role}.pem" for role in ("snapshot", "timestamp")]
        self._server("repository", "publish", "--dir", str(self.repository), *online)

    def offer(self, version: str) -> None:
        """Sign a new version of the model devices were born with and publish it."""
        package = self.folder / f"leaf-{version}"
        shutil.copytree(self._birth, package)
        manifest = json.loads((package / "manifest.json").read_text())
        manifest["version"] = version
        (package / "manifest.json").write_text(json.dumps(manifest))
        key = f"--targets-key={self.folder / 'keys' / 'targets.pem'}"
        where = ["--dir", str(self.repository), "--stage", "staging", key]
        self._server("repository", "add-target", str(package), *where)
        self.publish()

    @functools.cached_property
    def _issuer(self) -> tuple[x509.Certificate, certificates.Key]:
        pem, key = ((self.folder / "districts" / f"{DISTRICT}.{kind}").read_bytes() for kind in ("pem", "key"))
        private = serialization.load_pem_private_key(key, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return x509.load_pem_x509_certificate(pem), private

    def identity(self, device: str, folder: Path) -> None:
        """A device's certificate, with its chain, and key, as enrolment would leave them."""
        issuer, issuer_key = self._issuer
        key, now = certificates.new_key(), datetime.now(UTC)
        made = certificates.make_leaf(issuer, issuer_key, key.public_key(), device, now, timedelta(days=30))
        folder.mkdir(parents=True, exist_ok=True)
        chain = made.public_bytes(serialization.Encoding.PEM) + issuer.public_bytes(serialization.Encoding.PEM)
        (folder / "device.pem").write_bytes(chain)
        (folder / "device.key").write_bytes(key_pem(key, b""))

    def start(self) -> None:
        """Broker, server and the repository's web server."""
        now, made = datetime.now(UTC), self.folder / "made"
        self.authority.issue_leaf("broker", ["127.0.0.1", "localhost"], made, 30, now)
        self.authority.issue_leaf(CENTRE_CN, [], made, 30, now)
        files = {path.name: path for path in made.iterdir()}

        def made_for(name: str, key: bool) -> Path:
            return next(path for each, path in files.items() if name in each and each.endswith("key") == key)

        certs = {name: made_for(name, False) for name in ("broker", "centre")}
        keys = {name: made_for(name, True) for name in ("broker", "centre")}
        for path in (*keys.values(), made):
            path.chmod(0o755)  # Mosquitto becomes a user of its own
        ca = self.folder / "authorities.pem"
        ca.write_bytes(self.root_pem.read_bytes() + (self.folder / "districts" / f"{DISTRICT}.pem").read_bytes())
        crl = self.folder / "lists.pem"
        crl.write_bytes((self.folder / "ca" / "root.crl").read_bytes() + self._district_list())
        out, store = self.folder / "broker", self.folder / "broker-data"
        store.mkdir(exist_ok=True)
        store.chmod(0o777)
        options = {"--ca": ca, "--cert": certs["broker"], "--key": keys["broker"], "--crl": crl, "--out": out}
        options |= {"--persistence-dir": store, "--device-host": "127.0.0.1", "--device-port": self.broker_port}  # type: ignore[dict-item]
        options |= {"--centre-port": self._centre_port}  # type: ignore[dict-item]
        self._server("broker-config", *(word for key, value in options.items() for word in (key, str(value))))
        self.broker = Mosquitto(out / "mosquitto.conf", [self.broker_port, self._centre_port])
        self.broker.start()
        config = self.folder / "centre.toml"
        config.write_text(
            f'data_dir = "{self.folder / "centre"}"\n[broker]\nhost = "127.0.0.1"\nport = {self._centre_port}\n'
            f'ca_file = "{ca}"\ncert_file = "{certs["centre"]}"\nkey_file = "{keys["centre"]}"\n[web]\nport = 0\n'
        )
        server = subprocess.Popen(
            [sys.executable, "-m", "pikvani_server.cli", "run", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=(self.folder / "server.log").open("w"),
            text=True,
        )
        self._processes.append(server)
        assert server.stdout
        for line in server.stdout:
            if line.startswith("ready "):
                self.web = json.loads(line.removeprefix("ready "))["web"]
                break
        else:
            raise RuntimeError(f"the server did not start: {(self.folder / 'server.log').read_text()[-1500:]}")
        threading.Thread(target=server.stdout.read, daemon=True).start()
        handler = functools.partial(_Quiet, directory=str(self.repository))
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.updates_url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def _district_list(self) -> bytes:
        issuer, key = self._issuer
        made = certificates.make_revocations(issuer, key, {}, 1, datetime.now(UTC), timedelta(days=30))
        return made.public_bytes(serialization.Encoding.PEM)

    def cases(self) -> list[str]:
        """Ids of the cases at the centre, with repetitions if there were any."""
        with urllib.request.urlopen(f"{self.web}/api/v1/cases?limit=10000", timeout=30) as answer:
            rows: list[dict[str, Any]] = json.load(answer)["cases"]
        return [f"{row['outbox']}-{row['seq']}" for row in rows]

    def stop(self) -> None:
        """All of it."""
        for process in self._processes:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        if hasattr(self, "broker"):
            self.broker.stop()
        if hasattr(self, "_http"):
            self._http.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...
