"""The outbox on a USB stick, and the receipts that come back on it. Beside MQTT, in any order, any number of times.

Nothing leaves the outbox by exporting; only a receipt lets go, whichever way it came.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pikvani_contract.bundle import MAX_BUNDLE_BYTES, open_receipts, seal
from pikvani_contract.centre_keys import CentreKeys
from pikvani_contract.clock import Clock
from pikvani_contract.errors import WireError
from pikvani_contract.messages import MAX_RECORDS, Receipt
from pikvani_contract.wire import MAX_PAYLOAD_BYTES, pack, unpack
from pikvani_device.durable_files import sync_folder
from pikvani_device.errors import DeviceError
from pikvani_device.store import Store
from pikvani_device.sync.batches import batch_of, fitting

_SUFFIX = ".pkvi"


@dataclass(frozen=True)
class Exported:
    """What an export put on the stick."""

    files: tuple[Path, ...]
    records: int


def export(
    store: Store,
    clock: Clock,
    device_id: str,
    keys: CentreKeys,
    identity: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    folder: Path,
) -> Exported:
    """Write everything that waits into sealed files under `folder`, each whole or not there.

    Raises:
        DeviceError: the stick is full, gone or read-only; files written before stay good.
    """
    files: list[Path] = []
    records = 0
    pending: list[bytes] = []
    size = 0
    moment = clock.now()

    def write() -> None:
        data = seal(device_id, pending, keys.seal, identity)
        files.append(_write_whole(folder, f"{device_id}-{moment.wall_ms}-{len(files) + 1:03d}{_SUFFIX}", data))

    for payload, count in _batches(store, clock):
        if pending and size + len(payload) > MAX_BUNDLE_BYTES:
            write()
            pending, size = [], 0
        pending.append(payload)
        size += len(payload)
        records += count
    if pending:
        write()
    return Exported(tuple(files), records)


def take_receipts(store: Store, device_id: str, keys: CentreKeys, folder: Path) -> int:
    """Apply the receipt file for this device on the stick, if there is one.

    Returns:
        How many records left the outbox.

    Raises:
        DeviceError: the file cannot be read, is torn, or is not the centre's for this device.
    """
    path = folder / f"{device_id}.receipts{_SUFFIX}"
    if not path.exists():
        return 0
    try:
        if path.stat().st_size > 2 * MAX_BUNDLE_BYTES:
            raise WireError("the file is too large to be one of ours")
        receipts = [unpack(data, Receipt) for data in open_receipts(path.read_bytes(), device_id, keys.receipts)]
    except (OSError, WireError) as error:
        raise DeviceError(f"receipts on the stick cannot be used: {path}: {error}") from error
    return store.apply_receipts(receipts)


def _batches(store: Store, clock: Clock) -> Iterator[tuple[bytes, int]]:
    for waiting in store.waiting():
        after = 0
        while records := fitting(store.records_after(waiting, after, MAX_RECORDS), MAX_PAYLOAD_BYTES // 2):
            yield pack(batch_of(waiting, records, clock)), len(records)
            after = records[-1].seq


def _write_whole(folder: Path, name: str, data: bytes) -> Path:
    target, partial = folder / name, folder / f".{name}.part"
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        sync_folder(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DeviceError(f"cannot write {target}: {error.strerror}; check the stick and export again") from error
    return target
