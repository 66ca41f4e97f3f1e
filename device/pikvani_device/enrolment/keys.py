"""The plain place for a device's private keys: files of its identity. The other one is `adapters/key_pkcs11.py`."""

from __future__ import annotations

from collections.abc import Collection

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from pikvani_contract import certificates
from pikvani_device.errors import DeviceError
from pikvani_device.ports import Key


class FileKeys:
    """Keys in PEM, in the identity's folder, readable by the appliance alone."""

    def new(self) -> Key:
        """See `Keys.new`."""
        return certificates.new_key()

    def reference(self, key: Key) -> bytes:
        """See `Keys.reference`."""
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def load(self, reference: bytes) -> Key:
        """See `Keys.load`."""
        try:
            key = load_pem_private_key(reference, None)
        except (ValueError, TypeError) as error:
            raise DeviceError(f"this device's key is damaged ({error}); it must be given a new card") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise DeviceError("this device's key is not an elliptic-curve key; it must be given a new card")
        return key

    def keep_only(self, references: Collection[bytes]) -> None:
        """See `Keys.keep_only`; the folder drops old generations by itself."""
