"""A few hundred light devices: each with a card, a certificate and a link of its own, living months in minutes.

    python -m tests.season.light_fleet --centre FILE --folder FOLDER ...

Cards are made and entered by the commands people use; each device asks for its certificate over HTTPS and speaks
MQTT 5 over mutual TLS with the real broker. What a device sent it keeps until the centre's receipt, and sends again
where none comes. Only their farmers, leaves and diseases are made up (`tests.simulation.world`).

The last line is JSON: how many became known, what was sent, what was receipted. `truth.jsonl` in the folder says of
each case with a picture what it really was, for those who name it later.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from tests.season.leaves import Leaves
from tests.simulation.roads import LightDevice, morning_ms
from tests.simulation.world import DISTRICTS, Faults, Seen, Village, World, villages

from pikvani_contract import enrolment, topics
from pikvani_contract.messages import Batch, Receipt
from pikvani_contract.wire import unpack
from pikvani_device.adapters.broker_paho import PahoBroker, TlsFiles
from pikvani_device.enrolment.folder import IdentityFolder
from pikvani_device.enrolment.identity import Identity
from pikvani_device.sync.publisher import offline_status

BATCH = "rabi"
AT_ONCE = 6
"""Devices that live at the same time; all of them stay connected."""
RINGS_EVERY_DAYS = 7

_SILENCE_S, _PATIENCE_S = 20.0, 600.0


class Line:
    """A device's own connection. What was sent is kept until the centre says that it is committed.

    Args:
        device_id: whose.
        port: of the broker.
        files: its certificate and key, and whom it believes.
    """

    def __init__(self, device_id: str, port: int, files: TlsFiles) -> None:
        will = (topics.device(device_id, topics.UP_STATUS), offline_status())
        self._receipts = topics.device(device_id, topics.DOWN_RECEIPT)
        self._broker = PahoBroker("127.0.0.1", port, device_id, will, files)
        self._kept: dict[tuple[bytes, int], tuple[str, bytes]] = {}
        self._lock = threading.Lock()
        self._heard_s = time.monotonic()
        self.sent = 0
        self._broker.start((self._receipts,), self._heard)

    def send(self, topic: str, payload: bytes) -> None:
        """Publish; a batch is kept."""
        if topic.endswith(topics.UP_BATCH):
            batch = unpack(payload, Batch)
            with self._lock:
                self._kept[batch.outbox, batch.records[-1].seq] = topic, payload
            self.sent += len(batch.records)
        self._publish(topic, payload)

    def settle(self) -> int:
        """Wait for the receipts of everything; what none comes for is sent again. Gives what is still without."""
        end_s = time.monotonic() + _PATIENCE_S
        while self._kept and time.monotonic() < end_s:
            time.sleep(0.05)
            if time.monotonic() - self._heard_s > _SILENCE_S:
                self._heard_s = time.monotonic()
                with self._lock:
                    again = list(self._kept.values())
                for topic, payload in again:
                    self._publish(topic, payload)
        return len(self._kept)

    def stop(self) -> None:
        """Hang up."""
        self._broker.stop()

    def _publish(self, topic: str, payload: bytes) -> None:
        end_s = time.monotonic() + _PATIENCE_S
        while not self._broker.publish(topic, payload):
            if time.monotonic() > end_s:
                raise RuntimeError(f"the broker took nothing on {topic} for {_PATIENCE_S:.0f} s")
            time.sleep(0.01)

    def _heard(self, topic: str, payload: bytes) -> None:
        if topic != self._receipts:
            return
        receipt = unpack(payload, Receipt)
        self._heard_s = time.monotonic()
        with self._lock:
            for outbox, last in list(self._kept):
                missing = any(first <= last for first, _ in receipt.gaps)
                if outbox == receipt.outbox and last <= receipt.upto and not missing:
                    del self._kept[outbox, last]


class Fleet:
    """All of them.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.first = options.last - timedelta(days=options.days - 1)
        began = self.first + timedelta(days=int(options.days * 0.6))
        faults = Faults(camera_from=began, outbreak_from=began)
        self._world, self._faults = World(options.seed, faults), faults
        self._leaves = Leaves(options.photographs)
        self._lines: list[Line] = []
        self._truth: list[dict[str, str | int]] = []
        self.cases = self.records = self.unreceipted = 0
        self._lock = threading.Lock()

    def run(self) -> None:
        """Cards, certificates, lives, receipts."""
        regions = dict(DISTRICTS)
        where = [(name, regions[name]) for name in self._options.districts]
        made = villages(self._options.each * len(where), self._options.seed, self._options.cases_a_day, where)
        cards = self._cards([name for name, _ in where])
        placed = [replace(v, device_id=cards[v.district].pop(0).stem) for v in made]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._live, placed))
        (self._options.folder / "truth.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in self._truth))

    def stop(self) -> None:
        """Everybody hangs up."""
        for line in self._lines:
            line.stop()

    @property
    def told(self) -> dict[str, int | str]:
        """What became of them."""
        began = self._faults.outbreak_from
        return {
            "devices": len(self._lines), "cases": self.cases, "records": self.records,
            "without_receipt": self.unreceipted, "pictures": len(self._truth),
            "camera": self._faults.camera_district, "outbreak": self._faults.outbreak_district,
            "crop": self._faults.outbreak_crop, "began": began.isoformat() if began else "",
        }  # fmt: skip

    def _cards(self, districts: list[str]) -> dict[str, list[Path]]:
        """Cards of each district by the technician's command, entered at the centre by that of the centre."""
        folder, files, cards = self._options.folder, [], {}
        for name in districts:
            out = folder / name.lower()
            words = ["claims", "make", "--batch", BATCH, "--count", self._options.each, "--district", name.lower()]
            _run("provision", *words, "--out", out)
            files.append(out / "batch.json")
            cards[name] = sorted((out / "cards").glob("*.json"))
        _run("server", "enrolment", "add-batch", *files, "--config", self._options.centre)
        return cards

    def _live(self, village: Village) -> None:
        place = self._options.folder / village.district.lower()
        identity = self._enrol(village.device_id, place / "cards" / f"{village.device_id}.json", place)
        files = TlsFiles(self._options.trust, identity.certificate_file, identity.key_file)
        line = Line(village.device_id, self._options.device_port, files)
        with self._lock:
            self._lines.append(line)
        pictured_from = self._options.last - timedelta(days=self._options.pictured_days - 1)
        device = LightDevice(village, self._world, line, None)
        cases, day = 0, self.first
        while day <= self._options.last:
            pictured = day >= pictured_from and village.district == self._faults.outbreak_district
            device.picture = self._picture if pictured else None
            cases += device.live(day)
            rings = (self._options.last - day).days % RINGS_EVERY_DAYS == 0
            if rings and (self._world.linked(village, day) or day == self._options.last):
                device.link(morning_ms(day) + 86_400_000)
            day += timedelta(days=1)
        left = line.settle()
        device.say_status(morning_ms(self._options.last) + 86_400_000, True)
        with self._lock:
            self.cases, self.records, self.unreceipted = (
                self.cases + cases,
                self.records + line.sent,
                self.unreceipted + left,
            )

    def _picture(self, device_id: str, outbox: bytes, seq: int, seen: Seen) -> bytes | None:
        picture = self._leaves.of(f"{device_id}/{seq}", seen.truth)
        with self._lock:
            self._truth.append({"device": device_id, "outbox": outbox.hex(), "seq": seq, "truth": seen.truth})
        return picture

    def _enrol(self, device_id: str, card: Path, place: Path) -> IdentityFolder:
        folder = IdentityFolder(place / "identity" / device_id)
        identity = Identity(folder, device_id, card, self._options.trust.read_bytes(), b"")
        request = identity.wanted(None)
        assert request is not None
        context = ssl.create_default_context(cafile=str(self._options.ca))
        # Each from an address of its own, as they are: the centre lets one address ask only so often.
        number = int.from_bytes(enrolment.digest(request)[:2])
        source = (f"127.1.{number >> 8}.{number & 255 or 1}", 0)
        link = http.client.HTTPSConnection(
            "127.0.0.1", self._options.enrol_port, timeout=60, source_address=source, context=context
        )
        link.request("POST", "/v1/enrol", enrolment.pack(request), {"Content-Type": "application/octet-stream"})
        answer = enrolment.unpack(link.getresponse().read(), enrolment.Answer)
        link.close()
        if not identity.take(answer, time.time_ns() // 1_000_000):
            raise RuntimeError(f"{device_id} was refused: {answer.reason}")
        return folder


def _run(program: str, *words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"pikvani_{program}.cli", *map(str, words)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def main() -> int:
    """The fleet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--centre", type=Path, required=True, help="the centre's configuration")
    parser.add_argument("--folder", type=Path, required=True, help="where cards and identities lie")
    parser.add_argument("--trust", type=Path, required=True, help="PEM: root and districts' authorities")
    parser.add_argument("--ca", type=Path, required=True, help="PEM: the root alone")
    parser.add_argument("--enrol-port", type=int, required=True)
    parser.add_argument("--device-port", type=int, required=True)
    parser.add_argument("--districts", nargs="+", required=True)
    parser.add_argument("--each", type=int, required=True, help="devices a district")
    parser.add_argument("--cases-a-day", type=float, default=12.0)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--last", type=date.fromisoformat, required=True, help="their last day")
    parser.add_argument("--pictured-days", type=int, required=True, help="last days of which pictures may be sent")
    parser.add_argument("--photographs", type=Path, help="folder of real photographs; drawn leaves without it")
    parser.add_argument("--seed", type=int, required=True)
    fleet = Fleet(parser.parse_args())
    try:
        fleet.run()
    finally:
        fleet.stop()
    print(json.dumps(fleet.told))
    return 0 if not fleet.unreceipted else 1


if __name__ == "__main__":
    sys.exit(main())
