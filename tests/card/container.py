"""A machine: a Debian root under systemd-nspawn, with a data partition that can lose its power."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "mosquitto": "mosquitto",
    "mkfs.ext4": "e2fsprogs",
    "nsenter": "util-linux",
}
PACKAGES = (
    "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,procps,udev,e2fsprogs,iproute2,libasound2,"
    "network-manager"
)
KIOSK_PACKAGES = ",cage,seatd,chromium"
DATA_BYTES = 192 * 2**20


def missing_tools() -> list[str]:
    """Debian packages to install before this can run."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return sorted({package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)})


def quiet(*command: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=timeout_s, check=False)


def must(*command: str | Path, timeout_s: float = 1_800) -> str:
    done = quiet(*command, timeout_s=timeout_s)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


def build_root(cache: Path, kiosk: bool) -> Path:
    """A tar of a small Debian, made once with the package sources of this machine."""
    name = "debian-kiosk.tar" if kiosk else "debian.tar"
    tar = cache / name
    if not tar.exists():
        sources = [
            path
            for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
            if path.exists()
        ]
        include = PACKAGES + (KIOSK_PACKAGES if kiosk else "")
        half = tar.with_suffix(".half.tar")
        must("mmdebstrap", "--variant=minbase", f"--include={include}", "bookworm", half, sources[0])
        half.rename(tar)
    return tar


class Machine:
    """One machine. Files of its root in `folder`/root, its data partition in `folder`/data.ext4.

    Args:
        folder: its own.
        tar: of its root.
    """

    def __init__(self, folder: Path, tar: Path) -> None:
        self.folder, self.root, self.data = folder, folder / "root", folder / "data"
        self._image = folder / "data.ext4"
        self._process: subprocess.Popen[bytes] | None = None
        self.leader = 0
        if not self.root.exists():
            self.root.mkdir(parents=True)
            must("tar", "-xf", tar, "-C", self.root)
            (self.root / "etc/machine-id").write_text("")
        self.data.mkdir(exist_ok=True)
        if not self._image.exists():
            with self._image.open("wb") as file:
                file.truncate(DATA_BYTES)
            must("mkfs.ext4", "-q", "-L", "pikvani-data", "-m", "1", self._image)

    def start(self, overlay: bool, data: bool = True) -> None:
        """Switch on.

        Args:
            overlay: keeps the root read-only below memory, as on a device after first boot.
            data: whether the data partition is there.
        """
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--console=pipe"]
        command += [f"--directory={self.root}", "--hostname=rehearsal", "--resolv-conf=off"]
        if data:
            must("mount", "-o", "loop,noatime,errors=remount-ro", self._image, self.data)
            command.append(f"--bind={self.data}:/data")
        if overlay:
            command.append("--volatile=overlay")
        log = (self.folder / "console.log").open("ab")
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._init():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"the container did not start; see {self.folder}/console.log")
            time.sleep(0.05)
        self.leader = self._init()

    def _init(self) -> int:
        """Process id, outside, of the container's first process; 0 while nspawn still prepares it."""
        assert self._process
        with contextlib.suppress(OSError):
            for word in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
                # The child that prepares the mounts goes; the first process of a pid namespace stays.
                (inside,) = [
                    line.split()[1:]
                    for line in Path(f"/proc/{word}/status").read_text().splitlines()
                    if line.startswith("NSpid:")
                ]
                if inside[-1] == "1" and Path(f"/proc/{word}/comm").read_text().strip() == "systemd":
                    return int(word)
        return 0

    def run(self, *command: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return quiet("nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", *command, timeout_s=timeout_s)

    def active(self, units: list[str]) -> dict[str, str]:
        """State of units."""
        states = self.run("systemctl", "is-active", *units).stdout.split()
        return dict(zip(units, states + ["?"] * (len(units) - len(states)), strict=True))

    def main_pid(self, unit: str) -> int:
        """Process id, inside, of a unit's main process; 0 for none."""
        text = self.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout.strip()
        return int(text) if text.isdecimal() else 0

    def journal(self, unit: str = "", lines: int = 40) -> str:
        """The last lines of the log."""
        which = ["-u", unit] if unit else []
        return self.run("journalctl", "--no-pager", "-n", str(lines), "-o", "cat", *which).stdout

    def cut_power(self) -> None:
        """Everything stops at once, and what had not reached the data partition's medium is gone.

        The image is copied as it is at that moment, with its journal in whatever state, and the copy is what the next
        start finds: pages that only memory knew are not in it.
        """
        assert self._process
        for pid in (self.leader, self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        after = self._image.with_suffix(".after")
        must("cp", "--sparse=always", self._image, after)
        self._process.wait(30)
        self._unmount()
        after.rename(self._image)

    def stop(self) -> None:
        """Switch off in order."""
        if self._process and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGRTMIN + 4)  # systemd: power off
            try:
                self._process.wait(90)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(30)
        self._unmount()

    def _unmount(self) -> None:
        for _ in range(100):
            if quiet("umount", self.data).returncode == 0 or not os.path.ismount(self.data):
                return
            time.sleep(0.1)
        quiet("umount", "--lazy", self.data)
