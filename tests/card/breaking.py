"""The ways a device breaks, and what must be true of it soon after, by itself."""

from __future__ import annotations

import contextlib
import json
import random
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.card.centre import CardCentre
from tests.card.container import Machine

UNITS = ("pikvani-web", "pikvani-sync", "pikvani-update", "pikvani-enrol", "pikvani-wifi", "pikvani-kiosk")
_UP_S, _SYNC_S, _ENROL_S, _FIRST_BOOT_S = 240.0, 240.0, 240.0, 1_500.0


class Rehearsal:
    """One device, broken and watched.

    Args:
        machine: what is broken.
        centre: what must know every case in the end.
        device: the device's id.
        web: where its pages are.
        rng: which leaf, which moment.
        say: told what happens.
    """

    def __init__(
        self,
        machine: Machine,
        centre: CardCentre,
        device: str,
        web: str,
        rng: random.Random,
        say: Callable[[str], None],
    ) -> None:
        self.machine, self.centre, self.device, self.web, self.rng, self.say = machine, centre, device, web, rng, say
        self.seconds: dict[str, float] = {}
        self.recoveries: dict[str, list[float]] = {}
        self.told: list[str] = []
        self.not_kept = 0
        self.broken = ""
        self._leaves: list[bytes] = []
        self._units: list[str] = []

    def note(self, what: str, began: float) -> None:
        self.seconds[what] = round(time.monotonic() - began, 1)
        self.say(f"{what}: {self.seconds[what]} s")

    # -- what must be true ------------------------------------------------------------------------------------

    def wait_first_boot(self) -> None:
        marks = self.machine.root / "var/lib/pikvani-first-boot"
        deadline = time.monotonic() + _FIRST_BOOT_S
        while not (marks / "done").exists():
            if (marks / "stopped").exists() or time.monotonic() > deadline:
                raise AssertionError(f"first boot stopped:\n{self.machine.journal('pikvani-first-boot')}")
            time.sleep(0.5)
        for mark in sorted(marks.iterdir()):
            self.say(f"  {mark.name}: {mark.read_text().strip()}")

    def wait_enrolled(self) -> None:
        """The device asked by itself, and the centre has heard it with its certificate."""
        deadline = time.monotonic() + _ENROL_S
        while True:
            known = self.centre.enrolled().get(self.device)
            if known and known["confirmed_at"]:
                break
            if time.monotonic() > deadline:
                log = self.machine.journal("pikvani-enrol") + self.machine.journal("pikvani-sync")
                raise AssertionError(f"not enrolled after {_ENROL_S:.0f} s: {known}\n{log}")
            time.sleep(1)
        card = json.loads((self.machine.data / "pikvani/card.json").read_text())
        assert not card["claim"], "the claim was not spent"

    def by_hand(self) -> None:
        """What a technician types works, knows the device, and leaves no file that the services could not write."""
        status = self.machine.run("pikvani-device", "status")
        assert status.returncode == 0 and self.device in status.stdout, status.stdout + status.stderr
        checked = self.machine.run("pikvani-provision", "check", "--json", "data", "model", "clock", timeout_s=300)
        found = {each["part"]: each["verdict"] for each in json.loads(checked.stdout)["findings"]}
        assert found["model"] == "good", checked.stdout
        others = self.machine.run("find", "/var/lib/pikvani", "!", "-user", "pikvani").stdout
        assert not others, others

    def boot(self, data: bool = True) -> None:
        self.machine.start(overlay=True, data=data)

    @property
    def units(self) -> list[str]:
        """The units this device has: a root without a compositor has no kiosk."""
        if not self._units:
            has_kiosk = self.machine.run("test", "-x", "/usr/bin/cage").returncode == 0
            self._units = [unit for unit in UNITS if has_kiosk or unit != "pikvani-kiosk"]
        return self._units

    def ways(self) -> list[str]:
        """The ways this device can break: no unit is killed that it does not have."""
        killed = {f"kill-{unit.removeprefix('pikvani-')}" for unit in self.units}
        return [name for name in sorted(BREAKS) if name in killed or not name.startswith("kill-")]

    def wait_active(self) -> None:
        deadline = time.monotonic() + _UP_S
        states: dict[str, str] = {}
        while time.monotonic() < deadline:
            if self.machine.run("systemctl", "is-system-running").stdout.strip() not in ("", "offline"):
                states = self.machine.active(self.units)
                if set(states.values()) == {"active"}:
                    return
            time.sleep(0.3)
        logs = "\n".join(f"--- {u}\n{self.machine.journal(u, 15)}" for u, s in states.items() if s != "active")
        raise AssertionError(f"{self.broken}: not up after {_UP_S:.0f} s: {states}\n{logs or self.machine.journal()}")

    def ask(self, must_keep: bool = True) -> bool:
        """Diagnose a drawn leaf over HTTP; whether the case was kept."""
        if not self._leaves:
            from pikvani_device.drawn_leaves import write_drawn_leaves

            paths = write_drawn_leaves(self.machine.folder / "leaves", 6)
            self._leaves = [Path(path).read_bytes() for path in paths]
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="photos"; filename="leaf.jpg"\r\n\r\n'.encode()
        body = head + self.rng.choice(self._leaves) + f"\r\n--{mark}--\r\n".encode()
        deadline = time.monotonic() + 120
        while True:
            request = urllib.request.Request(f"{self.web}/api/v1/diagnose", body)
            request.add_header("Content-Type", f"multipart/form-data; boundary={mark}")
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    said = json.load(answer)
            except (urllib.error.URLError, OSError, ValueError) as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{self.broken}: no answer: {error}\n{self._web_log()}") from None
                time.sleep(0.3)
                continue
            assert said["decision"] in ("answer", "more", "refuse"), said
            if said["kept"]:
                self.told.append(said["case_id"])
                return True
            self.not_kept += 1
            if not must_keep:
                return False
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.broken}: answers, and keeps nothing\n{self._web_log()}")
            time.sleep(0.5)

    def wait_synced(self) -> None:
        deadline = time.monotonic() + _SYNC_S
        while missing := set(self.told) - set(self.centre.cases()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(missing)} cases never came\n{self.machine.journal('pikvani-sync')}")
            time.sleep(0.3)

    def take_update(self, version: str) -> None:
        """Wait until the signed version answers; a restart of its service makes it look now."""
        self.machine.run("systemctl", "restart", "pikvani-update")
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                self.ask()
                with urllib.request.urlopen(f"{self.web}/healthz", timeout=20) as answer:
                    if json.load(answer)["model"].endswith(f"@{version}"):
                        return
            time.sleep(1)
        raise AssertionError(f"{version} does not answer\n{self.machine.journal('pikvani-update')}")

    def wait_restarted(self, unit: str, before: int) -> None:
        deadline = time.monotonic() + _UP_S
        while time.monotonic() < deadline:
            if self.machine.main_pid(unit) not in (0, before):
                return
            time.sleep(0.2)
        raise AssertionError(f"{self.broken}: {unit} was not restarted\n{self.machine.journal(unit)}")

    def _web_log(self) -> str:
        return self.machine.journal("pikvani-web")


# -- breaking -----------------------------------------------------------------------------------------------------


def killed(unit: str) -> Callable[[Rehearsal], None]:
    """SIGKILL of a unit's main process."""

    def do(rehearsal: Rehearsal) -> None:
        before = rehearsal.machine.main_pid(unit)
        rehearsal.machine.run("kill", "-KILL", str(before))
        rehearsal.wait_restarted(unit, before)

    return do


def stopped_app(rehearsal: Rehearsal) -> None:
    """SIGSTOP: the process is there and does nothing; only the watchdog can tell."""
    before = rehearsal.machine.main_pid("pikvani-web")
    rehearsal.machine.run("kill", "-STOP", str(before))
    rehearsal.wait_restarted("pikvani-web", before)


def full_data(rehearsal: Rehearsal) -> None:
    """The data partition fills up: farmers are answered and told; once there is room, cases are kept again."""
    filler = rehearsal.machine.data / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        block = b"\0" * 2**20
        while True:
            file.write(block)
            file.flush()
    kept = [rehearsal.ask(must_keep=False) for _ in range(4)]
    assert not all(kept), "nothing was full"
    filler.unlink()


def power_cut(rehearsal: Rehearsal) -> None:
    """Everything stops at once, while a case is being kept."""
    rehearsal.ask()
    time.sleep(rehearsal.rng.uniform(0, 1.5))
    rehearsal.machine.cut_power()
    rehearsal.boot()


def power_cut_while_starting(rehearsal: Rehearsal) -> None:
    """Twice in a row, the second time somewhere in the middle of starting."""
    rehearsal.machine.cut_power()
    rehearsal.boot()
    time.sleep(rehearsal.rng.uniform(0.2, 6))
    rehearsal.machine.cut_power()
    rehearsal.boot()


def data_gone(rehearsal: Rehearsal) -> None:
    """A start without the data partition: farmers are answered and told that nothing is kept; then it is back."""
    rehearsal.machine.stop()
    rehearsal.boot(data=False)
    assert not rehearsal.ask(must_keep=False), "kept on a partition that is not there"
    rehearsal.machine.stop()
    rehearsal.boot()


BREAKS: dict[str, Callable[[Rehearsal], None]] = {
    "power-cut": power_cut,
    "power-cut-while-starting": power_cut_while_starting,
    "kill-web": killed("pikvani-web"),
    "kill-sync": killed("pikvani-sync"),
    "kill-update": killed("pikvani-update"),
    "kill-enrol": killed("pikvani-enrol"),
    "kill-wifi": killed("pikvani-wifi"),
    "kill-kiosk": killed("pikvani-kiosk"),
    "stop-app": stopped_app,
    "full-data": full_data,
    "data-gone": data_gone,
}
