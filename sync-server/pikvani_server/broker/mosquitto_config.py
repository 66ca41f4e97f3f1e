"""Writes the production configuration of Mosquitto 2.0.11 or later: mutual TLS, access list, limits, revocation.

Two listeners. On the devices' one the certificate's CN is both user name and client id, so no device can take
over another's session; on the centre's one workers share a certificate and keep client ids of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pikvani_contract import topics
from pikvani_contract.wire import MAX_PAYLOAD_BYTES
from pikvani_server.errors import ConfigError

CENTRE_USER = "pikvani_centre"
"""CN of the centre's certificate. The underscore cannot stand in a device id, so no device can be enrolled as it."""
_PACKET_OVERHEAD_BYTES = 4_096


@dataclass(frozen=True)
class MosquittoSettings:
    """What differs from place to place.

    Attributes:
        ca_file: PEM of the authorities that sign devices (root and intermediate).
        cert_file: PEM of the broker's own certificate with its chain.
        key_file: PEM of its key.
        crl_file: PEM of the revocation lists; one for every authority that signs devices.
        data_dir: where Mosquitto keeps its sessions.
        device_port: TCP port for devices, on all addresses.
        centre_port: TCP port for the centre.
        centre_host: address the centre's listener binds to.
        device_host: address the devices' listener binds to; empty for all.
        max_devices: connections taken at once.
        max_queued_messages: kept for one client that is away.
        max_queued_bytes: kept for one client that is away.
        user: system user Mosquitto becomes when started as root.
    """

    ca_file: Path
    cert_file: Path
    key_file: Path
    crl_file: Path
    data_dir: Path
    device_port: int = 8883
    centre_port: int = 8884
    centre_host: str = "127.0.0.1"
    device_host: str = ""
    max_devices: int = 10_000
    max_queued_messages: int = 20_000
    max_queued_bytes: int = 64 * 2**20
    user: str = "mosquitto"


def write_mosquitto_config(settings: MosquittoSettings, out: Path) -> list[Path]:
    """Write `mosquitto.conf`, `acl` and what Mosquitto cannot do itself into `out`.

    Returns:
        The files written; start the broker with `mosquitto -c` and the first.

    Raises:
        ConfigError: a file it points at is missing, or a name Mosquitto cannot read.
    """
    for path in (settings.ca_file, settings.cert_file, settings.key_file, settings.crl_file):
        if not path.is_file():
            raise ConfigError(f"{path} is not there: give the broker's certificates before its configuration")
    for path in (settings.ca_file, settings.cert_file, settings.key_file, settings.crl_file, settings.data_dir, out):
        if any(ord(c) < 32 for c in str(path)):
            raise ConfigError(f"{str(path)!r} holds a control character, which mosquitto.conf cannot say")
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "mosquitto.conf": _configuration(settings, out.resolve() / "acl"),
        "acl": _access_list(),
        "connection-rate.nft": _connection_rate(settings),
        "limits.conf": _limits(settings),
    }
    written = []
    for name, text in files.items():
        path = out / name
        path.write_text(text, encoding="utf-8")
        # Read by the user Mosquitto becomes; an access list that others could write would be refused.
        path.chmod(0o644)
        written.append(path)
    return written


def _configuration(settings: MosquittoSettings, acl: Path) -> str:
    packet = MAX_PAYLOAD_BYTES + _PACKET_OVERHEAD_BYTES
    return f"""\
# Written by `pikvani-server broker-config` for Mosquitto 2.0.11 or later; write it anew rather than editing it.
user {settings.user}
per_listener_settings true

# --- memory of sessions and messages ---
persistence true
persistence_location {settings.data_dir.resolve()}/
autosave_interval 60
# A device that stayed away this long begins a new session; its outbox has kept everything.
persistent_client_expiration 60d

# --- limits ---
# Messages in flight to one client; the ingest workers ask for 200.
max_inflight_messages 200
# Beyond these the broker drops silently. That costs time, not results: devices send until they hold a receipt.
max_queued_messages {settings.max_queued_messages}
max_queued_bytes {settings.max_queued_bytes}
message_size_limit {MAX_PAYLOAD_BYTES}
max_packet_size {packet}
max_keepalive 3600
queue_qos0_messages false
sys_interval 60
log_type error
log_type warning
log_type notice
connection_messages false

# --- devices ---
listener {settings.device_port}{f" {settings.device_host}" if settings.device_host else ""}
{_secure(settings, acl)}
# The client id becomes the CN: a second connection can only push out its own first one.
use_username_as_clientid true
max_connections {settings.max_devices}
max_qos 1
max_topic_alias 4

# --- the centre: ingest workers, status listener, update server ---
listener {settings.centre_port} {settings.centre_host}
{_secure(settings, acl)}
max_connections 256
max_qos 1
"""


def _secure(settings: MosquittoSettings, acl: Path) -> str:
    return f"""\
protocol mqtt
cafile {settings.ca_file.resolve()}
certfile {settings.cert_file.resolve()}
keyfile {settings.key_file.resolve()}
crlfile {settings.crl_file.resolve()}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
allow_anonymous false
allow_zero_length_clientid false
acl_file {acl}"""


def _access_list() -> str:
    lines = [
        "# Written by `pikvani-server broker-config`. %u is the certificate's CN.",
        "# A subscription to somebody else's topic is granted by Mosquitto and delivers nothing.",
        "",
        f"user {CENTRE_USER}",
        *(f"topic read {topics.ROOT}/d/+/{leaf}" for leaf in topics.UP),
        *(f"topic write {topics.ROOT}/d/+/{leaf}" for leaf in topics.DOWN),
        "",
        *(f"pattern write {topics.ROOT}/d/%u/{leaf}" for leaf in topics.UP),
        *(f"pattern read {topics.ROOT}/d/%u/{leaf}" for leaf in topics.DOWN),
        "",
    ]
    return "\n".join(lines)


def _connection_rate(settings: MosquittoSettings) -> str:
    rate = "limit rate over 30/minute burst 60 packets"
    port = f"tcp dport {settings.device_port} ct state new"
    return f"""\
#!/usr/sbin/nft -f
# Mosquitto cannot limit how fast connections come; the kernel can. Load with `nft -f`, or from /etc/nftables.conf.
# One address: 30 new connections a minute (a village shares one); all together: 200 a second.
table inet pikvani_broker
delete table inet pikvani_broker
table inet pikvani_broker {{
  set callers4 {{ type ipv4_addr; size 65536; flags dynamic,timeout; timeout 5m; }}
  set callers6 {{ type ipv6_addr; size 65536; flags dynamic,timeout; timeout 5m; }}
  chain input {{
    type filter hook input priority filter; policy accept;
    {port} limit rate over 200/second burst 400 packets drop
    {port} update @callers4 {{ ip saddr {rate} }} drop
    {port} update @callers6 {{ ip6 saddr {rate} }} drop
  }}
}}
"""


def _limits(settings: MosquittoSettings) -> str:
    return f"""\
# A drop-in for systemd: /etc/systemd/system/mosquitto.service.d/limits.conf
# One file a connection and some for the broker itself; memory bounded by the system, not by the clients.
[Service]
LimitNOFILE={settings.max_devices + 1_024}
MemoryMax=75%
Restart=always
RestartSec=2
"""
