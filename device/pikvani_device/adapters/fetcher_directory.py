"""Reads a repository from a folder: a USB stick, or a copy on disk. Follows nothing that leads out of it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

_PIECE_BYTES = 65_536


class DirectoryFetcher:
    """Reads files under one folder.

    Args:
        folder: holds `metadata/` and `targets/`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """Give the bytes of a file from `offset` on.

        Raises:
            FileNotFoundError: there is no such plain file inside the folder.
            OSError: the stick was pulled, or cannot be read.
        """
        if not self._folder.is_dir():
            raise OSError(f"{self._folder} is not there: put the stick in")
        root = self._folder.resolve()
        try:
            file = (root / path).resolve()
        except (ValueError, RuntimeError):  # no name a file can have; links in a circle
            raise FileNotFoundError(f"{self._folder}: {path!r} leads to no file") from None
        # A pipe would hang us and a link could show files of this device, so only plain files inside count.
        if not file.is_relative_to(root) or not file.is_file():
            raise FileNotFoundError(f"{self._folder} holds no {path}")
        with file.open("rb") as stream:
            stream.seek(offset)
            while piece := stream.read(_PIECE_BYTES):
                yield piece
