"""Builds the connection to the centre: one publisher, and what else travels over the same connection."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import astuple

from pikvani_contract import topics
from pikvani_contract.consent import ErasureOrder
from pikvani_contract.errors import WireError
from pikvani_contract.messages import UpdateOrder
from pikvani_contract.wire import unpack
from pikvani_device import __version__
from pikvani_device.adapters.broker_paho import PahoBroker
from pikvani_device.adapters.fetcher_mqtt import MqttFetcher
from pikvani_device.adapters.tls_dates import dates_count
from pikvani_device.app.enrolment import build_relay, link_files
from pikvani_device.app.instruments import TOLD_FACT, read_told
from pikvani_device.app.parts import PARTS
from pikvani_device.app.update import order_fact
from pikvani_device.enrolment.talking import IdentityTalk
from pikvani_device.errors import DeviceError
from pikvani_device.store.keys import case_id
from pikvani_device.sync.publisher import Publisher, PublisherSettings, Running, offline_status
from pikvani_device.sync.relay import SOCKET_FILE, Relay

if TYPE_CHECKING:
    from pikvani_device.adapters.tls_stunnel import StunnelRelay
    from pikvani_device.app import Device
    from pikvani_device.store import Store

log = logging.getLogger(__name__)


class Linked(Publisher):
    """A publisher whose connection the other parts of this appliance may fetch over."""

    relay: Relay | None = None
    chip: StunnelRelay | None = None
    say_identity: Callable[[], None] | None = None

    def step(self) -> float:
        """See `Publisher.step`; says who this device is where that is due."""
        if self.chip is not None and not self.chip.alive:
            self.chip.start()
        wait_s = super().step()
        if self.say_identity is not None:
            self.say_identity()
        return wait_s

    def start(self) -> None:
        """Begin to connect, and to listen for the other parts. Call once."""
        if self.relay is not None:
            self.relay.start()
        if self.chip is not None:
            self.chip.start()
        super().start()

    def run(self, stop: threading.Event) -> None:
        """See `Publisher.run`; listens no more once it ends."""
        try:
            super().run(stop)
        finally:
            if self.relay is not None:
                self.relay.stop()
            if self.chip is not None:
                self.chip.stop()


class Answering:
    """Which model answers on this device, also when another part of it has switched since."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._switched_ns = -1
        self._model = ""

    def model(self) -> str:
        """`name@version`; verified anew only after a switch."""
        switched_ns = self._device.switched_at_ns
        if switched_ns != self._switched_ns:
            manifest = (self._device.updates().active() if switched_ns else self._device.birth_package).manifest
            self._model, self._switched_ns = f"{manifest.name}@{manifest.version}", switched_ns
        return self._model


def build_publisher(device: Device, beat: Callable[[], None]) -> Linked:
    """A publisher to the configured broker; `run` starts it.

    Raises:
        DeviceError: the link's files are missing or do not fit.
    """
    sync, device_id = device.config.sync, device.config.device.id
    chip = build_relay(device.config)
    tls = None if chip is not None else link_files(device.config)
    if tls is not None:
        tls = dataclasses.replace(tls, dates=dates_count(device.clock.now()))
    will = (topics.device(device_id, topics.UP_STATUS), offline_status())
    host = sync.host if chip is None else str(chip.socket)
    broker = PahoBroker(host, sync.port, device_id, will, tls, sync.keepalive_s)
    settings = PublisherSettings(
        batch_records=sync.max_batch_records,
        batch_age_s=sync.max_batch_age_s,
        receipt_timeout_s=sync.receipt_timeout_s,
        in_flight_batches=sync.in_flight_batches,
        monthly_budget_bytes=sync.monthly_budget_mb * 1_000_000,
        reserve_percent=sync.reserve_percent,
        max_outbox_bytes=device.config.store.max_mb * 1_000_000,
    )

    answering = Answering(device)

    def running() -> Running:
        told = read_told(store.fact(TOLD_FACT))
        return Running(__version__, answering.model(), device.config.runtime.adapter, *astuple(told))

    store, packages = device.store, {device.birth_package.manifest.name, *PARTS}
    fetcher = MqttFetcher(broker, device_id, lambda size: publisher.allows_update(size), lambda: publisher.busy)
    listeners: dict[str, Callable[[bytes], object]] = {
        topics.device(device_id, topics.DOWN_BLOCK): fetcher.arrived,
        topics.device(device_id, topics.DOWN_COMMAND): lambda payload: (
            erase_by_order(device, payload) or keep_order(store, payload, packages)
        ),
    }
    talk = IdentityTalk(device.enrolment.identity) if device.config.enrolment.dir else None
    if talk is not None:
        listeners[topics.device(device_id, topics.DOWN_IDENTITY)] = talk.arrived
    publisher = Linked(store, broker, device.clock, device_id, running, settings, device.clock.learn, beat, listeners)
    publisher.chip = chip
    if talk is not None:
        publisher.say_identity = partial(_say_identity, talk, broker, device)
    if device.config.update.source == "mqtt":
        publisher.relay = Relay(device.data_dir / SOCKET_FILE, fetcher.fetch)
    return publisher


def _say_identity(talk: IdentityTalk, broker: PahoBroker, device: Device) -> None:
    if not broker.connected:
        return
    try:
        report = talk.due(device.clock.now().mono_ms, broker.connections)
    except DeviceError as error:
        log.error("who this device is cannot be said: %s", error)
        return
    if report is not None:
        broker.publish(topics.device(device.config.device.id, topics.UP_IDENTITY), report)


def erase_by_order(device: Device, payload: bytes) -> bool:
    """Erase a case if that is what the centre orders; the tombstone that is queued tells it so.

    Args:
        device: whose case.
        payload: bytes of a stranger.

    Returns:
        Whether it was such an order.
    """
    try:
        order = unpack(payload, ErasureOrder)
    except WireError:
        return False
    device.privacy.erase(case_id(order.outbox, order.seq), order.whole, "centre")
    return True


def keep_order(store: Store, payload: bytes, packages: Collection[str]) -> bool:
    """Remember an order of the centre, unless an equal or later one is known; the updates obey it.

    Args:
        store: keeps it before the broker is told that it came.
        payload: bytes of a stranger.
        packages: names of those this device has.

    Returns:
        Whether it was new.
    """
    try:
        order = unpack(payload, UpdateOrder)
        if order.package not in packages:
            log.warning("order passed over: this device has no package %s", order.package)
            return False
        known = store.fact(order_fact(order.package))
        if known and unpack(bytes.fromhex(known), UpdateOrder).number >= order.number:
            return False
    except WireError as error:
        log.warning("order passed over: %s", error)
        return False
    store.set_fact(order_fact(order.package), payload.hex())
    log.info("the centre orders: %s %s@%s", order.action, order.package, order.version)
    return True
