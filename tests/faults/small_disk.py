"""A card of a few megabytes that fills up: an ext4 file system in a file, or what says why there can be none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SIZE_MB = 12


class SmallDisk:
    """Mounted at `folder` until `close`.

    Raises:
        RuntimeError: this machine lets nobody mount a loop device.
    """

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        with image.open("wb") as file:
            file.truncate(SIZE_MB << 20)
        try:
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True, capture_output=True)
            subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(f"no small disk: {error}") from None

    def fill(self) -> None:
        """Take the last byte."""
        for size in (1 << 20, 1 << 16, 512):
            try:
                with self._ballast.open("ab", buffering=0) as file:
                    while file.write(bytes(size)):
                        pass
            except OSError:
                continue

    def empty(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)
