"""A certificate authority for tests: root, intermediate, device certificates good and bad, revocation list."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """Signs certificates. With `parent` it is an intermediate."""

    def __init__(self, name: str, parent: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = parent or self
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(signer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer.key, hashes.SHA256())
        )

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, common_name: str, *, expired: bool = False, addresses: tuple[str, ...] = ()) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * DAY)
            .not_valid_after(now - DAY if expired else now + 10 * DAY)
        )
        if addresses:
            names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return Issued(builder.sign(self.key, hashes.SHA256()), key)

    def crl(self, *revoked: Issued) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(now - DAY)
            .next_update(now + 10 * DAY)
        )
        for item in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(item.certificate.serial_number)
                .revocation_date(now - DAY)
                .build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Issued:
    """A certificate and its key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.key = key

    def write(self, folder: Path, name: str, chain: bytes = b"") -> tuple[Path, Path]:
        """`(certificate file with chain, key file)`."""
        folder.mkdir(parents=True, exist_ok=True)
        cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
        cert_file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM) + chain)
        key_file.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return cert_file, key_file


class Pki:
    """Root, intermediate that signs devices, and files a broker can be started with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.root = Authority("Pikvani test root")
        self.devices = Authority("Pikvani test devices", self.root)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.root.pem() + self.devices.pem())
        broker = self.devices.issue("broker", addresses=("127.0.0.1",))
        self.broker_cert, self.broker_key = broker.write(folder, "broker", self.devices.pem())
        self.crl_file = folder / "crl.pem"
        self.revoke()

    def revoke(self, *items: Issued) -> None:
        """Write a revocation list that names exactly these."""
        self.crl_file.write_bytes(self.devices.crl(*items) + self.root.crl())

    def files(self, name: str, issued: Issued | None = None) -> tuple[Path, Path]:
        """Certificate and key files of a device, issued now unless given."""
        return (issued or self.devices.issue(name)).write(self.folder, name.replace("/", "_"), self.devices.pem())
