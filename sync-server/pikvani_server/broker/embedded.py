"""The embedded broker: MQTT 5 in a child process on loopback. No TLS, no access list, no memory of a restart.

It is there so that one command shows the whole product; production runs Mosquitto (`mosquitto_config`).

Its router (rumqttd 0.20) can panic when a member of a shared subscription goes while messages are on their way to it,
and then keeps its port and answers nobody. So it is asked every two seconds whether it still takes a session, and is
started again when it does not; what it had acknowledged and not delivered comes again from the outboxes.
"""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path
from typing import Any

from pikvani_contract.wire import MAX_PAYLOAD_BYTES
from pikvani_server.errors import BrokerError

WARNING = "embedded broker: no TLS, no access list, loopback only; for demonstrations and tests, not for a village"
log = logging.getLogger(__name__)

_ASK_EVERY_S = 2.0
_ANSWER_S = 5.0
_MISSES = 2
_CONNECT = b"\x10\x17\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x0apikvani-up"
"""MQTT 5 CONNECT: clean start, keep-alive 10 s, no properties, client `pikvani-up`."""
_CONNACK, _DISCONNECT = 0x20, b"\xe0\x00"
_TEMPLATE = """\
# Written by pikvani-server at every start of the embedded broker; changes here are lost.
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {max_payload}
max_inflight_count = 500
"""


def free_port() -> int:
    """A TCP port on loopback that is free now; somebody else may take it before you do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def takes_sessions(host: str, port: int) -> bool:
    """Whether the broker there answers a CONNECT, which it does not once its router has died."""
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S) as asking:
            asking.settimeout(_ANSWER_S)
            asking.sendall(_CONNECT)
            answer = asking.recv(1)
            asking.sendall(_DISCONNECT)
            return answer[:1] == bytes([_CONNACK])
    except OSError:
        return False


class EmbeddedBroker:
    """The broker of the `iotcore` package, kept alive.

    Args:
        data_dir: where its configuration is written.
        port: 0 takes a free one.
    """

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.host = "127.0.0.1"
        self.port = port or free_port()
        data_dir.mkdir(parents=True, exist_ok=True)
        self._config = data_dir / "embedded-broker.toml"
        self._config.write_text(_TEMPLATE.format(port=self.port, max_payload=MAX_PAYLOAD_BYTES * 2))
        self._broker: Any = None
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._keep_alive, name="embedded-broker", daemon=True)

    def start(self) -> None:
        """Start it, wait until it takes connections, and from then on start it again when it has died.

        Raises:
            BrokerError: it is not installed, the port is taken, or it did not come up.
        """
        self._begin()
        self._watch.start()

    def stop(self) -> None:
        """Stop it; what it held in memory is gone, which the outboxes of devices make good."""
        self._stopping.set()
        if self._watch.is_alive():
            self._watch.join()
        if self._broker is not None:
            self._broker.stop()

    def _begin(self) -> None:
        try:
            from iotcore import Broker
        except ImportError:
            raise BrokerError(
                "the embedded broker needs the package iotcore: install pikvani[server] on Linux"
            ) from None
        try:
            self._broker = Broker(config_path=str(self._config))
            self._broker.start()
        except (OSError, RuntimeError, ValueError) as error:
            raise BrokerError(
                f"the embedded broker did not start on {self.host}:{self.port}: {error}; is the port taken?"
            ) from error

    def _keep_alive(self) -> None:
        misses = 0
        while not self._stopping.wait(_ASK_EVERY_S):
            misses = 0 if takes_sessions(self.host, self.port) else misses + 1
            if misses < _MISSES and self._broker.is_running:
                continue
            log.warning("the embedded broker on port %d answers nobody and is started again", self.port)
            self._broker.stop()
            try:
                self._begin()
            except BrokerError as error:
                log.warning("%s; it is tried again", error)
