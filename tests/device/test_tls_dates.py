"""When dates of certificates count: handshakes with a certificate that is long over, and devices with unlike clocks."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pikvani_contract.clock import ClockTrust, Moment
from pikvani_device.adapters.tls_dates import dates_count, ignore_dates


@pytest.mark.parametrize(
    ("trust", "off_ms", "expected"),
    [
        (ClockTrust.SYNCED, 0, True),
        (ClockTrust.FLOOR, 3_600_000, True),
        (ClockTrust.UNTRUSTED, 0, False),
        (ClockTrust.SYNCED, 30 * 86_400_000, False),
    ],
)
def test_dates_count_where_the_machines_own_clock_is_confirmed(trust: ClockTrust, off_ms: int, expected: bool) -> None:
    now_ms = time.time_ns() // 1_000_000
    assert dates_count(Moment("boot", 1, now_ms + off_ms, trust)) is expected


def certificate(folder: Path) -> Path:
    """One that ended in 2001 and is its own authority; its key lies beside it."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2001, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    path = folder / "cert.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private.private_bytes(*formats))
    return path


def refused(server_cert: Path, trusted: Path, dates: bool, name: str = "localhost") -> str:
    """Why a client refuses the server; empty where it does not."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(server_cert, server_cert.with_name("key.pem"))
    client = ssl.create_default_context(cafile=str(trusted))
    if not dates:
        ignore_dates(client)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname=name)
    theirs = server.wrap_bio(up, down, server_side=True)
    for side in (ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    assert ours.version()
    return ""


def test_given_a_certificate_that_is_over_then_it_is_believed_only_where_dates_do_not_count(tmp_path: Path) -> None:
    over = certificate(tmp_path)
    assert "expired" in refused(over, over, dates=True)
    assert refused(over, over, dates=False) == ""


def test_given_no_dates_then_a_strange_authority_and_a_strange_name_are_refused_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "strange").mkdir()
    ours, strange = certificate(tmp_path / "ours"), certificate(tmp_path / "strange")
    assert refused(strange, ours, dates=False)
    assert "localhost" not in refused(ours, ours, dates=False, name="elsewhere") != ""
