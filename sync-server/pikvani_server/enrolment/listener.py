"""Hears devices over their authenticated links: reports of their identity, and requests to renew it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pikvani_contract import topics
from pikvani_contract.enrolment import pack
from pikvani_contract.errors import ContractError
from pikvani_server.enrolment.desk import Desk
from pikvani_server.errors import StoreAwayError, StoreRefusedError
from pikvani_server.link import BrokerAddress, Delivery, Link

log = logging.getLogger(__name__)

SHARE = "identity"
"""Name of the shared subscription: any number of listeners may run."""
_WINDOW = 50
_SESSION_EXPIRY_S = 3_600
_CHORES_S = 60.0
_RETRY_S = 2.0


class IdentityListener:
    """Runs in the thread that calls `run`.

    Args:
        desk: decides.
        address: the broker.
        name: of this host's listener; two hosts must differ.
        chores: called every minute, for instance to renew revocation lists.
    """

    def __init__(
        self, desk: Desk, address: BrokerAddress, name: str, chores: Callable[[], None] = lambda: None
    ) -> None:
        self._desk = desk
        self._chores = chores
        self._stopping = threading.Event()
        self.beat: Callable[[], None] = lambda: None
        """Called at every turn."""
        self.link = Link(
            address,
            f"pikvani-identity-{name}",
            [topics.every_device(topics.UP_IDENTITY, share=SHARE)],
            _WINDOW,
            _SESSION_EXPIRY_S,
        )

    def run(self) -> None:
        """Listen until `stop`."""
        chores = threading.Thread(target=self._keep, name="revocation-lists")
        chores.start()
        self.link.start()
        try:
            while not self._stopping.is_set():
                self.beat()
                delivery = self.link.take(0.5)
                if delivery is not None:
                    self._take(delivery)
        finally:
            self._stopping.set()
            self.link.stop()
            chores.join()

    def stop(self) -> None:
        """Ask `run` to end; safe from a signal handler or another thread."""
        self._stopping.set()

    def _take(self, delivery: Delivery) -> None:
        try:
            device_id = topics.device_of(delivery.topic)
        except ContractError as error:
            log.warning("%s", error)
            self.link.acknowledge(delivery)
            return
        while not self._stopping.is_set():
            try:
                reply = self._desk.hear(device_id, delivery.payload)
            except StoreAwayError as error:
                log.warning("%s", error)
                self._stopping.wait(_RETRY_S)
                continue
            except StoreRefusedError as error:
                log.error("a report of %s is passed over: %s", device_id, error)
                reply = None
            if reply is not None:
                self.link.publish(topics.device(device_id, topics.DOWN_IDENTITY), pack(reply))
            self.link.acknowledge(delivery)
            return

    def _keep(self) -> None:
        while True:
            try:
                self._chores()
            except Exception:
                # Devices are heard whatever becomes of the lists; a list not renewed for days is seen in the log.
                log.exception("revocation lists were not looked after")
            if self._stopping.wait(_CHORES_S):
                return
