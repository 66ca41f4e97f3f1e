"""Keeps roll-outs going: one process leads, passes over each open one, and sends its orders to devices."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pikvani_server.errors import ServerError
from pikvani_server.link import BrokerAddress, Link
from pikvani_server.privacy.ordering import send_erasures
from pikvani_server.rollout import rows
from pikvani_server.rollout.advancing import advance
from pikvani_server.rollout.sending import send_orders
from pikvani_server.store import Store
from pikvani_server.store.leading import Leadership

log = logging.getLogger(__name__)

_POLL_S = 1.0


class RolloutService:
    """Runs in the thread that calls `run`. Any number may run; one of them leads.

    Args:
        store: migrated.
        address: the broker.
        name: of this host's service; two processes must differ.
        interval_s: seconds between two passes over a roll-out.
        clock: UTC.
    """

    def __init__(
        self,
        store: Store,
        address: BrokerAddress,
        name: str,
        interval_s: float = 30.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._interval_s, self._clock = store, interval_s, clock
        self._leadership = Leadership(store, "rollout")
        self._stopping = threading.Event()
        self.link = Link(address, f"pikvani-rollout-{name}", [], 20, 0)
        self.beat: Callable[[], None] = lambda: None
        """Called at every turn."""

    def run(self) -> None:
        """Work until `stop`."""
        self.link.start()
        passed_s = float("-inf")
        try:
            while not self._stopping.wait(_POLL_S):
                self.beat()
                try:
                    if not self._leadership.held():
                        continue
                    if time.monotonic() - passed_s > self._interval_s:
                        passed_s = time.monotonic()
                        self._pass()
                    if self.link.ready.is_set():
                        send_orders(self._store, self.link.publish, self._clock())
                        send_erasures(self._store, self.link.publish, self._clock())
                except ServerError as error:
                    log.warning("%s", error)
        finally:
            self._leadership.resign()
            self.link.stop()

    def stop(self) -> None:
        """Ask `run` to end; safe from a signal handler or another thread."""
        self._stopping.set()

    def _pass(self) -> None:
        for number in rows.unfinished(self._store):
            advance(self._store, number, self._clock())
