"""The wheels of a card: chosen from a cache by the hashed lock, for another processor than this one's.

Nothing that the lock does not name by its hash gets onto a card. The cache is filled once, where there is internet.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from pikvani_provision.boards import PYTHON, Board
from pikvani_provision.errors import ProvisionError

OWN = "pikvani"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """One line of the lock that holds for a board."""

    name: str
    version: str
    hashes: frozenset[str]


def read_lock(text: str, board: Board) -> list[Locked]:
    """The packages of a hashed requirements file that this board needs.

    Raises:
        ProvisionError: a line is no pinned requirement with hashes.
    """
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.split(" #")[0].strip()
        if not line or line.startswith("#"):
            continue
        words = line.split(" --hash=")[0].strip()
        try:
            wanted = Requirement(words)
        except InvalidRequirement as error:
            raise ProvisionError(f"the lock holds {words[:80]!r}: {error}; make the lock anew") from None
        versions = [each.version for each in wanted.specifier if each.operator == "=="]
        hashes = frozenset(_HASH.findall(line))
        if len(versions) != 1 or not hashes:
            raise ProvisionError(f"the lock does not pin {wanted.name} to one version with hashes; make the lock anew")
        if wanted.marker is None or wanted.marker.evaluate(board.markers):
            found.append(Locked(canonicalize_name(wanted.name), versions[0], hashes))
    return found


def runnable_tags(board: Board) -> dict[Tag, int]:
    """Tags of wheels this board can install, with their rank; the lowest is best."""
    platforms, python = board.platforms, f"cp{PYTHON[0]}{PYTHON[1]}"
    tags = [*cpython_tags(PYTHON, platforms=platforms), *compatible_tags(PYTHON, python, platforms)]

    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def choose_wheels(cache: Path, lock: list[Locked], board: Board) -> list[Path]:
    """The best wheel of every locked package, verified.

    Raises:
        ProvisionError: one is missing from the cache, or is another file than the lock names.
    """
    ranks = runnable_tags(board)
    held: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in sorted(cache.glob("*.whl")):
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            held.setdefault((str(name), str(version)), []).append((rank, path))
    chosen, missing = [], []
    for package in lock:
        candidates = sorted(held.get((package.name, package.version), []))
        sound = [path for _, path in candidates if sha256_of(path) in package.hashes]
        if sound:
            chosen.append(sound[0])
        elif candidates:
            raise ProvisionError(f"{candidates[0][1]}: not the file the lock names; delete it and use --download")
        else:
            missing.append(f"{package.name} {package.version}")
    if missing:
        raise ProvisionError(
            f"{cache}: no wheel for {board.machine} of {', '.join(missing)}; use --download where there is internet"
        )
    return chosen


def download(cache: Path, requirements: Path, board: Board) -> None:
    """Fill the cache with pip, by the hashes of the lock.

    Raises:
        ProvisionError: pip could not.
    """
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary", ":all:"]
    command += ["--dest", str(cache), "--requirement", str(requirements), "--implementation", "cp"]
    command += ["--python-version", ".".join(map(str, PYTHON))]
    for abi in (f"cp{PYTHON[0]}{PYTHON[1]}", "abi3", "none"):
        command += ["--abi", abi]
    for platform in board.platforms:
        command += ["--platform", platform]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PIP_NO_INPUT": "1"})
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise ProvisionError(f"pip could not fill {cache}: {last[:300]}; check the internet link and try again")


def own_wheel(cache: Path, given: Path | None) -> Path:
    """This project's own wheel: the one given, else the newest in the cache.

    Raises:
        ProvisionError: there is none, or the one given is another project's.
    """
    if given is None:
        found = sorted(cache.glob(f"{OWN}-*.whl"), key=lambda path: parse_wheel_filename(path.name)[1])
        if not found:
            raise ProvisionError(
                f"{cache}: no pikvani-*.whl; build one with 'hatchling build -t wheel -d {cache}', or use --wheel"
            )
        return found[-1]
    try:
        if str(parse_wheel_filename(given.name)[0]) != OWN or not given.is_file():
            raise InvalidWheelFilename
    except InvalidWheelFilename:
        raise ProvisionError(f"{given}: not a wheel of pikvani; name a file pikvani-VERSION-py3-none-any.whl") from None
    return given


def public_hashes(text: str) -> frozenset[str]:
    """Every hash of a lock: files that anyone can download."""
    return frozenset(_HASH.findall(text))


def sha256_of(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
