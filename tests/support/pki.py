"""The product's own certificate authority, in a folder of the test: good and bad certificates, revocation list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pikvani_contract import certificates

DAY = timedelta(days=1)


class Authority:
    """Signs certificates. With `parent` it is an intermediate."""

    def __init__(self, name: str, parent: Authority | None = None) -> None:
        self.key = certificates.new_key()
        self._lists = 0
        born = datetime.now(UTC) - 5 * DAY
        if parent is None:
            self.certificate = certificates.make_root(self.key, name, born, 30 * DAY)
        else:
            self.certificate = certificates.make_intermediate(
                parent.certificate, parent.key, self.key.public_key(), name, born, 30 * DAY
            )

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, common_name: str, *, expired: bool = False, addresses: tuple[str, ...] = ()) -> Issued:
        key = certificates.new_key()
        now = datetime.now(UTC)
        born, lifetime = (now - 3 * DAY, 2 * DAY) if expired else (now, 10 * DAY)
        made = certificates.make_leaf(
            self.certificate, self.key, key.public_key(), common_name, born, lifetime, addresses
        )
        return Issued(made, key)

    def crl(self, *revoked: Issued) -> bytes:
        self._lists += 1
        now = datetime.now(UTC)
        serials = {item.certificate.serial_number: now for item in revoked}
        made = certificates.make_revocations(self.certificate, self.key, serials, self._lists, now, 10 * DAY)
        return made.public_bytes(serialization.Encoding.PEM)


class Issued:
    """A certificate and its key."""

    def __init__(self, certificate: x509.Certificate, key: certificates.Key) -> None:
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
        broker = self.root.issue("broker", addresses=("127.0.0.1",))
        self.broker_cert, self.broker_key = broker.write(folder, "broker")
        self.crl_file = folder / "crl.pem"
        self.revoke()

    def revoke(self, *items: Issued) -> None:
        """Write a revocation list that names exactly these."""
        self.crl_file.write_bytes(self.devices.crl(*items) + self.root.crl())

    def files(self, name: str, issued: Issued | None = None) -> tuple[Path, Path]:
        """Certificate and key files of a device, issued now unless given."""
        return (issued or self.devices.issue(name)).write(self.folder, name.replace("/", "_"), self.devices.pem())
