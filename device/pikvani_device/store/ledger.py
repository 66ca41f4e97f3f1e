"""A list of erasures beside the database, so that a database restored from an old copy learns what to forget again."""

from __future__ import annotations

import os
from pathlib import Path

from pikvani_device.durable_files import sync_folder
from pikvani_device.errors import StoreError
from pikvani_device.store.keys import case_of

LEDGER_FILE = "erasures.log"


class Ledger:
    """One line an erasure: the case and `whole` or `sent`. Only ever added to; a torn last line is passed over.

    Args:
        path: of the file; made when first needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, case: str, whole: bool) -> None:
        """Write an erasure down before it is done, so that one that was cut short is done later.

        Raises:
            StoreError: it was not made durable.
        """
        try:
            with self._path.open("ab") as file:
                # A line begun before a power cut ends here.
                begin = b"\n" if file.tell() else b""
                file.write(begin + f"{case} {'whole' if whole else 'sent'}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._path.parent)
        except OSError as error:
            raise StoreError(
                f"{self._path}: an erasure cannot be written down ({error.strerror}); free some space on the disk"
            ) from None

    def entries(self) -> list[tuple[str, bool]]:
        """The cases and whether as a whole, oldest first."""
        try:
            lines = self._path.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read ({error.strerror}); check the disk") from None
        found = []
        for line in lines:
            case, _, what = line.partition(" ")
            try:
                case_of(case)
            except ValueError:
                continue
            if what in ("whole", "sent"):
                found.append((case, what == "whole"))
        return found
