"""Carries the outbox by hand: receipts off a USB stick, what still waits onto it, sealed to the centre."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pikvani_contract.centre_keys import read_public
from pikvani_device.app.identity import read_file, read_identity
from pikvani_device.errors import DeviceError
from pikvani_device.sync import sneakernet

if TYPE_CHECKING:
    from pikvani_device.app import Device


def export(device: Device, folder: Path) -> tuple[int, int]:
    """See `Device.export`."""
    sync, device_id = device.config.sync, device.config.device.id
    if not sync.centre_keys:
        raise DeviceError("no centre to seal to: set sync.centre_keys to the file the centre gave out")
    keys = read_public(read_file(sync.centre_keys))
    if device.config.enrolment.dir:
        # A device that was never enrolled has nothing to sign with, and its cases go on the stick all the same.
        identity = device.enrolment.identity.signing()
    else:
        identity = read_identity(read_file(sync.tls_cert), read_file(sync.tls_key)) if sync.tls_cert else None
    released = sneakernet.take_receipts(device.store, device_id, keys, folder)
    return released, sneakernet.export(device.store, device.clock, device_id, keys, identity, folder).records
