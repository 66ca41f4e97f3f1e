"""Reads the files that say who this device is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pikvani_device.errors import DeviceError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate


def read_file(path: str) -> bytes:
    """The bytes of a file the configuration names.

    Raises:
        DeviceError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DeviceError(f"{path} cannot be read ({error.strerror}); name a file that is there") from None


def read_identity(cert_pem: bytes, key_pem: bytes) -> tuple[Certificate, EllipticCurvePrivateKey]:
    """This device's certificate and key, from PEM.

    Raises:
        DeviceError: they are no certificate, or no elliptic-curve key.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        certificate, key = load_pem_x509_certificate(cert_pem), load_pem_private_key(key_pem, None)
    except (ValueError, TypeError) as error:
        raise DeviceError(f"sync.tls_cert and sync.tls_key cannot be used to sign: {error}") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise DeviceError("sync.tls_key is not an elliptic-curve key: enrol this device again")
    return certificate, key
