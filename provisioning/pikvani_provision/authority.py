"""The certificate authority in a folder: the root's key under a passphrase, districts, servers, revocation.

The folder belongs on a machine, or a stick in a safe, that no network reaches. What is needed elsewhere is written to
a folder of its own: a district's authority for the centre, a server's certificate for the broker, the root for cards.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pikvani_contract import certificates
from pikvani_provision.errors import ProvisionError, RefusedError

ROOT_DAYS, DISTRICT_DAYS, SERVER_DAYS, LIST_DAYS = 7_300, 1_825, 825, 400
CENTRE_CN = "pikvani_centre"
"""User name of the centre's workers at the broker; the underscore cannot stand in a device id."""
_ROOT_KEY, ROOT, _LOG, ROOT_LIST = "root.key", "root.pem", "issued.json", "root.crl"


class Entry(msgspec.Struct, frozen=True):
    """One certificate the root signed.

    Attributes:
        serial: in hex.
        kind: `district`, `server` or `centre`.
        name: the district, or the CN.
        until: UTC date it ends.
        revoked: UTC time of revocation, empty for none.
    """

    serial: str
    kind: str
    name: str
    until: str
    revoked: str = ""


class _Log(msgspec.Struct):
    list_number: int = 0
    entries: list[Entry] = []


@dataclass(frozen=True)
class Authority:
    """An opened folder.

    Attributes:
        folder: where.
        root: its certificate.
        key: the root's key, in memory.
    """

    folder: Path
    root: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, folder: Path, name: str, passphrase: bytes, now: datetime) -> Authority:
        """A new root.

        Raises:
            ProvisionError: one is there already, or the folder cannot be written.
        """
        if (folder / _ROOT_KEY).exists():
            raise ProvisionError(f"{folder} holds a root already, and a root is never replaced; take another folder")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = certificates.new_key()
        root = certificates.make_root(key, name, now, timedelta(days=ROOT_DAYS))
        write_secret(folder / _ROOT_KEY, key_pem(key, passphrase))
        write_public(folder / ROOT, root.public_bytes(Encoding.PEM))
        made = cls(folder, root, key)
        made._keep(_Log())
        made.write_list(now)
        return made

    @classmethod
    def open(cls, folder: Path, passphrase: bytes) -> Authority:
        """The root of a folder.

        Raises:
            ProvisionError: there is none, or the passphrase is another.
        """
        try:
            pem, certificate = (folder / _ROOT_KEY).read_bytes(), (folder / ROOT).read_bytes()
        except FileNotFoundError:
            raise ProvisionError(f"{folder} holds no root: run `pikvani-provision ca init` first") from None
        try:
            key = load_pem_private_key(pem, passphrase or None)
            root = x509.load_pem_x509_certificate(certificate)
        except (ValueError, TypeError):
            raise ProvisionError(
                f"{folder / _ROOT_KEY} cannot be opened: the passphrase is another, or the file is damaged"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ProvisionError(f"{folder / _ROOT_KEY} is not an elliptic-curve key")
        return cls(folder, root, key)

    def issue_district(self, district: str, out: Path, passphrase: bytes, now: datetime) -> list[Path]:
        """Make a district's authority: `<district>.key` and `<district>.pem`, for the centre alone.

        Raises:
            ProvisionError: the files are there already.
        """
        key = certificates.new_key()
        serials = sum(1 for e in self.entries() if e.kind == "district" and e.name == district) + 1
        name = f"Pikvani {district} {serials}"
        made = certificates.make_intermediate(
            self.root, self.key, key.public_key(), name, now, timedelta(days=DISTRICT_DAYS)
        )
        out.mkdir(parents=True, exist_ok=True)
        files = [out / f"{district}.key", out / f"{district}.pem"]
        write_secret(files[0], key_pem(key, passphrase))
        write_public(files[1], made.public_bytes(Encoding.PEM))
        self._note(made, "district", district)
        return files

    def issue_leaf(self, name: str, hosts: Sequence[str], out: Path, days: int, now: datetime) -> list[Path]:
        """Make the certificate of a server (with `hosts`) or of the centre's workers (without).

        Raises:
            ProvisionError: the files are there already.
        """
        key = certificates.new_key()
        made = certificates.make_leaf(self.root, self.key, key.public_key(), name, now, timedelta(days=days), hosts)
        out.mkdir(parents=True, exist_ok=True)
        files = [out / f"{name}.key", out / f"{name}.crt"]
        write_secret(files[0], key_pem(key, b""))
        write_public(files[1], made.public_bytes(Encoding.PEM))
        self._note(made, "server" if hosts else "centre", name)
        return files

    def entries(self) -> list[Entry]:
        """Everything the root ever signed, oldest first."""
        return self._log().entries

    def revoke(self, serial: str, now: datetime) -> Entry:
        """Revoke what the root signed, and write the list anew.

        Raises:
            RefusedError: the root signed nothing with this serial, or it is revoked already.
        """
        log = self._log()
        wanted = serial.lower().lstrip("0x").replace(":", "")
        for place, entry in enumerate(log.entries):
            if entry.serial.lstrip("0") == wanted:
                if entry.revoked:
                    raise RefusedError(f"{entry.kind} {entry.name} was revoked at {entry.revoked}")
                revoked = msgspec.structs.replace(entry, revoked=now.isoformat(timespec="seconds"))
                log.entries[place] = revoked
                self._keep(log)
                self.write_list(now)
                return revoked
        raise RefusedError(
            f"the root signed nothing with serial {serial[:60]}: `ca list` shows what it did; a device is revoked at "
            "the centre, with `pikvani-server enrolment revoke`"
        )

    def write_list(self, now: datetime, days: int = LIST_DAYS) -> Path:
        """Write the root's revocation list anew; the broker needs it, and believes it for `days`."""
        log = self._log()
        log.list_number += 1
        self._keep(log)  # first: a number is never given twice
        revoked = {int(e.serial, 16): datetime.fromisoformat(e.revoked) for e in log.entries if e.revoked}
        made = certificates.make_revocations(self.root, self.key, revoked, log.list_number, now, timedelta(days=days))
        return write_public(self.folder / ROOT_LIST, made.public_bytes(Encoding.PEM))

    def _note(self, made: x509.Certificate, kind: str, name: str) -> None:
        log = self._log()
        until = made.not_valid_after_utc.date().isoformat()
        log.entries.append(Entry(f"{made.serial_number:x}", kind, name, until))
        self._keep(log)

    def _log(self) -> _Log:
        try:
            return msgspec.json.decode((self.folder / _LOG).read_bytes(), type=_Log)
        except (OSError, msgspec.DecodeError) as error:
            raise ProvisionError(f"{self.folder / _LOG} cannot be read ({error}); take it from your backup") from None

    def _keep(self, log: _Log) -> None:
        write_public(self.folder / _LOG, msgspec.json.format(msgspec.json.encode(log)))


def key_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes) -> bytes:
    """A private key as PEM, under a passphrase unless it is empty."""
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def write_secret(path: Path, data: bytes) -> Path:
    """Write a file that only its owner reads and that was not there.

    Raises:
        ProvisionError: it is there already.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise ProvisionError(f"{path} is there already, and no secret is overwritten; take another folder") from None
    return path


def write_public(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all."""
    aside = path.with_name(f".{path.name}.new")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    return path


def utc_now() -> datetime:
    """The time on this machine, which signs: set its clock first."""
    return datetime.now(UTC).replace(microsecond=0)
