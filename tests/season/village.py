"""The villages of a season, whose devices are real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.link_proxy import LinkProxy
from tests.season.calendar import Boots, set_clock
from tests.season.places import State
from tests.support.mosquitto import free_port

PARTS = ("web", "sync", "enrol")


class Village:
    """One device: its card, its link, its processes, and what it was told.

    Args:
        name: of the village.
        state: the centre it belongs to.
        number: of its card in the batch.
        photographs: what its camera sees, in order, again and again.
        https: whether it can ask the centre for its certificate by itself.
        clock: what its clock shows as it is switched on, as libfaketime reads it; empty for the right time.
        room_mb: size of the card its data lies on; 0 for what there is.
    """

    def __init__(
        self,
        name: str,
        state: State,
        number: int,
        photographs: list[Path],
        https: bool,
        clock: str = "",
        room_mb: int = 0,
    ) -> None:
        self.name, self.state = name, state
        self.id = state.card(number).stem
        self.folder = state.folder / name
        self.sticks = self.folder / "media"
        self.link = LinkProxy(("127.0.0.1", state.centre.device_port))
        self.port = free_port()
        self.told: list[str] = []
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = dict(state.centre.environment)
        if clock:
            set_clock(self.environment, clock)
        self.card: SmallCard | None = SmallCard(self.folder / "data", room_mb) if room_mb else None
        self.boots = Boots(self.folder / "boot")
        camera = self.folder / "camera"
        camera.mkdir(parents=True, exist_ok=True)
        for k in range(4_000):  # the live view takes several a second
            source = photographs[k % len(photographs)]
            (camera / f"{k:04d}{source.suffix}").symlink_to(source)
        self.sticks.mkdir()
        state.centre.command("provision", "claims", "place", state.card(number), "--onto", self.folder)
        ask = f'url = "https://127.0.0.1:{state.centre.enrol_port}"\n' if https else ""
        self.config = self.folder / "device.toml"
        self.config.write_text(
            f'[device]\nid = "{self.id}"\ndata_dir = "{self.folder / "data"}"\n'
            f'[camera]\nadapter = "folder"\npath = "{camera}"\n[web]\nport = {self.port}\n'
            f'[sync]\nhost = "127.0.0.1"\nport = {self.link.port}\nmax_batch_age_s = 0.2\nreceipt_timeout_s = 3\n'
            f'centre_keys = "{state.stick_keys / "centre-public.pem"}"\n'
            f'[enrolment]\ndir = "{self.folder / "identity"}"\ntrust = "{state.centre.trust}"\n'
            f'ca = "{state.centre.folder / "ca" / "root.pem"}"\nsticks = "{self.sticks}"\n{ask}'
            f'[update]\nsource = "mqtt"\nroot = "{state.root}"\nwatch_cases = 12\n'
            '[privacy]\ncontact = "Sunita Pawar, Panchayat"\n'
        )
        self.start()

    @property
    def called(self) -> str:
        """Its name as people write it."""
        return self.name.capitalize()

    @property
    def base(self) -> str:
        """Address of its pages."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Switched on."""
        self.boots.again()
        self.processes += [self._run(part) for part in PARTS]

    def tend(self) -> list[str]:
        """As systemd does: parts that ended are started again; their names."""
        ended = [n for n, process in enumerate(self.processes) if process.poll() is not None]
        for n in ended:
            self.processes[n] = self._run(PARTS[n])
        return [PARTS[n] for n in ended]

    def _run(self, part: str) -> subprocess.Popen[str]:
        words = ("--config", self.config, "run", "--part", part)
        return self.state.centre.start(
            "device", *words, ready=part != "enrol", environment=self.environment, prefix=self.boots.prefix
        )

    def command(self, *words: object) -> list[str]:
        """One `pikvani-device` command as it runs here."""
        return [*self.boots.prefix, sys.executable, "-m", "pikvani_device.cli", "--config", str(self.config),
                *map(str, words)]  # fmt: skip

    def reboot(self, clock: str) -> None:
        """The plug is pulled; when it is in again, the clock shows that."""
        self.power_cut()
        set_clock(self.environment, clock)
        self.start()

    def power_cut(self) -> None:
        """Everything stops at once."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def device(self, *words: object, codes: tuple[int, ...] = (0, 1)) -> str:
        """One `pikvani-device` command here."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=180, env=self.environment)
        assert done.returncode in codes and "Traceback" not in done.stderr, done.stdout + done.stderr
        return done.stdout

    def ask(self, photographs: list[Path], crop: str) -> list[dict[str, Any]]:
        """Each photograph a case, recorded; what was said."""
        words = ["diagnose", "--record", "--each", "--jsonl", "--crop", crop, *photographs]
        said = [json.loads(line) for line in self.device(*words).splitlines() if line.startswith("{")]
        self.told += [row["case_id"] for row in said if row.get("case_id")]
        return said

    def photographs(self) -> set[str]:
        """Names of the photographs on its card, as whoever takes the card out finds them."""
        return {path.name for path in (self.folder / "data" / "photos").rglob("*") if path.is_file()}

    def waiting(self) -> int:
        """Records that the centre has not acknowledged."""
        return sum(lane["records"] for lane in json.loads(self.device("status", "--json"))["lanes"])

    def identity(self) -> str:
        """`enrolled`, `waiting` or `refused`."""
        return str(json.loads(self.device("enrol", "status", "--json"))["state"])

    def answers(self) -> str:
        """Which model answers."""
        model: dict[str, str] = json.loads(self.device("update", "status").splitlines()[0])
        return model["answers"]

    def check(self) -> str:
        """Look for an order once; the phase the update is then in."""
        model = json.loads(self.device("update", "check").splitlines()[0])
        return str(model.get("phase", "idle"))

    def stop(self) -> None:
        """Switched off for good."""
        self.power_cut()
        self.link.close()
        if self.card:
            self.card.close()


class SmallCard:
    """A file system of a size of its own that can be filled to the brim: the real thing, where root may mount.

    Args:
        folder: where it is mounted.
        size_mb: how much it holds.

    Raises:
        OSError: nothing may be mounted here.
    """

    def __init__(self, folder: Path, size_mb: int) -> None:
        self.folder, self._ballast = folder, folder / "ballast"
        folder.mkdir(parents=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise OSError(done.stderr.strip())

    def fill(self) -> None:
        """Not one byte is left."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            for size in (65_536, 512, 1):
                with suppress(OSError):
                    while file.write(b"0" * size):
                        pass

    def make_room(self) -> None:
        """As somebody who tidied up."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmounted."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)
