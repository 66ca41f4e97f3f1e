"""Makes a first-boot bundle: what a blank card needs to become a device. The same inputs give the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pikvani_provision.boards import Board
from pikvani_provision.errors import ProvisionError
from pikvani_provision.site_file import Site, device_toml, wifi_environment
from pikvani_provision.wheels import sha256_of

SCHEMA = 1
BUNDLE, SUMS, MANIFEST = "bundle.tar", "bundle.sha256", "manifest.json"
_COMMANDS = ("by-hand", "kiosk-browser", "os-update", "overlay-init", "stick")
_EXECUTABLE = frozenset({"first-boot", "grow-card", *_COMMANDS})
Files = dict[str, bytes | Path]
"""Name in the bundle, and its bytes or where they lie."""
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Shipped:
    """Files that come with this software: in the wheel, else in the checkout."""

    units: Path
    lock: Path
    scripts: Path


def shipped() -> Shipped:
    """Where the units, the lock and the scripts of a card lie.

    Raises:
        ProvisionError: this installation lacks them.
    """
    checkout = _HERE.parents[1]
    places = ((_HERE / "units", _HERE / "device.txt"), (checkout / "systemd", checkout / "requirements" / "device.txt"))
    for units, lock in places:
        if (units / "device").is_dir() and lock.is_file():
            return Shipped(units / "device", lock, _HERE / "card")
    raise ProvisionError("this installation holds no units for a card: install pikvani again")


def contents(board: Board, site: Site, wheels: list[Path], own: Path, debs: list[Path]) -> Files:
    """Every file of a bundle by its name in it."""
    here = shipped()
    files: Files = {f"wheels/{path.name}": path for path in (*wheels, own)}
    files |= {f"debs/{path.name}": path for path in debs}
    units = [path for path in here.units.iterdir() if path.suffix in {".service", ".timer", ".target"}]
    files |= {f"units/{path.name}": path for path in units}
    files |= {f"etc/{path.name}": path for path in (here.units / "etc").iterdir()}
    files |= {f"bin/{name}": here.units / name for name in _COMMANDS}
    files |= {"bin/first-boot": here.scripts / "first-boot", "bin/grow-card": here.scripts / "grow-card"}
    files["units/pikvani-first-boot.service"] = here.scripts / "pikvani-first-boot.service"
    files |= {f"trust/{name}": data for name, data in site.files.items()}
    files["device.toml"] = device_toml(site, board.runtime, board.camera).encode()
    files["wifi.env"] = wifi_environment(site).encode()
    place = site.place
    settings = {
        "BOARD": board.name,
        "WIFI_COUNTRY": place.wifi_country,
        "TIMEZONE": place.timezone,
        "LOCALE": place.locale.replace("-", "_") + ".UTF-8",
        "SYSTEM_PACKAGES": "yes" if board.system_packages else "no",
    }
    files["settings.sh"] = "".join(f"{key}='{value}'\n" for key, value in settings.items()).encode()
    files["requirements.txt"] = "".join(
        f"./wheels/{path.name} --hash=sha256:{sha256_of(path)}\n"
        for path in sorted((*wheels, own), key=lambda path: path.name)
    ).encode()
    return files


def write_bundle(out: Path, board: Board, files: Files, epoch_s: int) -> dict[str, str]:
    """Write `bundle.tar`, `bundle.sha256`, `manifest.json` and the first-boot script into `out`.

    Args:
        out: made if it is missing; a bundle that is there already is replaced as a whole.
        board: whom it is for.
        files: of `contents`.
        epoch_s: the time every file in it bears, UTC seconds.

    Returns:
        SHA-256 of each file written, by its name.

    Raises:
        ProvisionError: it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        _atomically(out / BUNDLE, lambda path: _tar(path, files, epoch_s))
        (script,) = (value for name, value in files.items() if name == "bin/first-boot")
        data = script if isinstance(script, bytes) else script.read_bytes()
        _atomically(out / "first-boot", lambda path: path.write_bytes(data))
        (out / "first-boot").chmod(0o755)
        sums = {name: sha256_of(out / name) for name in (BUNDLE, "first-boot")}
        listed = {name: _sha(value) for name, value in sorted(files.items())}
        manifest = {"schema": SCHEMA, "board": board.name, "made_for": epoch_s, "files": listed}
        _atomically(out / MANIFEST, lambda path: path.write_text(json.dumps(manifest, indent=1) + "\n"))
        sums[MANIFEST] = sha256_of(out / MANIFEST)
        text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
        # Last: without it, first boot knows that the card was not written to its end.
        _atomically(out / SUMS, lambda path: path.write_text(text))
    except OSError as error:
        why = error.strerror or error
        raise ProvisionError(f"{out}: cannot be written ({why}); check the card and its space") from None

    return sums


def _tar(path: Path, files: Files, epoch_s: int) -> None:
    with path.open("wb") as raw, tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, value in sorted(files.items()):
            data = value if isinstance(value, bytes) else value.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), epoch_s
            entry.mode = 0o755 if name.rsplit("/", 1)[-1] in _EXECUTABLE else 0o644
            archive.addfile(entry, io.BytesIO(data))


def _atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside, sync, rename: a card pulled out too early holds the old file or the new one."""
    beside = path.with_name(path.name + ".new")
    write(beside)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sha(value: bytes | Path) -> str:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else sha256_of(value)
