"""USB sticks at the centre: bundles taken in, receipts left, and the keys both need."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from pikvani_contract.centre_keys import generate, read_secrets
from pikvani_server.app import migrated_store
from pikvani_server.config import Config
from pikvani_server.errors import ServerError
from pikvani_server.ingest.bundles import Authority, import_bundles


def import_stick(
    config: Config, folder: Path, keys: Path, ca: Path | None, crl: Path | None, say: Callable[[str], None]
) -> bool:
    """Take in the bundles on a USB stick and leave receipts on it.

    Args:
        config: names the database.
        folder: the stick.
        keys: the centre's secret keys for sticks.
        ca: PEM of the authorities that sign devices; None takes unsigned bundles too.
        crl: PEM of their revocation lists.
        say: told what became of every file.

    Returns:
        Whether every bundle was taken.
    """
    secrets = read_secrets(_bytes(keys))
    authority = Authority.read(_bytes(ca), _bytes(crl) if crl else None) if ca else None
    store = migrated_store(config, threading.Event())
    try:
        done = import_bundles(store, folder, secrets, authority)
    finally:
        store.close()
    for name, reason in done.refused.items():
        say(f"{name}: refused: {reason}")
    say(f"{done.records} records committed, {done.duplicates} were here already, {len(done.receipts)} receipts written")
    return not done.refused


def make_stick_keys(out: Path) -> tuple[Path, Path]:
    """Make the centre's keys for USB sticks: `centre-secret.pem`, readable by its owner alone, and `centre-public.pem`.

    Raises:
        ServerError: they are there already, or cannot be written.
    """
    secret, public = out / "centre-secret.pem", out / "centre-public.pem"
    secrets = generate()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.pem())
        public.write_bytes(secrets.public.pem())
    except OSError as error:
        raise ServerError(
            f"keys cannot be written to {out}: {error.strerror}; existing keys are never replaced"
        ) from None
    return secret, public


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ServerError(f"{path} cannot be read: {error.strerror}") from None
