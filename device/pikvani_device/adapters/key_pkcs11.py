"""Keys in a TPM or secure element, through its PKCS#11 library: made there, used there, never outside.

Needs the package `python-pkcs11` (extra `device-pkcs11`). A key goes by the URI of RFC 7512, which OpenSSL's engine
understands as well.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pikvani_device.errors import DeviceError
from pikvani_device.ports import Key

_LABEL = "pikvani-device"
_URI = re.compile(
    rb"pkcs11:token=([A-Za-z0-9._-]{1,32});object=pikvani-device;id=((?:%[0-9a-f]{2}){16});type=private\n?"
)
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,32}")


class Pkcs11Key(ec.EllipticCurvePrivateKey):
    """A private key on P-256 that signs where it is.

    Args:
        store: where it is.
        id_: of the key in the token.
        public: its public half.
    """

    def __init__(self, store: Pkcs11Keys, id_: bytes, public: ec.EllipticCurvePublicKey) -> None:
        self._store, self.id, self._public = store, id_, public

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """An ECDSA signature in DER, as cryptography gives it."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, utils.Prehashed):
            digest = bytes(data)
        else:
            hashed = hashes.Hash(algorithm)
            hashed.update(data)
            digest = hashed.finalize()
        raw = self._store.sign(self.id, digest)
        half = len(raw) // 2
        return utils.encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Its public half."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Bits."""
        return self._public.key_size

    def exchange(self, algorithm: Any, peer_public_key: Any) -> NoReturn:
        """Not what this key is for."""
        raise DeviceError("a device's key signs and does nothing else")

    def private_numbers(self) -> NoReturn:
        """They never leave the chip."""
        raise DeviceError("this key cannot leave its chip")

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> NoReturn:
        """They never leave the chip."""
        raise DeviceError("this key cannot leave its chip")

    def __copy__(self) -> Pkcs11Key:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Pkcs11Key:
        return self


class Pkcs11Keys:
    """A `Keys` in a token.

    Args:
        module: the PKCS#11 library of the chip, for instance `libtpm2_pkcs11.so.1`.
        token: label of the token.
        pin_file: holds its user PIN.

    Raises:
        DeviceError: python-pkcs11 is not installed, or the token's name cannot be one. Every use of a token that is
            not there, or whose PIN is another, raises it too.
    """

    def __init__(self, module: str, token: str, pin_file: str) -> None:
        try:
            import pkcs11
        except ImportError:
            raise DeviceError(
                "enrolment.pkcs11_module needs python-pkcs11: pip install 'pikvani[device-pkcs11]'"
            ) from None
        if not _TOKEN.fullmatch(token):
            raise DeviceError(f"enrolment.pkcs11_token {token[:40]!r}: take 1 to 32 of letters, digits, '.', '_', '-'")
        self._pkcs11, self._module, self._token, self._pin_file = pkcs11, module, token, Path(pin_file)
        self._lock = threading.Lock()
        self._opened: Any = None

    @property
    def _session(self) -> Any:
        """Opened when it is first needed: pages and link ask for the certificate alone."""
        if self._opened is None:
            p = self._pkcs11
            try:
                pin = self._pin_file.read_text().strip()
                token = p.lib(self._module).get_token(token_label=self._token)
                try:
                    self._opened = token.open(rw=True, user_pin=pin)
                except p.UserAlreadyLoggedIn:  # by another part of this process
                    self._opened = token.open(rw=True)
            except OSError as error:
                raise DeviceError(
                    f"{self._pin_file} cannot be read ({error.strerror}); name the file of the token's PIN"
                ) from None
            except (p.PKCS11Error, RuntimeError) as error:
                raise DeviceError(
                    f"token {self._token} of {self._module} cannot be opened ({error!r}); is it made, its PIN right?"
                ) from None
        return self._opened

    def new(self) -> Key:
        """See `Keys.new`."""
        from pkcs11.util.ec import encode_named_curve_parameters

        p = self._pkcs11
        id_ = secrets.token_bytes(16)
        with self._lock:
            try:
                parameters = self._session.create_domain_parameters(
                    p.KeyType.EC, {p.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}, local=True
                )
                fixed = {p.Attribute.EXTRACTABLE: False, p.Attribute.SENSITIVE: True}
                parameters.generate_keypair(
                    store=True, id=id_, label=_LABEL, mechanism=p.Mechanism.EC_KEY_PAIR_GEN, private_template=fixed
                )
            except p.PKCS11Error as error:
                raise DeviceError(f"token {self._token} makes no key ({error!r}); is it full?") from None
        return self._key(id_)

    def reference(self, key: Key) -> bytes:
        """See `Keys.reference`."""
        assert isinstance(key, Pkcs11Key)
        encoded = "".join(f"%{byte:02x}" for byte in key.id)
        return f"pkcs11:token={self._token};object={_LABEL};id={encoded};type=private\n".encode()

    def load(self, reference: bytes) -> Key:
        """See `Keys.load`."""
        found = _URI.fullmatch(reference)
        if found is None or found[1].decode() != self._token:
            raise DeviceError(f"the key of this device is not in token {self._token}; it must be given a new card")
        return self._key(bytes.fromhex(found[2].decode().replace("%", "")))

    def keep_only(self, references: Collection[bytes]) -> None:
        """See `Keys.keep_only`."""
        kept = {found[2] for found in map(_URI.fullmatch, references) if found}
        kept_ids = {bytes.fromhex(text.decode().replace("%", "")) for text in kept}
        p = self._pkcs11
        with self._lock:
            mine = list(self._session.get_objects({p.Attribute.LABEL: _LABEL}))
            for each in mine:
                if each[p.Attribute.ID] not in kept_ids:
                    each.destroy()

    def sign(self, id_: bytes, digest: bytes) -> bytes:
        """A signature over a digest, as r and s one after the other."""
        p = self._pkcs11
        with self._lock:
            try:
                key = self._session.get_key(object_class=p.ObjectClass.PRIVATE_KEY, id=id_)
                return bytes(key.sign(digest, mechanism=p.Mechanism.ECDSA))
            except p.PKCS11Error as error:
                raise DeviceError(f"token {self._token} does not sign ({error!r}); restart the device") from None

    def _key(self, id_: bytes) -> Pkcs11Key:
        from pkcs11.util.ec import encode_ec_public_key

        p = self._pkcs11
        with self._lock:
            try:
                half = self._session.get_key(object_class=p.ObjectClass.PUBLIC_KEY, id=id_)
                der = encode_ec_public_key(half)
            except p.PKCS11Error as error:
                raise DeviceError(
                    f"the key of this device is not in token {self._token} ({error!r}); it must be given a new card"
                ) from None
        public = load_der_public_key(der)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return Pkcs11Key(self, id_, public)
