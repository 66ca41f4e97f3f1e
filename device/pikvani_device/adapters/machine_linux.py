"""Which board this is, as a digest: its serial number and that of its memory card, where they can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_SERIALS = (
    "/sys/firmware/devicetree/base/serial-number",
    "/sys/class/dmi/id/product_uuid",
    "/sys/class/dmi/id/board_serial",
)
_CARD = "/sys/block/mmcblk0/device/cid"


def machine_digest(device_id: str, serials: Sequence[str] = _SERIALS, card: str = _CARD) -> bytes:
    """16 bytes that change with the board or the memory card; empty where neither says who it is.

    Args:
        device_id: mixed in, so that the digest says nothing of the board to whoever knows others.
        serials: files to try.
        card: file with the memory card's number.
    """
    found = []
    for path in (*serials, card):
        with suppress(OSError):
            data = Path(path).read_bytes().strip(b"\0 \n")
            if data:
                found.append(data)
    if not found:
        return b""
    return hashlib.sha256(b"pikvani machine\0" + b"\0".join((device_id.encode(), *found))).digest()[:16]
