"""Makes a device forget what it saw: before it is handed on, or when its data are beyond mending.

A file in the data folder says that it was begun, and what is kept. A cut in between is finished at the next start.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pikvani_device.durable_files import sync_folder
from pikvani_device.enrolment.folder import replace
from pikvani_device.errors import DeviceError, StoreError

if TYPE_CHECKING:
    from pikvani_device.app import Device
    from pikvani_device.config import Config

BEGUN = "factory-reset-begun"
_DATABASE = "device.sqlite3"


def factory_reset(device: Device, export_to: Path | None, lose_unsynced: bool, forget_identity: bool) -> int:
    """Forget cases, photographs, updates, drafts and the service PIN.

    Args:
        device: whose other parts are stopped; closed on return.
        export_to: a stick that takes what the centre does not have yet, sealed.
        lose_unsynced: go on although something waits for the centre.
        forget_identity: forget key, certificate and card too; the device then needs a new card.

    Returns:
        Records that were put on the stick.

    Raises:
        DeviceError: something waits and may not be lost, or another part of the appliance is running.
    """
    exported = 0
    try:
        if export_to is not None:
            _, exported = device.export(export_to)
        elif not lose_unsynced and device.store.waiting():
            raise DeviceError(
                "cases wait for the centre: bring them there with --export-to STICK, or say --lose-unsynced"
            )
    except StoreError:
        # A damaged store is a reason to do this, not to refuse it; what is on the stick has been verified by then.
        if not lose_unsynced:
            raise
    finally:
        device.close()
    _must_be_alone(device.data_dir / _DATABASE)
    replace(device.data_dir / BEGUN, b"all" if forget_identity else b"identity")
    finish(device.config)
    return exported


def finish(config: Config) -> None:
    """Go on with a reset that was begun; does nothing where none was.

    Raises:
        StoreError: something cannot be removed.
    """
    folder = Path(config.device.data_dir)
    begun = folder / BEGUN
    try:
        kept_identity = begun.read_bytes() != b"all"
    except OSError:
        return
    identity = Path(config.enrolment.dir or folder / "identity").absolute()
    card = Path(config.enrolment.card) if config.enrolment.card else identity.parent / "card.json"
    kept = {(folder / name).absolute() for name in (BEGUN, config.store.marker) if name}
    who = {identity, card.absolute()}
    try:
        for path in sorted(folder.absolute().iterdir()):
            if path not in kept and not (kept_identity and path in who):
                _remove(path)
        if not kept_identity:
            for path in who:
                _remove(path)  # they may lie outside the data folder
        sync_folder(folder)
        begun.unlink()
        sync_folder(folder)
    except OSError as error:
        raise StoreError(
            f"{error.filename}: cannot be removed ({error.strerror}); the reset goes on at the next start"
        ) from None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _must_be_alone(path: Path) -> None:
    """Only the last connection may leave WAL, so that SQLite itself says whether another process has it open."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=2, isolation_level=None)) as alone, suppress(sqlite3.DatabaseError):
        try:
            alone.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise DeviceError(
                    "another part of the appliance is running; stop them first: "
                    "systemctl stop pikvani-web pikvani-sync pikvani-update pikvani-enrol"
                ) from None
