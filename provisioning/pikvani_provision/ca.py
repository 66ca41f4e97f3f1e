"""`pikvani-provision ca`: the root and what it signs. The devices' own certificates are signed at the centre."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import click

from pikvani_provision.authority import CENTRE_CN, LIST_DAYS, SERVER_DAYS, Authority, utc_now
from pikvani_provision.errors import ProvisionError

ENVIRONMENT = "PIKVANI_CA_PASSPHRASE_FILE"
"""Names the file that holds the root's passphrase where nobody is there to type it."""
_DISTRICT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DIR = click.option(
    "--dir", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the authority."
)
_OUT = click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where files go.")


@click.group()
def ca() -> None:
    """Keep the certificate authority. Its folder belongs offline."""


@ca.command()
@_DIR
@click.option("--name", default="Pikvani root", show_default=True, help="CN of the root.")
def init(folder: Path, name: str) -> None:
    """Make the root, its key under a passphrase, and its first revocation list."""
    made = Authority.create(folder, name, _passphrase("Passphrase of the new root", new=True), utc_now())
    click.echo(f"{made.folder}: root until {made.root.not_valid_after_utc:%Y-%m-%d}; keep two copies of this folder")


@ca.group()
def issue() -> None:
    """Sign a district's authority, a server's certificate, or that of the centre's workers."""


@issue.command()
@_DIR
@_OUT
@click.option("--key-passphrase-file", type=click.Path(path_type=Path, dir_okay=False), help="Protects its key.")
@click.argument("names", nargs=-1, required=True)
def district(folder: Path, out: Path, key_passphrase_file: Path | None, names: tuple[str, ...]) -> None:
    """Make the authority of each district; its two files go to the centre and nowhere else."""
    for name in names:
        if not _DISTRICT.fullmatch(name):
            raise click.UsageError(f"district {name[:40]!r}: take 1 to 32 of a-z, 0-9 and '-'")
    protect = _read_passphrase(key_passphrase_file) if key_passphrase_file else b""
    authority = _open(folder)
    for name in names:
        for path in authority.issue_district(name, out, protect, utc_now()):
            click.echo(str(path))


@issue.command()
@_DIR
@_OUT
@click.option("--host", "hosts", multiple=True, required=True, help="DNS name or IP address it is reached by.")
@click.option("--days", type=click.IntRange(1, 3_650), default=SERVER_DAYS, show_default=True)
@click.argument("name")
def server(folder: Path, out: Path, hosts: tuple[str, ...], days: int, name: str) -> None:
    """Make the certificate of a server: the broker, or where devices enrol."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise click.UsageError(f"name {name[:40]!r}: take letters, digits, '.', '_' and '-'")
    for path in _open(folder).issue_leaf(name, hosts, out, days, utc_now()):
        click.echo(str(path))


@issue.command()
@_DIR
@_OUT
@click.option("--days", type=click.IntRange(1, 3_650), default=SERVER_DAYS, show_default=True)
def centre(folder: Path, out: Path, days: int) -> None:
    """Make the certificate with which the centre's workers reach the broker."""
    for path in _open(folder).issue_leaf(CENTRE_CN, (), out, days, utc_now()):
        click.echo(str(path))


@ca.command("list")
@_DIR
def list_command(folder: Path) -> None:
    """Show everything the root signed."""
    for entry in _open(folder).entries():
        state = f"revoked {entry.revoked}" if entry.revoked else f"until {entry.until}"
        click.echo(f"{entry.serial}  {entry.kind:<8} {entry.name:<24} {state}")


@ca.command()
@_DIR
@click.argument("serial")
def revoke(folder: Path, serial: str) -> None:
    """Revoke a district, a server or the centre, by its serial; then carry root.crl to the centre."""
    entry = _open(folder).revoke(serial, utc_now())
    click.echo(f"{entry.kind} {entry.name} is revoked; carry {folder / 'root.crl'} to the centre now")


@ca.command()
@_DIR
@click.option("--days", type=click.IntRange(1, 3_650), default=LIST_DAYS, show_default=True, help="Valid so long.")
def crl(folder: Path, days: int) -> None:
    """Sign the root's revocation list anew, before the old one ends: after that the broker lets nobody in."""
    now = utc_now()
    path = _open(folder).write_list(now, days)
    click.echo(f"{path}: valid until {now + timedelta(days=days):%Y-%m-%d}; carry it to the centre")


def _open(folder: Path) -> Authority:
    return Authority.open(folder, _passphrase("Passphrase of the root"))


def _passphrase(prompt: str, new: bool = False) -> bytes:
    if named := os.environ.get(ENVIRONMENT):
        return _read_passphrase(Path(named))
    typed: str = click.prompt(prompt, hide_input=True, confirmation_prompt=new, err=True)
    return _strong(typed.encode(), "the passphrase") if new else typed.encode()


def _read_passphrase(path: Path) -> bytes:
    try:
        return _strong(path.read_bytes().strip(), str(path))
    except OSError as error:
        raise ProvisionError(f"passphrase file {path} cannot be read: {error.strerror}") from None


def _strong(passphrase: bytes, what: str) -> bytes:
    if len(passphrase) < 12:
        raise ProvisionError(f"{what} is shorter than 12 characters: take a longer one, four words for example")
    return passphrase
