"""One MQTT 5 connection of the centre: session, subscriptions, acknowledgement by hand, reconnecting with back-off.

It moves bytes and knows none of our messages. paho's own thread serves the network, so a slow database never
costs the keep-alive.
"""

from __future__ import annotations

import logging
import queue
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from pikvani_contract.wire import MAX_PAYLOAD_BYTES

log = logging.getLogger(__name__)

_PACKET_OVERHEAD_BYTES = 4_096
_KEEPALIVE_S = 30
_RECEIPTS_IN_FLIGHT = 20  # what every broker grants; paho does not heed a lower Receive Maximum


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker is and who we are to it.

    Attributes:
        host: name or address.
        port: TCP port.
        ca_file: PEM of the authority that signed the broker's certificate; empty for no TLS.
        cert_file: PEM of our certificate; its CN is our user name.
        key_file: PEM of our key.
    """

    host: str
    port: int
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(slots=True, frozen=True)
class Delivery:
    """A message as it came.

    Attributes:
        topic: as the broker says.
        payload: bytes of a stranger.
        retained: whether it is only repeated to us, because we subscribed.
        packet_id: for the acknowledgement.
        connection: which connection it came on; on another one its packet id means something else.
    """

    topic: str
    payload: bytes
    retained: bool
    packet_id: int
    connection: int


class Link:
    """A connection that comes back by itself.

    Args:
        address: the broker.
        client_id: stable, so that the session is found again.
        filters: topic filters, subscribed with QoS 1; none for who only speaks.
        window: messages taken and not acknowledged at most (Receive Maximum), 1 to 65535.
        session_expiry_s: how long the broker keeps messages for us while we are away; 0 starts clean.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        filters: Sequence[str],
        window: int,
        session_expiry_s: int,
    ) -> None:
        self._address = address
        self._filters = filters
        self._window = window
        self._session_expiry_s = session_expiry_s
        self._connection = 0
        self._pending_subscription: int | None = None
        # Bounded by the window: the broker sends no more than that unacknowledged.
        self._inbox: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.ready = threading.Event()
        """Set while connected and subscribed."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, manual_ack=True)
        client.reconnect_delay_set(min_delay=1, max_delay=8)
        client.max_queued_messages_set(10_000)
        client.max_inflight_messages_set(_RECEIPTS_IN_FLIGHT)
        if address.ca_file:
            context = ssl.create_default_context(cafile=address.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(address.cert_file, address.key_file)
            client.tls_set_context(context)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self._client = client

    def start(self) -> None:
        """Begin to connect; a broker that is not there yet is tried again and again."""
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = self._window
        properties.MaximumPacketSize = MAX_PAYLOAD_BYTES * 2 + _PACKET_OVERHEAD_BYTES
        properties.SessionExpiryInterval = self._session_expiry_s
        self._client.connect_async(
            self._address.host,
            self._address.port,
            keepalive=_KEEPALIVE_S,
            clean_start=self._session_expiry_s == 0,
            properties=properties,
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect and stop the network thread; the session stays at the broker."""
        self._client.disconnect()
        self._client.loop_stop()
        self.ready.clear()

    def take(self, timeout_s: float) -> Delivery | None:
        """The next message, None if none came in time.

        Messages of a lost connection are passed over: the broker, or failing that the device, sends them again.
        """
        while True:
            try:
                delivery = self._inbox.get(timeout=timeout_s) if timeout_s > 0 else self._inbox.get_nowait()
            except queue.Empty:
                return None
            if delivery.connection == self._connection:
                return delivery
            timeout_s = 0

    @property
    def waiting(self) -> int:
        """Messages taken from the network and not yet by `take`."""
        return self._inbox.qsize()

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the broker that this message is dealt with."""
        if delivery.packet_id and delivery.connection == self._connection:
            self._client.ack(delivery.packet_id, 1)

    def publish(self, topic: str, payload: bytes, once: bool = False) -> None:
        """Hand a message to the broker at QoS 1; while it is away it waits in a bounded queue, then is dropped.

        Args:
            topic: where to.
            payload: what.
            once: at QoS 0, for what is asked for again when it is lost.
        """
        self._client.publish(topic, payload, qos=0 if once else 1)

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("broker %s:%d refused us: %s", self._address.host, self._address.port, reason)
            return
        self._connection += 1
        if not self._filters:
            self.ready.set()
            return
        options = SubscribeOptions(qos=1)
        _, self._pending_subscription = client.subscribe([(name, options) for name in self._filters])

    def _on_subscribe(self, _client: Any, _data: Any, packet_id: int, reasons: Any, _properties: Any) -> None:
        failed = [str(reason) for reason in reasons if reason.is_failure]
        if failed:
            log.error("the broker refused our subscriptions (%s): check its access list", ", ".join(failed))
        elif packet_id == self._pending_subscription:
            self.ready.set()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.ready.clear()
        self._connection += 1
        log.info("the broker is gone (%s)", reason)

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = repr(message._topic)
        self._inbox.put(
            Delivery(topic, bytes(message.payload), message.retain, message.mid if message.qos else 0, self._connection)
        )
