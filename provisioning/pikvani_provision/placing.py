"""Puts a bundle where its board begins first boot: on the FAT partition of a Raspberry Pi, or in a root file system."""

from __future__ import annotations

import os
from pathlib import Path

from pikvani_provision.boards import Board
from pikvani_provision.errors import ProvisionError

FOLDER = "pikvani"
_FIRST = (
    "systemd.run=/boot/firmware/pikvani/first-boot systemd.run_success_action=reboot "
    "systemd.unit=kernel-command-line.target"
)


def begins_first_boot(cmdline: str, wifi_country: str) -> str:
    """A Raspberry Pi's kernel command line that runs the bundle's first boot once.

    Args:
        cmdline: as it is; one line.
        wifi_country: two letters.
    """
    words = [
        word
        for word in cmdline.split()
        # The system's own resizing would take the room of the data partition.
        if not word.startswith(("systemd.run", "systemd.unit=kernel-command-line", "cfg80211.ieee80211_regdom="))
        and not (word.startswith("init=") and word.endswith("firstboot"))
    ]
    return " ".join([*words, f"cfg80211.ieee80211_regdom={wifi_country}", "fsck.repair=yes", *_FIRST.split()]) + "\n"


def place(out: Path, board: Board, wifi_country: str) -> str:
    """Make the bundle in `out/pikvani` begin at the next start, where `out` shows how.

    Returns:
        What is left to a person, in one line.

    Raises:
        ProvisionError: the kernel command line cannot be written.
    """
    if board.boots_from != "cmdline":
        return f"put {out / FOLDER} into the root as /opt/pikvani-card, or name the root with --into"
    cmdline = out / "cmdline.txt"
    if not cmdline.exists():
        return f"{out} is no boot partition: run this again with --out on the card's, for cmdline.txt must change"
    try:
        before = cmdline.read_text()
        kept = out / "cmdline.before-pikvani.txt"
        if not kept.exists():
            _write(kept, before)
        _write(cmdline, begins_first_boot(kept.read_text(), wifi_country))
    except OSError as error:
        raise ProvisionError(f"{cmdline}: cannot be changed ({error.strerror}); is the card locked?") from None
    return "take the card out when the light is still, put it into the device, switch it on"


def into_root(root: Path, bundle: Path, board: Board) -> None:
    """Copy a bundle into a root file system and let first boot begin there.

    Raises:
        ProvisionError: there is no root file system, or it cannot be written.
    """
    if not (root / "etc").is_dir() or not (root / "usr").is_dir():
        raise ProvisionError(f"{root}: no root file system (no etc and usr in it); mount the card's root there first")
    if board.boots_from == "cmdline":
        raise ProvisionError("a Raspberry Pi begins from its boot partition: use --out on it, without --into")
    target = root / "opt" / "pikvani-card"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(bundle.iterdir()):
            if path.is_file():
                _write(target / path.name, path.read_bytes(), path.stat().st_mode & 0o777)
        units = root / "etc" / "systemd" / "system"
        wants = units / "multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        unit = "pikvani-first-boot.service"
        _write(units / unit, (Path(__file__).parent / "card" / unit).read_bytes())
        link = wants / unit
        if not link.is_symlink():
            link.symlink_to(f"/etc/systemd/system/{unit}")
    except OSError as error:
        raise ProvisionError(f"{root}: cannot be written ({error.strerror}); is it read-only, or full?") from None


def _write(path: Path, data: str | bytes, mode: int = 0o644) -> None:
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(data.encode() if isinstance(data, str) else data)
    beside.chmod(mode)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)
