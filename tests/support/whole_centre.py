"""A whole centre on loopback: authority, real Mosquitto with mutual TLS, server, and where devices enrol."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.mosquitto import Mosquitto, free_port


def wait_for(condition: Any, what: str, timeout_s: float = 90.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.2)


class Centre:
    """Authority, broker and server of a state, every part through its command.

    Args:
        folder: everything lies below it.
        district: whose authority is made.
        sections: more of the server's configuration, TOML.
        others: more districts whose authorities are made.
        environment: more of the environment of all its processes.
    """

    def __init__(
        self,
        folder: Path,
        district: str = "pune",
        sections: str = "",
        others: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        secret = folder / "passphrase"
        secret.write_text("four words of wheat\n")
        self.environment = os.environ | {"PIKVANI_CA_PASSPHRASE_FILE": str(secret)} | dict(environment or {})
        ca, out, centre = folder / "ca", folder / "out", folder / "authorities"
        self.command("provision", "ca", "init", "--dir", ca)
        self.command("provision", "ca", "issue", "district", district, *others, "--dir", ca, "--out", centre)
        for name in ("broker", "enrolment"):
            self.command("provision", "ca", "issue", "server", name, "--host", "127.0.0.1", "--dir", ca, "--out", out)
        self.command("provision", "ca", "issue", "centre", "--dir", ca, "--out", out)
        for name in ("root.pem", "root.crl"):
            (centre / name).write_bytes((ca / name).read_bytes())
        # What every card carries, and what the broker believes: the root and the districts' authorities.
        self.trust = folder / "trust.pem"
        known = [ca / "root.pem", *(centre / f"{name}.pem" for name in (district, *others))]
        self.trust.write_bytes(b"".join(path.read_bytes() for path in known))
        self.device_port, self.centre_port, self.enrol_port = free_port(), free_port(), free_port()
        self.crl, self.pid = folder / "crl.pem", folder / "broker.pid"
        self.config = folder / "centre.toml"
        self.config.write_text(
            f"""\
data_dir = "{folder / "data"}"
[broker]
host = "127.0.0.1"
port = {self.centre_port}
ca_file = "{self.trust}"
cert_file = "{out / "pikvani_centre.crt"}"
key_file = "{out / "pikvani_centre.key"}"
[web]
port = 0
secure_cookies = false
[learning]
work = false
[enrolment]
authorities_dir = "{centre}"
crl_file = "{self.crl}"
broker_reload = ["sh", "-c", "kill -HUP $(cat {self.pid})"]
broker_restart = ["sh", "-c", "kill $(cat {self.pid})"]
host = "127.0.0.1"
port = {self.enrol_port}
cert_file = "{out / "enrolment.crt"}"
key_file = "{out / "enrolment.key"}"
{sections}"""
        )
        self.pid.write_text("999999999")
        self.command("server", "enrolment", "lists", "--config", self.config, code=1)  # no broker to tell yet
        data = folder / "broker-data"
        data.mkdir()
        for path in (folder, data, out, ca, centre):
            path.chmod(0o777)
        conf = folder / "conf"
        self.command(
            *("server", "broker-config", "--out", conf, "--ca", self.trust, "--crl", self.crl, "--user", "root"),
            *("--cert", out / "broker.crt", "--key", out / "broker.key", "--persistence-dir", data),
            *("--device-port", self.device_port, "--device-host", "127.0.0.1", "--centre-port", self.centre_port),
        )
        ports = [self.device_port, self.centre_port]
        self.broker = Mosquitto(conf / "mosquitto.conf", ports, self.environment)
        self.restarts = 0
        self.stopping = threading.Event()
        self.start_broker()
        self.keeper = threading.Thread(target=self.keep_broker)
        self.keeper.start()

    def start_broker(self) -> None:
        self.broker.start()
        assert self.broker.process
        self.pid.write_text(str(self.broker.process.pid))

    def keep_broker(self) -> None:
        """As systemd does: a broker that ended is started again."""
        while not self.stopping.wait(0.1):
            if self.broker.process and self.broker.process.poll() is not None:
                self.restarts += 1
                self.start_broker()

    def command(self, program: str, *words: object, code: int = 0, timeout_s: float = 120) -> str:
        done = subprocess.run(
            [sys.executable, "-m", f"pikvani_{program}.cli", *map(str, words)],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=timeout_s,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def start(
        self,
        program: str,
        *words: object,
        ready: bool = True,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> subprocess.Popen[str]:
        """Run a part; `prefix` are words before its own, and end in running it."""
        log = self.folder / f"{program}-{len(self.processes)}.log"
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", f"pikvani_{program}.cli", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
            env=environment or self.environment,
        )
        self.processes.append(process)
        assert process.stdout
        while ready:
            line = process.stdout.readline()
            assert line, log.read_text()[-3000:]
            if line.startswith("ready"):
                break
        return process

    def stop(self) -> None:
        self.stopping.set()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        self.keeper.join()
        self.broker.stop()
