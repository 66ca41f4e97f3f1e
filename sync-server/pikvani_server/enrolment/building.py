"""Builds enrolment out of a configuration: the signer, the desk, the keeper of revocation lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pikvani_server.config import Config
from pikvani_server.enrolment.authorities import FileSigner, Signer
from pikvani_server.enrolment.desk import Desk
from pikvani_server.enrolment.listener import IdentityListener
from pikvani_server.enrolment.revocation import RevocationKeeper
from pikvani_server.errors import ConfigError
from pikvani_server.link import BrokerAddress
from pikvani_server.store import Store


def build_signer(config: Config) -> Signer:
    """What holds the districts' keys.

    Raises:
        ConfigError: none is configured, or its files do not fit.
    """
    settings = config.enrolment
    if not settings.authorities_dir:
        raise ConfigError("devices do not enrol here: set enrolment.authorities_dir to the districts' authorities")
    passphrase = b""
    if settings.passphrase_file:
        try:
            passphrase = Path(settings.passphrase_file).read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"enrolment.passphrase_file cannot be read: {error.strerror}") from None
    return FileSigner(
        Path(settings.authorities_dir),
        timedelta(days=settings.certificate_days),
        timedelta(days=settings.crl_days),
        passphrase,
    )


def build_keeper(config: Config, store: Store, signer: Signer) -> RevocationKeeper | None:
    """What keeps the broker's revocation file, None where another host does."""
    settings = config.enrolment
    if not settings.crl_file:
        return None
    return RevocationKeeper(store, signer, Path(settings.crl_file), settings.broker_reload, settings.broker_restart)


def build_listener(config: Config, store: Store, address: BrokerAddress) -> IdentityListener:
    """The listener for devices that are enrolled, which looks after the lists too."""
    signer = build_signer(config)
    keeper = build_keeper(config, store, signer)

    def chores() -> None:
        if keeper is not None:
            keeper.turn(datetime.now(UTC))

    return IdentityListener(Desk(store, signer), address, config.ingest.name, chores)
