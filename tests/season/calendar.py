"""What day it is for the processes of a season, and which boot: two weeks pass in a minute, and a power cut is a boot.

Time is told by libfaketime, the boot by a file laid over the kernel's in a mount namespace of the process's own. Where
one of them is not to be had the season says so and goes on without.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import MutableMapping
from functools import cache
from pathlib import Path

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), Path("/usr/lib/faketime/libfaketimeMT.so.1"))
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_LAY_OVER = f'mount --bind "$0" {_BOOT_ID} && exec "$@"'
_ALWAYS = {
    "LD_PRELOAD": str(FAKETIME),
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "NO_FAKE_STAT": "1",  # gunicorn tells by a file's times whether a worker lives
}
_PYTHON = "PYTHONPATH"
_MENDED = str(Path(__file__).parent / "under_faketime")


def set_clock(environment: MutableMapping[str, str], clock: str) -> None:
    """From their next start on, processes with this environment read that time.

    Args:
        environment: of the processes.
        clock: as libfaketime reads it (`-14d`, `@1970-01-01 00:02:00`); empty for the right time.
    """
    for word in (*_ALWAYS, "FAKETIME"):
        environment.pop(word, None)
    paths = [path for path in environment.get(_PYTHON, "").split(os.pathsep) if path and path != _MENDED]
    if clock:
        environment |= _ALWAYS | {"FAKETIME": clock}
        paths.insert(0, _MENDED)
    environment[_PYTHON] = os.pathsep.join(paths)


def days_ago(days: float) -> str:
    """The clock of so many days ago."""
    return f"-{round(days * 86_400)}s" if days else ""


class Boots:
    """A board that is switched on again and again.

    Args:
        file: where its present boot's name is kept.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def again(self) -> None:
        """The next boot."""
        self._file.write_text(f"{uuid.uuid4()}\n")

    @property
    def prefix(self) -> list[str]:
        """The words before a command by which it runs in this boot; none where nothing may be mounted."""
        return ["unshare", "--mount", "sh", "-c", _LAY_OVER, str(self._file)] if may_mount() else []


@cache
def may_mount() -> bool:
    """Whether this process may lay a file over another in a namespace of its own."""
    words = ["unshare", "--mount", "sh", "-c", _LAY_OVER, _BOOT_ID, "true"]
    try:
        return subprocess.run(words, capture_output=True).returncode == 0
    except OSError:
        return False
