"""`scripts/bench arm64`: the parts of a card's bundle for arm64 answer under `qemu-user`, as this machine's do.

No kernel support for foreign programs (binfmt) is needed: every program is started through the emulator by name, in a
mount namespace of its own. Times are of the emulator and say nothing of a board.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.card.container import must

from pikvani_device.drawn_leaves import write_drawn_leaves
from pikvani_provision.boards import BOARDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "python3.11,libasound2,libstdc++6,ca-certificates"
TOOLS = {"mmdebstrap": "mmdebstrap", "qemu-aarch64-static": "qemu-user-static", "unshare": "util-linux"}
BOARD = "debian-arm64"
CPUS = {
    "cortex-a72": ("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": (
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}
"""Part and features of a Raspberry Pi 4 and a Raspberry Pi 5. Without a name the emulator shows a processor with all it
knows; there XNNPACK takes kernels that no board of ours has (i8mm, SVE), and under qemu 7.2 they give other numbers."""
_PROCESSOR = (
    "processor\t: {number}\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
    "CPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 3\n"
)
"""Its part of /proc/cpuinfo. The emulator shows this machine's, from which both runtimes' libraries crash."""
_SITE = '[centre]\nbroker = "mqtt.example:8883"\nenrolment = "https://enrol.example:8443"\n'
_ENTER = (
    "mount --make-rprivate / && mount -t proc proc proc && mount --bind cpuinfo proc/cpuinfo && "
    "mount --rbind /dev dev && mount --rbind /sys sys && "
    'cpu=$1; shift; exec chroot . /emulator -cpu "$cpu" /usr/bin/python3.11 "$@"'
)


def say(text: str) -> None:
    print(f"[arm64 {time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Foreign:
    """A Debian of arm64 in a folder; only its Python is ever started."""

    def __init__(self, root: Path, tar: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        must("tar", "-xf", tar, "-C", root)
        for name in ("proc", "dev", "sys", "tmp"):
            (root / name).mkdir(exist_ok=True)
        self.become(next(iter(CPUS)))
        shutil.copy2(str(shutil.which("qemu-aarch64-static")), root / "emulator")

    def become(self, cpu: str) -> None:
        """Be this processor from now on, one of `CPUS`."""
        self.cpu = cpu
        part, features = CPUS[cpu]
        cores = (_PROCESSOR.format(number=number, part=part, features=features) for number in range(4))
        (self.root / "cpuinfo").write_text("\n".join(cores))

    def python(self, *words: str, timeout_s: float = 900) -> str:
        """Run its Python with `words`; what it printed.

        Raises:
            RuntimeError: it failed.
        """
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh", self.cpu, *words]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
        environment |= {
            "PYTHONPATH": "/opt/pikvani/lib",
            "PIP_CONFIG_FILE": "/dev/null",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if done.returncode:
            raise RuntimeError(f"arm64: {' '.join(words)[:200]} failed:\n{(done.stdout + done.stderr)[-1500:]}")
        return done.stdout

    def appliance(self, *words: str) -> str:
        """`pikvani-device` of the installed bundle."""
        return self.python("-c", "import sys; from pikvani_device.cli import main; sys.exit(main())", *words)


def make_bundle(folder: Path, cache: Path) -> None:
    """What `pikvani-provision image` makes for the board, from the hashed lock."""
    site, own = folder / "site", folder / "own"
    site.mkdir()
    (site / "site.toml").write_text(_SITE)
    (site / "root.json").write_bytes(_any_root_of_trust())
    must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=rehearsal", "-keyout", folder / "away.key", "-out", site / "ca.pem")  # fmt: skip
    must(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", own, timeout_s=300)
    command = ["image", "--board", BOARD, "--out", folder / "out", "--site", site / "site.toml", "--download"]
    command += ["--wheels", cache / "wheels-arm64", "--wheel", next(own.glob("*.whl"))]
    must(sys.executable, "-m", "pikvani_provision.cli", *command, timeout_s=900)


def _any_root_of_trust() -> bytes:
    from tuf.api.metadata import Metadata, Root

    return Metadata(Root()).to_bytes()


def answers(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench arm64", description=__doc__)
    cache = Path("/var/tmp/pikvani-card")
    parser.add_argument("--cache", type=Path, default=cache, help="keeps the root and the wheels")
    options = parser.parse_args()
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if missing or os.geteuid() != 0:
        print(f"scripts/bench arm64 needs root, and: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    options.cache.mkdir(parents=True, exist_ok=True)
    tar = options.cache / "debian-arm64.tar"
    if not tar.exists():
        say("a Debian root of arm64 (made once, then kept)")
        half = tar.with_suffix(".half.tar")
        words = ["--variant=extract", "--architectures=arm64", f"--include={PACKAGES}", "bookworm", half]
        must("mmdebstrap", *words)
        half.rename(tar)
    with tempfile.TemporaryDirectory(prefix="pikvani-arm64-", dir=options.cache) as name:
        print(json.dumps(run(Path(name), options.cache, tar), indent=1))
    return 0


def run(folder: Path, cache: Path, tar: Path) -> dict[str, Any]:
    """Install and ask; the report.

    Raises:
        RuntimeError: a step failed.
        AssertionError: a decision differs from this machine's.
    """
    say("the bundle for the board")
    make_bundle(folder, cache)
    foreign = Foreign(folder / "root", tar)
    bundle = foreign.root / "opt/pikvani/bundle"
    bundle.mkdir(parents=True)
    must("tar", "-xf", next((folder / "out").rglob("bundle.tar")), "-C", bundle, "--no-same-owner")
    say("its wheels are unpacked, by the hashes")
    # By this machine's pip, told whom for: arm64's own was not done after five minutes under the emulator.
    board = BOARDS[BOARD]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--no-deps",
    ]
    command += ["--require-hashes", "--no-compile", "--only-binary", ":all:", "--implementation", "cp"]
    command += ["--python-version", "3.11", "--abi", "cp311", "--abi", "abi3", "--abi", "none"]
    command += [word for platform in board.platforms for word in ("--platform", platform)]
    command += ["--target", str(foreign.root / "opt/pikvani/lib"), "-r", "requirements.txt"]
    subprocess.run(command, cwd=bundle, check=True, timeout=300)
    report: dict[str, Any] = {}
    report["machine"] = foreign.python("-c", "import platform; print(platform.machine())").strip()
    report["wheels"] = len(list((bundle / "wheels").glob("*.whl")))
    package = foreign.python(
        "-c", "from pikvani_device.app.building import shipped_package; print(shipped_package())"
    ).strip()
    photos = [Path(path) for path in write_drawn_leaves(folder / "leaves", 6)]
    (foreign.root / "leaves").mkdir()
    for photo in photos:
        shutil.copy2(photo, foreign.root / "leaves" / photo.name)
    for cpu in CPUS:
        foreign.become(cpu)
        report[cpu] = {runtime: side_by_side(foreign, photos, package, runtime) for runtime in ("tflite", "onnx")}
    return report


def side_by_side(foreign: Foreign, photos: list[Path], package: str, runtime: str) -> dict[str, Any]:
    """Photographs there and here, and the self-test there.

    Raises:
        AssertionError: a decision differs from this machine's.
    """
    say(f"{len(photos)} leaves through {runtime} on {foreign.cpu}, and here")
    words = ("diagnose", "--each", "--jsonl", "--runtime", runtime)
    clock = time.monotonic()
    there = answers(foreign.appliance(*words, *(f"/leaves/{photo.name}" for photo in photos)))
    seconds = round(time.monotonic() - clock, 1)
    here = answers(must(sys.executable, "-m", "pikvani_device.cli", *words, *photos, timeout_s=300))
    assert len(there) == len(here) == len(photos), (len(there), len(here))
    far = max(distance(one, other) for one, other in zip(there, here, strict=True))
    alike = sum(one["decision"] == other["decision"] for one, other in zip(there, here, strict=True))
    report = {"answers": len(there), "same_decision": alike, "farthest_probability": far, "s": seconds}
    assert alike == len(photos), report
    say(f"{runtime}: the package's golden cases, within the tolerances it was signed with")
    tested = foreign.appliance("self-test", package, "--runtime", runtime).strip()[-300:]
    return report | {"self_test": tested}


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference of a probability between two answers to one photograph."""
    left, right = one["probabilities"], other["probabilities"]
    assert left.keys() == right.keys() and left, (one, other)
    return round(max(abs(left[label] - right[label]) for label in left), 4)


if __name__ == "__main__":
    sys.exit(main())
