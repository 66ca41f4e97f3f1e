"""What the appliance does when a part of it is gone: it goes on without, says so, and asks for a new process where
only that helps."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pikvani_contract.health import Health
from pikvani_device.errors import CameraError, CameraHungError, StoreError

if TYPE_CHECKING:
    from pikvani_device.store import StoredCase

log = logging.getLogger(__name__)

STORE, CAMERA = "store", "camera"
_DIAGNOSIS_S = 120.0


@dataclass
class Kept:
    """What became of a case; None where the disk did not take it."""

    case: StoredCase | None = None


def must_be_mounted(folder: Path, marker: str) -> None:
    """Refuse a data folder without its marker: what is written under a missing mount is gone after the next boot.

    Raises:
        StoreError: a marker is wanted and not there.
    """
    if marker and not (folder / marker).exists():
        raise StoreError(f"{folder}: the data partition is not mounted (no {marker} there); check the card and restart")


@contextmanager
def keeping(health: Health) -> Iterator[Kept]:
    """Around what needs the disk: a store that fails is gone without, one that works is back."""
    kept = Kept()
    try:
        yield kept
    except StoreError as error:
        if STORE not in health.missing():
            log.error("answers go on, and nothing can be kept: %s", error)
        health.without(STORE, str(error))
    else:
        health.again(STORE)


@contextmanager
def photographing(health: Health, let_go: Callable[[], None]) -> Iterator[None]:
    """Around what needs the camera: one that failed is let go, to be opened anew; one that hangs needs a new process.

    A camera that never answered since this process began is only missing: restarting for it again and again would take
    the phone and the touch screen away as well.
    """
    try:
        yield
    except CameraError as error:
        if isinstance(error, CameraHungError) and CAMERA in health.seen:
            health.broken(CAMERA, str(error))
        health.without(CAMERA, str(error))
        let_go()
        raise
    health.seen.add(CAMERA)
    health.again(CAMERA)


@contextmanager
def thinking(health: Health) -> Iterator[None]:
    """Around a diagnosis: one that does not end is stuck."""
    name = f"diagnosis {threading.get_ident()}"
    health.expect(name, _DIAGNOSIS_S)
    try:
        yield
    finally:
        health.ended(name)
