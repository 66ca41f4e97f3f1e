"""The broker's revocation file: written anew when a device is revoked and long before it ends, then the broker is told.

A list that has ended locks every device out, so it is renewed at a quarter of its life.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from cryptography import x509

from pikvani_server.enrolment.authorities import Signer
from pikvani_server.errors import ServerError
from pikvani_server.store import Store
from pikvani_server.store.schema_enrolment import issued, revocation_lists

log = logging.getLogger(__name__)

_COMMAND_TIMEOUT_S = 60.0


def revocation_file(store: Store, signer: Signer, now: datetime) -> bytes:
    """The root's list and one of every district, as PEM: what the broker's `crlfile` wants."""
    parts = []
    with store.writing("numbering revocation lists") as connection:
        for authority in signer.authorities():
            insert = store.insert(revocation_lists).values(authority=authority, number=1)
            again = insert.on_conflict_do_update(
                index_elements=["authority"], set_={"number": revocation_lists.c.number + 1}
            )
            connection.execute(again)
            query = sa.select(revocation_lists.c.number).where(revocation_lists.c.authority == authority)
            number = connection.execute(query).scalar_one()
            # What has ended by itself need not be listed any more.
            theirs = sa.select(issued.c.serial, issued.c.revoked_at).where(
                issued.c.authority == authority, issued.c.revoked_at.is_not(None), issued.c.expires_at > now
            )
            revoked = {int(row.serial, 16): row.revoked_at for row in connection.execute(theirs)}
            parts.append(signer.revocations(authority, revoked, number, now))
    return signer.root_list() + b"".join(parts)


def publish(store: Store, signer: Signer, path: Path, tell: Sequence[str], now: datetime) -> None:
    """Write the broker's file, whole or not at all, then run `tell`.

    Args:
        store: knows who is revoked.
        signer: signs the lists.
        path: the file the broker reads.
        tell: command that makes the broker read it: a reload for a renewed list, a restart for a revoked device, whose
            connection must end; empty for none.
        now: UTC.

    Raises:
        ServerError: the file cannot be written, or the command fails.
    """
    data = revocation_file(store, signer, now)
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    except OSError as error:
        raise ServerError(f"{path} cannot be written: {error.strerror}; revoked devices still get in") from None
    if not tell:
        log.warning("%s is written; no command is set to tell the broker", path)
        return
    try:
        done = subprocess.run(list(tell), capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(f"the broker cannot be told of {path}: {error}; restart it by hand") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise ServerError(f"{tell[0]} ended with {done.returncode} ({last}); restart the broker by hand")


class RevocationKeeper:
    """Keeps the broker's file true: at once when somebody was revoked, on any host, and before a list ends.

    Args:
        store: knows who is revoked.
        signer: signs the lists.
        path: the file the broker reads.
        reload: command for a renewed list.
        restart: command for a revoked device, whose connection must end.
    """

    def __init__(
        self, store: Store, signer: Signer, path: Path, reload: Sequence[str] = (), restart: Sequence[str] = ()
    ) -> None:
        self._store, self._signer, self._path = store, signer, path
        self._reload, self._restart = reload, restart

    def turn(self, now: datetime) -> str:
        """Look once.

        Returns:
            `revoked` or `renewed` where the file was written, else empty.

        Raises:
            ServerError: see `publish`.
            StoreAwayError: the database is away.
        """
        listed = _read_lists(self._path)
        query = sa.select(issued.c.authority, issued.c.serial).where(
            issued.c.revoked_at.is_not(None), issued.c.expires_at > now
        )
        known = set(self._signer.authorities())
        wanted = {
            int(r["serial"], 16) for r in self._store.read("reading revocations", query) if r["authority"] in known
        }
        serials = {entry.serial_number for crl in listed for entry in crl}
        if listed and not wanted <= serials:
            publish(self._store, self._signer, self._path, self._restart or self._reload, now)
            return "revoked"
        if not listed or any(_worn(crl, now) for crl in listed[1:]) or self._root_is_new(listed[0]):
            publish(self._store, self._signer, self._path, self._reload, now)
            return "renewed"
        return ""

    def _root_is_new(self, listed: x509.CertificateRevocationList) -> bool:
        return listed != x509.load_pem_x509_crl(self._signer.root_list())


def _worn(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    if crl.next_update_utc is None:
        return True
    return now - crl.last_update_utc > (crl.next_update_utc - crl.last_update_utc) / 4


def _read_lists(path: Path) -> list[x509.CertificateRevocationList]:
    """What the broker reads now: the root's list first; nothing where the file is missing or torn."""
    end = b"-----END X509 CRL-----"
    try:
        return [x509.load_pem_x509_crl(part + end + b"\n") for part in path.read_bytes().split(end)[:-1]]
    except (OSError, ValueError):
        return []
