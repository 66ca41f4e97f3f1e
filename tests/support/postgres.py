"""A real PostgreSQL 15 in a temporary directory on a loopback port, as throw-away as a temporary file.

Started as user `postgres` when the tests run as root, because PostgreSQL refuses root.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import psycopg

# Debian 12 has 15, which the product is built for; another distribution's own is better than no test.
_FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: (path.parts[4] == "15", path))
BIN = _FOUND[-1].parent if _FOUND else Path("/usr/lib/postgresql/15/bin")
MISSING = None if _FOUND else "PostgreSQL is not installed: apt-get install postgresql"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _attached(memory: str) -> int:
    """How many processes hold a System V shared memory segment (proc(5): shmid is field 2, nattch field 7)."""
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return next((int(row[6]) for row in rows if row[1] == memory), 0)


class Postgres:
    """One cluster. `durable=False` skips fsync: for tests that do not kill it."""

    def __init__(self, durable: bool = True) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="pikvani-pg-"))
        self._data = self._root / "data"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        if os.geteuid() == 0:
            shutil.chown(self._root, "postgres", "postgres")
        self._run("initdb", "-D", self._data, "-U", "pikvani", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._root}"]
        if not self._durable:
            options += ["fsync=off"]
        command = self._as_postgres([BIN / "postgres", "-D", self._data, *(x for o in options for x in ("-c", o))])
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=(self._root / "log").open("ab"), start_new_session=True
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self._root / 'log').read_text()[-2000:]}")

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    @property
    def _shared_memory(self) -> str:
        """Number of the System V segment by which a postmaster sees that another one's processes are still alive."""
        return (self._data / "postmaster.pid").read_text().splitlines()[6].split()[1]

    def kill(self) -> None:
        """SIGKILL the postmaster, as a power cut would; `start` recovers."""
        pid, memory = self.pid, self._shared_memory
        os.kill(pid, signal.SIGKILL)
        self._wait()
        deadline = time.monotonic() + 30
        while _attached(memory):  # its orphans work on until they look up, and a new one refuses to start beside them
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes of the killed PostgreSQL {pid} did not end within 30 s")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            os.kill(self.pid, signal.SIGINT)
            self._wait()

    def _wait(self) -> None:
        if self._process:
            self._process.wait(30)

    def url(self, database: str) -> str:
        return f"postgresql://pikvani@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and give its URL."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(self._as_postgres([BIN / program, *arguments]), check=True, stdout=subprocess.DEVNULL)

    @staticmethod
    def _as_postgres(command: list[object]) -> list[str]:
        words = [str(word) for word in command]
        return ["runuser", "-u", "postgres", "--", *words] if os.geteuid() == 0 else words
