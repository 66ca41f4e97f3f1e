"""The connection to the centre through paho-mqtt: MQTT 5 only, one TLS connection, comes back by itself."""

from __future__ import annotations

import logging
import random
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from pikvani_device.adapters.tls_dates import ignore_dates
from pikvani_device.adapters.tls_resuming import ResumingContext
from pikvani_device.errors import DeviceError
from pikvani_device.ports import MessageHandler

log = logging.getLogger(__name__)

_SESSION_EXPIRY_S = 7 * 86_400
_OVERHEAD_BYTES = 64  # TCP, TLS and MQTT headers of one message, roughly


@dataclass(frozen=True)
class TlsFiles:
    """The files mutual TLS needs: the authority's certificate, ours, and our key; whether dates count (`tls_dates`)."""

    ca: Path
    cert: Path
    key: Path
    dates: bool = True


class PahoBroker:
    """A `Broker` over paho-mqtt 2.

    Args:
        host: where the broker is; a path for a socket of this machine.
        port: its TCP port.
        client_id: the device id; with mutual TLS it must be the certificate's CN.
        will: topic and payload the broker says, retained, when we vanish.
        tls: files for mutual TLS; None for plain TCP, which only a broker on this machine deserves.
        keepalive_s: how often the link is proven alive; long, for 2G.
        max_unacknowledged: publishes the broker has not acknowledged, at most.

    Raises:
        DeviceError: a TLS file is missing or does not fit.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        will: tuple[str, bytes],
        tls: TlsFiles | None = None,
        keepalive_s: int = 240,
        max_unacknowledged: int = 32,
    ) -> None:
        self._address = (host, port)
        self._keepalive_s = keepalive_s
        self._max_unacknowledged = max_unacknowledged
        self._subscriptions: tuple[str, ...] = ()
        self._on_message: MessageHandler = lambda topic, payload: None
        self._ready = threading.Event()
        self._unacknowledged = 0
        self._bytes = 0
        self._resumed = 0
        self._connections = 0
        self._lock = threading.Lock()
        transport: Literal["tcp", "unix"] = "unix" if host.startswith("/") else "tcp"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, transport=transport
        )
        client.will_set(will[0], will[1], qos=1, retain=True)
        # A fleet that lost the same broker must not come back in the same second.
        client.reconnect_delay_set(random.randint(1, 3), random.randint(120, 300))  # noqa: S311
        client.max_inflight_messages_set(max_unacknowledged)
        self._tls = None if tls is None else _tls_context(tls)
        if self._tls is not None:
            client.tls_set_context(self._tls)
            client.on_connect_fail = self._failed
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._published
        self._client = client

    def start(self, subscriptions: tuple[str, ...], on_message: MessageHandler) -> None:
        """See `Broker.start`."""
        self._subscriptions, self._on_message = subscriptions, on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_EXPIRY_S
        self._client.connect_async(
            *self._address, keepalive=self._keepalive_s, clean_start=False, properties=properties
        )
        self._client.loop_start()

    @property
    def connected(self) -> bool:
        """See `Broker.connected`."""
        return self._ready.is_set()

    @property
    def connections(self) -> int:
        """See `Broker.connections`."""
        return self._connections

    def publish(self, topic: str, payload: bytes, retain: bool = False, once: bool = False) -> bool:
        """See `Broker.publish`."""
        with self._lock:
            if not self._ready.is_set() or self._unacknowledged >= self._max_unacknowledged:
                return False
            self._unacknowledged += 1
            self._bytes += len(topic) + len(payload) + _OVERHEAD_BYTES
        info = self._client.publish(topic, payload, qos=0 if once else 1, retain=retain)
        return info.rc in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN)

    @property
    def bytes_on_wire(self) -> int:
        """See `Broker.bytes_on_wire`."""
        with self._lock:
            return self._bytes

    @property
    def resumed_connections(self) -> int:
        """Connections that were spared the full TLS handshake."""
        return self._resumed

    def stop(self) -> None:
        """See `Broker.stop`."""
        self._ready.clear()
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        if self._tls is not None:
            self._resumed += self._tls.remember(client.socket())
        if reason.is_failure:
            log.error(
                "broker %s:%d refuses us: %s; check this device's certificate and clock",
                *self._address,
                reason,
            )
            return
        if self._subscriptions:
            client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._subscriptions])
        else:
            self._made()

    def _made(self) -> None:
        self._connections += 1
        self._ready.set()

    def _failed(self, _client: mqtt.Client, _data: Any) -> None:
        if self._tls is not None:
            self._tls.forget()

    def _subscribed(self, _client: Any, _data: Any, _mid: int, reasons: list[ReasonCode], _props: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            log.error("broker refuses a subscription: %s; check its access list", ", ".join(refused))
            return
        self._made()

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        self._ready.clear()
        with self._lock:
            self._unacknowledged = 0
        log.info("broker connection ended: %s", reason)

    def _message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            self._bytes += len(message.topic) + len(message.payload) + _OVERHEAD_BYTES
        try:
            self._on_message(message.topic, bytes(message.payload))
        except Exception:  # an error here would end paho's thread, and with it the link, while the process lives on
            log.exception("what came on %s could not be taken; the link goes on", message.topic)

    def _published(self, _client: Any, _data: Any, _mid: int, reason: ReasonCode, _props: Any) -> None:
        with self._lock:
            self._unacknowledged = max(0, self._unacknowledged - 1)
        if reason.is_failure:
            log.error("broker refused a message: %s; check its access list", reason)


def _tls_context(tls: TlsFiles) -> ResumingContext:
    try:
        context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(str(tls.ca))
        context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise DeviceError(f"TLS files {tls.ca}, {tls.cert}, {tls.key} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.dates:
        ignore_dates(context)
    return context
