"""The embedded broker: MQTT 5 in a child process on loopback. No TLS, no access list, no memory of a restart.

It is there so that one command shows the whole product; production runs Mosquitto (`mosquitto_config`).
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from pikvani_contract.wire import MAX_PAYLOAD_BYTES
from pikvani_server.errors import BrokerError

WARNING = "embedded broker: no TLS, no access list, loopback only; for demonstrations and tests, not for a village"
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


class EmbeddedBroker:
    """The broker of the `iotcore` package.

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

    def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises:
            BrokerError: it is not installed, the port is taken, or it did not come up.
        """
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

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._broker is not None and bool(self._broker.is_running)

    def stop(self) -> None:
        """Stop it; what it held in memory is gone, which the outboxes of devices make good."""
        if self._broker is not None:
            self._broker.stop()
