"""What a connected device costs the broker: memory at rest and CPU of a connection, mutual TLS on a real Mosquitto.

    python -m tests.bench.connections [--devices N]

Each connection shows a certificate, says CONNECT (MQTT 5) and subscribes to its receipts, then is silent. Memory is the
process's resident set, before and after; CPU is what the system charged to it. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import ssl
import struct
import tempfile
import time
from pathlib import Path

import psutil
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.pki import Pki

from pikvani_contract import topics

_CONFIGURATION = """\
listener {port} 127.0.0.1
max_connections -1
set_tcp_nodelay true
allow_anonymous true
require_certificate true
cafile {pki.ca_file}
certfile {pki.broker_cert}
keyfile {pki.broker_key}
persistence false
"""


def _text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def _packet(kind: int, body: bytes) -> bytes:
    assert len(body) < 128, "one byte of length is enough here"
    return bytes((kind, len(body))) + body


def connect(port: int, context: ssl.SSLContext, device_id: str) -> ssl.SSLSocket:
    """A device that is connected and waits for its receipts."""
    plain = socket.create_connection(("127.0.0.1", port), 10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link = context.wrap_socket(plain, server_hostname="127.0.0.1")
    link.sendall(_packet(0x10, _text("MQTT") + b"\x05\x02" + struct.pack(">H", 3600) + b"\x00" + _text(device_id)))
    said = link.recv(64)
    if len(said) < 4 or said[0] != 0x20 or said[3] != 0:
        raise RuntimeError(f"the broker refused {device_id}: {said.hex()}")
    wanted = _text(topics.device(device_id, topics.DOWN_RECEIPT)) + b"\x01"
    link.sendall(_packet(0x82, b"\x00\x01\x00" + wanted))
    said = link.recv(64)
    if not said or said[0] != 0x90:
        raise RuntimeError(f"the broker did not grant {device_id} its receipts: {said.hex()}")
    return link


def measure(devices: int) -> dict[str, float]:
    """Kilobytes and CPU milliseconds of the broker a device."""
    with tempfile.TemporaryDirectory(prefix="pikvani-connections-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        pki = Pki(folder / "pki")
        configuration = folder / "broker.conf"
        pki.broker_key.chmod(0o644)
        port = free_port()
        configuration.write_text(_CONFIGURATION.format(port=port, pki=pki))
        broker = Mosquitto(configuration, [port])
        broker.start()
        links: list[ssl.SSLSocket] = []
        try:
            assert broker.process
            process = psutil.Process(broker.process.pid)
            context = ssl.create_default_context(cafile=str(pki.ca_file))
            context.load_cert_chain(*pki.files("village"))
            links.append(connect(port, context, "village-first"))
            memory, times, started_s = process.memory_info().rss, process.cpu_times(), time.monotonic()
            links += [connect(port, context, f"village-{number:06d}") for number in range(devices)]
            took_s = time.monotonic() - started_s
            after = process.cpu_times()
            cpu_s = after.user + after.system - times.user - times.system
            return {
                "devices": devices,
                "kb_a_connection": round((process.memory_info().rss - memory) / 1e3 / devices, 1),
                "cpu_ms_a_connection": round(1000 * cpu_s / devices, 2),
                "seconds": round(took_s, 1),
                "load": round(os.getloadavg()[0], 1),
            }
        finally:
            for link in links:
                link.close()
            broker.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=5_000)
    print(json.dumps(measure(parser.parse_args().devices)))


if __name__ == "__main__":
    main()
