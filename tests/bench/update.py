"""What an update costs on a village link: bytes of a check, of a change of the heads, and of a hundred broken links.

Broker and certificates are the production ones, the proxy between them and the device is the 2G of the fault harness;
it counts TCP payload, TLS included. Packages are the shipped one and stand-ins for its next versions: other bytes in
6 kB of both models (`heads`), the same with golden cases and metrics measured anew (`heads_texts`), and small moves of
one weight in forty (`tuned`: what the link of the fault harness, a kilobyte a second, carries in minutes). Each is
signed as the desk signs it, and the device, which runs onnx, takes its part.
Fetched are bytes of files that reached the device, wanted or not. Prints one JSON object.
Run: scripts/bench update [--json] [--cuts N]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from tests.faults.harness import production_broker
from tests.faults.link_proxy import TWO_G, LinkProxy, Shape
from tests.support.tuf_repository import TufRepository

from pikvani_contract import topics
from pikvani_contract.clock import ClockTrust, Moment
from pikvani_contract.model.manifest import Package, load_package
from pikvani_contract.model.packing import difference_target, package_target, packed_bytes, runtimes_packed
from pikvani_device.adapters.broker_paho import PahoBroker, TlsFiles
from pikvani_device.adapters.fetcher_mqtt import MqttFetcher, MqttFetcherSettings
from pikvani_device.app.building import shipped_package
from pikvani_device.sync.publisher import offline_status
from pikvani_device.update.offers import by_difference
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_server.link import BrokerAddress
from pikvani_server.repository.differences import make_difference
from pikvani_server.repository.packages import pack
from pikvani_server.rollout.blocks import BlockService

DEVICE = "village-000"
RUNTIME = "onnx"
HEAD_BYTES = 6_000
MOVED = 0.025
SLOW = Shape(TWO_G.bits_per_s, TWO_G.latency_s, TWO_G.stall_share, TWO_G.stall_s)
"""The 2G of the fault harness without its random resets: here links are cut on purpose, and counted."""


def next_version(old: Package, folder: Path, version: str, kind: str) -> Package:
    """A stand-in for the next version of a package; see the module's text."""
    rng = np.random.default_rng(len(kind))
    shutil.copytree(old.folder, folder)
    for binding in old.manifest.bindings:
        path = folder / binding.file
        data = np.frombuffer(path.read_bytes(), np.uint8).copy()
        if kind.startswith("heads"):
            start = len(data) - 3 * HEAD_BYTES
            data[start : start + HEAD_BYTES] = rng.integers(0, 256, HEAD_BYTES, dtype=np.uint8)
        else:
            moved = rng.random(len(data)) < MOVED
            data += np.where(moved, rng.choice(np.array([1, 255, 2, 254], np.uint8), len(data)), 0).astype(np.uint8)
        path.write_bytes(data.tobytes())
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    manifest["version"] = version
    manifest["created_at"] = "2026-12-01T00:00:00Z"
    if kind != "heads":
        cases = json.loads((folder / "golden" / "cases.json").read_bytes())
        for case in cases["cases"]:
            case["logits"] = [round(x + float(rng.normal()), 4) for x in case["logits"]]
        (folder / "golden" / "cases.json").write_text(json.dumps(cases, indent=1))
        _stir(manifest["metrics"], rng)
        _stir(manifest["confidence"], rng)
    for entry in manifest["files"]:
        data_now = (folder / entry["path"]).read_bytes()
        entry |= {"sha256": hashlib.sha256(data_now).hexdigest(), "size": len(data_now)}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return load_package(folder)


def _stir(tree: Any, rng: np.random.Generator) -> None:
    """Other digits in every measured share, as a new evaluation gives."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            _stir(value, rng)
        elif isinstance(value, float) and 0 < value < 1:
            tree[key] = min(0.9999, round(value * (0.97 + 0.03 * float(rng.random())), 4))


class Road:
    """Repository, broker, block service, proxy and a connected device."""

    def __init__(self, folder: Path, shape: Shape, old: Package, settings: MqttFetcherSettings | None = None) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.folder = folder
        self.repository = TufRepository(folder / "repository", now=self.now)
        self.old = old
        self.release(old)
        plant_root(folder / "trusted", self.repository.first_root)
        self._broker, tls, table = production_broker(folder, [DEVICE])
        self._broker.start()
        centre = tomllib.loads(table)["broker"]
        address = BrokerAddress(**centre)
        self.service = BlockService(self.repository.folder, address, "bench")
        self._thread = threading.Thread(target=self.service.run)
        self._thread.start()
        if not self.service.link.ready.wait(20):
            raise TimeoutError("the block service did not connect within 20 s")
        self.proxy = LinkProxy(("127.0.0.1", self._broker.port), shape, seed=7)
        files = TlsFiles(tls / "ca.pem", tls / f"{DEVICE}.pem", tls / f"{DEVICE}.key")
        will = (topics.device(DEVICE, topics.UP_STATUS), offline_status())
        self.device = PahoBroker("127.0.0.1", self.proxy.port, DEVICE, will, files)
        self.fetcher = MqttFetcher(self.device, DEVICE, settings=settings)
        leaf = topics.device(DEVICE, topics.DOWN_BLOCK)
        self.device.start((leaf,), lambda topic, payload: self.fetcher.arrived(payload))
        until(lambda: self.device.connected, 60)

    def release(self, package: Package, difference_from: Package | None = None) -> int:
        """Publish a package as the desk does, and differences from another; the bytes our device needs of it."""
        name, version = package.manifest.name, package.manifest.version
        packed = pack(package.folder)
        whole = self.repository.add_target(packed.target_path, packed.data)
        whole.unrecognized_fields["custom"] = {"package": name, "version": version, "stage": "production"}
        need = 0
        # A package of one runtime is not packed in parts.
        for runtime, data in (packed.parts or {"": packed.data}).items():
            if runtime:
                self.repository.add_target(package_target(name, version, runtime), data)
            made = data
            if difference_from is not None:
                base = packed_bytes(difference_from, runtime)
                difference = make_difference(base, data)
                assert difference is not None
                made = difference
                path = difference_target(name, difference_from.manifest.version, version, runtime)
                offer = self.repository.add_target(path, made)
                offer.unrecognized_fields["custom"] = {"base_sha256": hashlib.sha256(base).hexdigest()}
            need = len(made) if runtime in ("", RUNTIME) else need
        self.repository.publish_all()
        return need

    def look(self) -> TrustedRepository:
        moment = Moment("bench", 0, int((self.now + timedelta(hours=1)).timestamp() * 1000), ClockTrust.SYNCED)
        looked = TrustedRepository(self.folder / "trusted", self.fetcher, moment)
        looked.refresh()
        return looked

    def update(self, old: Package, version: str) -> bytes:
        """Look, fetch the difference, rebuild the package; returns its bytes, verified."""
        looked = self.look()
        part = RUNTIME if RUNTIME in runtimes_packed(old.manifest) else ""
        target = looked.find(package_target(old.manifest.name, version, part))
        assert target is not None
        place = self.folder / "files" / "new.tar"
        place.parent.mkdir(exist_ok=True)
        why = by_difference(
            looked, target, old.manifest.version, lambda r: packed_bytes(old, r), place, lambda size: True
        )
        assert not why, why
        return place.read_bytes()

    @property
    def wire_bytes(self) -> int:
        return self.proxy.up_bytes + self.proxy.down_bytes

    def quiet(self) -> None:
        """Wait until nothing moves any more."""
        seen = -1
        while seen != self.wire_bytes:
            seen = self.wire_bytes
            time.sleep(2 * self.proxy.shape.latency_s + 0.5)

    def close(self) -> None:
        self.device.stop()
        self.service.stop()
        self._thread.join()
        self.proxy.close()
        self._broker.stop()


class Cutter(threading.Thread):
    """Cuts the link each time another share of `size` bytes has come, `cuts` times."""

    def __init__(self, road: Road, size: int, cuts: int) -> None:
        super().__init__(daemon=True)
        self._road, self._step, self._left = road, size // (cuts + 1), cuts
        self._begun = road.fetcher.received_bytes
        self.cuts = 0

    def run(self) -> None:
        while self._left:
            if self._road.fetcher.received_bytes - self._begun >= self._step * (self.cuts + 1):
                self._road.proxy.cut()
                time.sleep(0.2)
                self._road.proxy.mend()
                self.cuts += 1
                self._left -= 1
            time.sleep(0.005)


def until(condition: Callable[[], bool], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout_s:.0f} s")
        time.sleep(0.02)


def check_bytes(road: Road) -> int:
    """What a look costs that finds nothing new."""
    road.look()
    road.quiet()
    before = road.wire_bytes
    road.look()
    road.quiet()
    return road.wire_bytes - before


def with_cuts(road: Road, old: Package, version: str, need: int, cuts: int) -> dict[str, float]:
    """Fetch an update while the link is cut again and again."""
    road.quiet()
    before, wire, began = road.fetcher.received_bytes, road.wire_bytes, time.monotonic()
    cutter = Cutter(road, need, cuts)
    cutter.start()
    rebuilt = road.update(old, version)
    assert hashlib.sha256(rebuilt).hexdigest()
    fetched = road.fetcher.received_bytes - before
    return {
        "needed_bytes": need,
        "cuts": cutter.cuts,
        "fetched_bytes": fetched,
        "fetched_ratio": round(fetched / need, 4),
        "wire_ratio": round((road.wire_bytes - wire) / need, 3),
        "seconds": round(time.monotonic() - began, 1),
    }


def measure(folder: Path, cuts: int, say: Callable[[str], None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    old = load_package(shipped_package())
    road = Road(folder, SLOW, old)
    try:
        major = int(old.manifest.version.split(".")[0])
        found["check_bytes"] = check_bytes(road)
        say(f"a check with nothing new: {found['check_bytes']} bytes on the wire")
        for number, kind in enumerate(("heads", "heads_texts")):
            version = f"{major}.9{number}.0"
            need = road.release(next_version(old, folder / kind, version, kind), old)
            road.quiet()
            before = road.wire_bytes
            road.update(old, version)
            road.quiet()
            found[kind] = {"wire_bytes": road.wire_bytes - before, "difference_bytes": need}
            say(f"{kind}: {found[kind]}")
        tuned = next_version(old, folder / "tuned", f"{major}.99.0", "tuned")
        need = road.release(tuned, old)
        found["tuned"] = with_cuts(road, old, f"{major}.99.0", need, cuts)
        say(f"one weight in forty moved, {cuts} cuts: {found['tuned']}")
    finally:
        road.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object, say the rest on stderr")
    parser.add_argument("--cuts", type=int, default=100)
    options = parser.parse_args()
    random.seed(3)
    with tempfile.TemporaryDirectory(prefix="pikvani-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # Mosquitto reads its files as a user of its own
        found = measure(Path(folder), options.cuts, lambda text: print(f"[bench] {text}", file=sys.stderr, flush=True))
    print(json.dumps(found))
    kept = (
        found["check_bytes"] <= 700
        and max(found["heads"]["wire_bytes"], found["heads_texts"]["wire_bytes"]) <= 15_000
        and found["tuned"]["fetched_ratio"] <= 1.05
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
