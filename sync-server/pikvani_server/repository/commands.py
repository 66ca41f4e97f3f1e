"""`pikvani-server keys ...` and `pikvani-server repository ...`. Parses, asks for passphrases, prints."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from pikvani_server.repository import signing
from pikvani_server.repository.compliance import STAGES, Stage, registry_entry
from pikvani_server.repository.errors import SigningError
from pikvani_server.repository.keys import generate_key, open_key, public_path, read_public_key
from pikvani_server.repository.packages import pack
from pikvani_server.repository.shelf import Shelf

PASSPHRASE_VARIABLE = "PIKVANI_KEY_PASSPHRASE"  # noqa: S105 (its name, not its value)

_FILE = click.Path(path_type=Path, dir_okay=False)
_DIR = click.option("--dir", "folder", type=click.Path(path_type=Path), required=True, help="The repository's folder.")
_PASSPHRASE = click.option(
    "--passphrase-file", type=_FILE, help=f"First line opens the keys; else ${PASSPHRASE_VARIABLE}, else a prompt."
)
_ROOT_KEYS = click.option("--root-key", "root_keys", type=_FILE, multiple=True, required=True, help="Repeat: two keys.")
_TARGETS_KEY = click.option("--targets-key", type=_FILE, required=True, help="Offline.")
_SNAPSHOT_KEY = click.option("--snapshot-key", type=_FILE, required=True, help="Online.")
_TIMESTAMP_KEY = click.option("--timestamp-key", type=_FILE, required=True, help="Online.")


@click.group()
def keys() -> None:
    """Signing keys: docs/key-ceremony.md says who holds which."""


@keys.command()
@click.option("--out", type=_FILE, required=True, help="The private key; the public one gets .pub after it.")
@_PASSPHRASE
def generate(out: Path, passphrase_file: Path | None) -> None:
    """Make an Ed25519 key pair, the private half encrypted."""
    public = generate_key(out, _passphrase(out, passphrase_file, confirm=True))
    click.echo(f"{public.keyid} {out} {public_path(out)}")


@keys.command()
@click.argument("files", type=_FILE, nargs=-1, required=True)
def show(files: tuple[Path, ...]) -> None:
    """Print the ids of keys; needs no passphrase."""
    for file in files:
        click.echo(f"{read_public_key(file).keyid} {file}")


@click.group()
def repository() -> None:
    """The signed repository of model packages."""


@repository.command()
@_DIR
@_ROOT_KEYS
@click.option("--root-public", "root_publics", type=_FILE, multiple=True, help="Repeat: .pub of root keys not here.")
@_TARGETS_KEY
@_SNAPSHOT_KEY
@_TIMESTAMP_KEY
@_PASSPHRASE
def init(
    folder: Path,
    root_keys: tuple[Path, ...],
    root_publics: tuple[Path, ...],
    targets_key: Path,
    snapshot_key: Path,
    timestamp_key: Path,
    passphrase_file: Path | None,
) -> None:
    """Make a repository: three root keys of which two sign."""
    root_signers = _open_all(root_keys, passphrase_file)
    publics = {key.keyid: key for key in map(read_public_key, (*root_keys, *root_publics))}
    online = {
        "targets": _open(targets_key, passphrase_file),
        "snapshot": _open(snapshot_key, passphrase_file),
        "timestamp": _open(timestamp_key, passphrase_file),
    }
    signing.initialise(Shelf(folder), list(publics.values()), root_signers, online, _now())
    click.echo(f"{folder / 'metadata' / '1.root.json'}: plant this root in every device")


@repository.command("add-target")
@click.argument("package", type=click.Path(path_type=Path, file_okay=False))
@_DIR
@click.option("--stage", type=click.Choice(STAGES), default="candidate", show_default=True)
@click.option("--stamp", "stamp_file", type=_FILE, help="The compliance stamp (JSON); production needs one.")
@_TARGETS_KEY
@_PASSPHRASE
def add_target(
    package: Path, folder: Path, stage: str, stamp_file: Path | None, targets_key: Path, passphrase_file: Path | None
) -> None:
    """Sign for a model package, or for its new stage; `publish` shows it to devices."""
    packed = pack(package)
    stamp = _read(stamp_file) if stamp_file else None
    entry = registry_entry(packed, cast(Stage, stage), stamp)
    signing.add_target(Shelf(folder), packed, entry, _open(targets_key, passphrase_file), _now())
    click.echo(f"{packed.sha256} {packed.target_path} {len(packed.data)} bytes, {stage}: staged")
    for runtime, data in packed.parts.items():
        click.echo(f"\tof them {len(data)} bytes for devices that run {runtime}")


@repository.command("add-difference")
@click.argument("package", type=click.Path(path_type=Path, file_okay=False))
@_DIR
@click.option("--from", "old_version", required=True, help="The older version devices have.")
@_TARGETS_KEY
@_PASSPHRASE
def add_difference(
    package: Path, folder: Path, old_version: str, targets_key: Path, passphrase_file: Path | None
) -> None:
    """Sign for the small differences between an older version and PACKAGE, both added before."""
    signer = _open(targets_key, passphrase_file)
    signed = signing.add_difference(Shelf(folder), pack(package), old_version, signer, _now())
    for target in signed:
        click.echo(f"{target.path} {target.length} bytes: staged")
    if not signed:
        click.echo("no difference: the whole file is smaller")


@repository.command("renew-targets")
@_DIR
@_TARGETS_KEY
@_PASSPHRASE
def renew_targets(folder: Path, targets_key: Path, passphrase_file: Path | None) -> None:
    """Sign the same targets anew: once a year, and after the targets key changed."""
    signing.renew_targets(Shelf(folder), _open(targets_key, passphrase_file), _now())
    click.echo("targets staged")


@repository.command()
@_DIR
@_SNAPSHOT_KEY
@_TIMESTAMP_KEY
@_PASSPHRASE
def publish(folder: Path, snapshot_key: Path, timestamp_key: Path, passphrase_file: Path | None) -> None:
    """Show devices what is staged; without anything staged, renew snapshot and timestamp."""
    snapshot, timestamp = _open_all((snapshot_key, timestamp_key), passphrase_file)
    signing.publish(Shelf(folder), snapshot, timestamp, _now())
    click.echo(f"{folder}: published")


@repository.command("refresh-timestamp")
@_DIR
@_TIMESTAMP_KEY
@_PASSPHRASE
def refresh_timestamp(folder: Path, timestamp_key: Path, passphrase_file: Path | None) -> None:
    """Date the newest state anew; run daily."""
    signing.refresh_timestamp(Shelf(folder), _open(timestamp_key, passphrase_file), _now())
    click.echo(f"{folder}: timestamp renewed")


@repository.command("rotate-root")
@_DIR
@_ROOT_KEYS
@click.option("--role", type=click.Choice(["root", "targets", "snapshot", "timestamp"]), default="root")
@click.option("--remove", default="", help="Beginning of the id of the key that goes.")
@click.option("--add", "add_file", type=_FILE, help=".pub of the key that comes.")
@_PASSPHRASE
def rotate_root(
    folder: Path,
    root_keys: tuple[Path, ...],
    role: str,
    remove: str,
    add_file: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Publish a new root: a key changed, or, with neither --remove nor --add, only its date renewed."""
    add = read_public_key(add_file) if add_file else None
    signers = _open_all(root_keys, passphrase_file)
    version = signing.rotate_root(Shelf(folder), role, remove, add, signers, _now())
    click.echo(f"root {version} published" + ("" if role == "root" else f"; now sign {role} with its new key"))


def _open(path: Path, passphrase_file: Path | None) -> CryptoSigner:
    return open_key(path, _passphrase(path, passphrase_file))


def _open_all(paths: tuple[Path, ...], passphrase_file: Path | None) -> list[CryptoSigner]:
    return [_open(path, passphrase_file) for path in paths]


def _passphrase(path: Path, file: Path | None, confirm: bool = False) -> str:
    if file is not None:
        return _read(file).decode(errors="replace").split("\n", 1)[0].rstrip("\r")
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    return str(click.prompt(f"Passphrase of {path}", hide_input=True, confirmation_prompt=confirm, err=True))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SigningError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _now() -> datetime:
    return datetime.now(UTC)
