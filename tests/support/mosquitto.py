"""A real Mosquitto on loopback, with the configuration file it is given or a bare one without TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
MISSING = None if PROGRAM else "Mosquitto is not installed: apt-get install mosquitto"

_BARE = """\
listener {port} 127.0.0.1
allow_anonymous true
max_inflight_messages 200
max_queued_messages 100000
persistence {persistence}
persistence_location {folder}/
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """One broker process. `ports` are waited for; `environment` is read at each start, this process's if left out."""

    def __init__(self, configuration: Path, ports: list[int], environment: Mapping[str, str] | None = None) -> None:
        self._configuration = configuration
        self._log = configuration.with_suffix(".log")
        self.ports, self._environment = ports, environment
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def bare(cls, folder: Path, persistence: bool = False) -> Mosquitto:
        """Without TLS or access list, everything else as wide as the tests need."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # Mosquitto started as root becomes a user of its own
        port = free_port()
        configuration = folder / "bare.conf"
        configuration.write_text(_BARE.format(port=port, folder=folder, persistence=str(persistence).lower()))
        return cls(configuration, [port])

    @property
    def port(self) -> int:
        return self.ports[0]

    def start(self) -> None:
        assert PROGRAM, MISSING
        self.process = subprocess.Popen(
            [PROGRAM, "-c", str(self._configuration)],
            stdout=self._log.open("ab"),
            stderr=subprocess.STDOUT,
            env=self._environment,
        )
        deadline = time.monotonic() + 10
        for port in self.ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"Mosquitto did not start:\n{self._log.read_text()[-2000:]}") from None
                    time.sleep(0.02)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
