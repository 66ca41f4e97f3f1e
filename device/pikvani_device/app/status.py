"""How a device is, for people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pikvani_contract.messages import Lane, LaneDepth
from pikvani_device import __version__
from pikvani_device.app.degraded import keeping

if TYPE_CHECKING:
    from pikvani_device.app import Device
    from pikvani_device.store import StoredCase


def status_of(device: Device) -> dict[str, Any]:
    """See `Device.status`."""
    manifest = device.package.manifest
    lanes: list[dict[str, Any]] | None = None
    latest: list[StoredCase] = []
    with keeping(device.health):
        lanes = [_lane(depth) for depth in device.store.depths()]
        latest = device.latest_cases(1)
    return {
        "device": device.config.device.id,
        "app": __version__,
        "model": f"{manifest.name}@{manifest.version}",
        "runtime": device.config.runtime.adapter,
        "crops": list(manifest.crops),
        "lanes": lanes,
        "last_case_at_ms": latest[0].wall_ms if latest else None,
        "without": device.health.missing(),
    }


def _lane(depth: LaneDepth) -> dict[str, Any]:
    named = {"lane": Lane(depth.lane).name.lower()}
    return named | {f: getattr(depth, f) for f in ("records", "bytes", "shed_records", "shed_bytes")}
