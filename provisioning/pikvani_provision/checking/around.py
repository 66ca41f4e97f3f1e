"""What the checks see of the machine: files below a root, programs, and the device's configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["good", "warn", "bad", "absent"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        part: what was looked at.
        verdict: `good`; `warn` where it works and somebody should look; `bad`; `absent` where there is no such part.
        key: of the sentence in `checking.words`.
        values: for the sentence's places.
    """

    part: str
    verdict: Verdict
    key: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """What became of a program. `code` is 127 where there is none of that name and 124 where it took too long."""

    code: int
    out: str = ""
    err: str = ""


class Around:
    """The machine.

    Args:
        root: where `proc`, `sys` and `etc` begin.
        path: folders programs are looked for in; this process's if empty.
        config: the device's configuration file.
    """

    def __init__(self, root: Path = Path("/"), path: str = "", config: Path | None = None) -> None:
        self.root = root
        self.path = path or os.environ.get("PATH", os.defpath)
        named = os.environ.get("PIKVANI_DEVICE_CONFIG", "/etc/pikvani/device.toml")
        self.config_path = config or Path(named)

    def text(self, name: str) -> str:
        """A file below the root; empty where it cannot be read."""
        try:
            return (self.root / name).read_text(errors="replace").strip("\x00\n ")
        except OSError:
            return ""

    def glob(self, pattern: str) -> list[Path]:
        """Paths below the root, sorted."""
        try:
            return sorted(self.root.glob(pattern))
        except OSError:
            return []

    def run(self, command: list[str], timeout_s: float = 20.0) -> Ran:
        """Run a program; nothing is raised for one that is missing, fails or hangs."""
        program = shutil.which(command[0], path=self.path)
        if program is None:
            return Ran(127)
        try:
            done = subprocess.run(
                [program, *command[1:]],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Ran(124)
        except OSError as error:
            return Ran(126, err=str(error))
        return Ran(done.returncode, done.stdout, done.stderr)

    def appliance(self, *words: str, timeout_s: float = 60.0) -> Ran:
        """Run `pikvani-device`: the one beside this Python, else the one in the path."""
        beside = Path(sys.executable).parent / "pikvani-device"
        program = shutil.which("pikvani-device", path=self.path) or str(beside)
        options = ["--config", str(self.config_path)] if self.config_path.exists() else []
        return self.run([program, *options, *words], timeout_s)

    @property
    def config(self) -> dict[str, dict[str, Any]]:
        """The device's configuration as written; empty where there is none."""
        try:
            return tomllib.loads(self.config_path.read_text())
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            return {}
