"""Makes a release, its checksums and their signature; or checks one that came. Called by `scripts/release`.

The signature is plain Ed25519 over the list of checksums, so that OpenSSL alone checks it too: docs/releasing.md.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

ROOT = Path(__file__).resolve().parents[1]
SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
PASSPHRASE_VARIABLE = "PIKVANI_RELEASE_PASSPHRASE_FILE"
"""Environment variable: a file whose first line opens the release key."""
LOCKS = ("device", "server", "provision", "models")


class ReleaseError(Exception):
    """What stands against the release, and what to do."""


def version_to_release(draft: bool) -> tuple[str, str]:
    """The version and what the changelog says of it.

    Raises:
        ReleaseError: the tree has changes, or the changelog does not name this version with its day.
    """
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    heading, _, told = changelog.partition("\n## ")[2].partition("\n")
    wanted = rf"{re.escape(version)} \((\d{{4}}-\d\d-\d\d{'|unreleased' if draft else ''})\)"
    if not re.fullmatch(wanted, heading):
        raise ReleaseError(
            f"CHANGELOG.md begins with `{heading}`, pyproject.toml says {version}: write `## {version} (YYYY-MM-DD)`"
        )
    if not draft and _git("status", "--porcelain"):
        raise ReleaseError("the tree has changes that git does not hold: commit them, or try with --draft")
    return version, told.partition("\n## ")[0].strip() + "\n"


def make(folder: Path, draft: bool, bundle: Path | None) -> None:
    """Write everything of the release into a new folder, the checksums last."""
    version, told = version_to_release(draft)
    if folder.exists():
        raise ReleaseError(f"{folder} is there already: a release is never made twice; move it away")
    folder.mkdir(parents=True)
    time = _git("log", "-1", "--format=%ct").strip()
    env = {**os.environ, "SOURCE_DATE_EPOCH": time}
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], env)
    sources = folder / f"pikvani-{version}-sources.tar.gz"
    plain = subprocess.check_output(["git", "archive", f"--prefix=pikvani-{version}/", "HEAD"], cwd=ROOT)
    sources.write_bytes(gzip.compress(plain, mtime=int(time)))
    for lock in LOCKS:
        shutil.copyfile(ROOT / "requirements" / f"{lock}.txt", folder / f"requirements-{lock}.txt")
    _run([sys.executable, "scripts/sbom.py", "--out", str(folder / "sbom.cdx.json")], env)
    (folder / "CHANGES.md").write_text(told)
    if bundle:
        pack(bundle, folder / f"pikvani-{version}-card.tar", int(time))
    (folder / "release.json").write_text(
        json.dumps({"version": version, "commit": _git("rev-parse", "HEAD").strip(), "draft": draft}, indent=1) + "\n"
    )
    (folder / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums(folder)))


def pack(bundle: Path, into: Path, time: int) -> None:
    """A folder made by `pikvani-provision image` as one file; the same folder, the same bytes.

    Raises:
        ReleaseError: the folder holds a claim or a key: those belong to one card, never to a release.
    """
    if not bundle.is_dir():
        raise ReleaseError(f"{bundle} is no folder: make it with pikvani-provision image ... --out {bundle}")
    scan = [str(Path(sys.executable).parent / "pikvani-provision"), "scan", "--no-card", str(bundle)]
    if subprocess.run(scan, capture_output=True, text=True).returncode:
        raise ReleaseError(f"{bundle} holds something secret: pikvani-provision scan {bundle} says what")

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime = 0, 0, "root", "root", time
        return entry

    with tarfile.open(into, "w") as archive:
        for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
            archive.add(file, f"card/{file.relative_to(bundle)}", filter=plain)


def sums(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of each file of a release, the list itself and its signature left out."""
    for file in sorted(folder.iterdir()):
        if file.name not in (SUMS, SIGNATURE):
            with file.open("rb") as stream:
                yield file.name, hashlib.file_digest(stream, "sha256").hexdigest()


def sign(folder: Path, key_file: Path) -> None:
    """Sign the list of checksums.

    Raises:
        ReleaseError: the key cannot be opened, or is no Ed25519 key.
    """
    place = os.environ.get(PASSPHRASE_VARIABLE)
    try:
        passphrase = Path(place).read_text().splitlines()[0].encode() if place else None
        key = load_pem_private_key(key_file.read_bytes(), passphrase)
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise ReleaseError(
            f"{key_file}: cannot be opened ({error}); {PASSPHRASE_VARIABLE} names its passphrase's file"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError(f"{key_file}: not an Ed25519 key; make one as docs/releasing.md says")
    (folder / SIGNATURE).write_bytes(key.sign((folder / SUMS).read_bytes()))


def check(folder: Path, public_file: Path) -> int:
    """Hold a release that came to its signature and checksums; returns how many files it has.

    Raises:
        ReleaseError: another key signed it, or a file is changed, missing or too many.
    """
    try:
        public = load_pem_public_key(public_file.read_bytes())
        listed, signature = (folder / SUMS).read_bytes(), (folder / SIGNATURE).read_bytes()
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{folder}: cannot be checked ({error})") from None
    if not isinstance(public, Ed25519PublicKey):
        raise ReleaseError(f"{public_file}: not an Ed25519 key")
    try:
        public.verify(signature, listed)
    except InvalidSignature:
        raise ReleaseError(f"{folder}: not signed by {public_file}; do not install it") from None
    promised = dict(line.split("  ", 1)[::-1] for line in listed.decode().splitlines())
    there = dict(sums(folder))
    if wrong := sorted(name for name in {*promised, *there} if promised.get(name) != there.get(name)):
        raise ReleaseError(f"{folder}: not what was signed: {', '.join(wrong)}; do not install it")
    return len(promised)


def _git(*words: str) -> str:
    return subprocess.check_output(["git", *words], cwd=ROOT, text=True)


def _run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command[1:4])} failed:\n{done.stdout}{done.stderr}")


def main() -> None:
    """Parse, make or check, say what came of it."""
    parser = argparse.ArgumentParser(prog="scripts/release", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--key", type=Path, help="the Ed25519 key that signs; never in the repository")
    parser.add_argument("--out", type=Path, help="the new folder (dist/release-VERSION)")
    parser.add_argument("--bundle", type=Path, help="a folder made by pikvani-provision image, without a claim")
    parser.add_argument("--draft", action="store_true", help="allow changes in the tree and an unreleased changelog")
    parser.add_argument("--check", type=Path, help="a release that came: hold it to its signature instead")
    parser.add_argument("--public", type=Path, help="with --check: the public key")
    options = parser.parse_args()
    try:
        if options.check:
            if not options.public:
                parser.error("--check needs --public FILE")
            print(f"{check(options.check, options.public)} files are as signed")
            return
        if not options.key:
            parser.error("--key FILE is needed: a release without a signature is none")
        folder = options.out or ROOT / "dist" / f"release-{version_to_release(options.draft)[0]}"
        make(folder, options.draft, options.bundle)
        sign(folder, options.key)
        print(folder)
    except ReleaseError as error:
        sys.exit(f"scripts/release: {error}")


if __name__ == "__main__":
    main()
