"""Ed25519 keys in encrypted files: made, shown, opened. What is signed with them is not decided here.

A key is two files: `NAME.pem` (PKCS#8, encrypted, readable by its owner alone) and `NAME.pem.pub` (JSON, may be shown
to anyone). Ceremonies carry the second from desk to desk.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key, SSlibKey  # type: ignore[attr-defined]

from pikvani_server.repository.errors import SigningError

MIN_PASSPHRASE = 12


def generate_key(path: Path, passphrase: str) -> Key:
    """Make a key pair as `path` and `path`.pub.

    Raises:
        SigningError: the passphrase is too short, a file is there already, or the place cannot be written.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise SigningError(f"{path}: the passphrase has under {MIN_PASSPHRASE} characters; choose a longer one")
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    public = SSlibKey.from_crypto(private.public_key())
    text = json.dumps({"keyid": public.keyid, **public.to_dict()}, indent=1) + "\n"
    for file, data, mode in ((path, pem, 0o600), (public_path(path), text.encode(), 0o644)):
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise SigningError(f"{file}: cannot be made ({error.strerror}); keys are never overwritten") from None
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    return public


def public_path(path: Path) -> Path:
    """Where the public half of a key lies."""
    return path.with_name(path.name + ".pub")


def read_public_key(path: Path) -> Key:
    """Read a `.pub` file, or the one beside a private key.

    Raises:
        SigningError: it is not there, or is not a public key.
    """
    file = path if path.suffix == ".pub" else public_path(path)
    try:
        fields = json.loads(file.read_bytes())
        key = Key.from_dict(fields.pop("keyid"), fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SigningError(f"{file}: not a public key ({error}); give a file `keys generate` made") from None
    if not isinstance(key, SSlibKey) or key.keytype != "ed25519":
        raise SigningError(f"{file}: {key.keytype} keys are not used here; make one with `keys generate`")
    return key


def open_key(path: Path, passphrase: str) -> CryptoSigner:
    """Open a private key for signing.

    Raises:
        SigningError: it is not there, the passphrase is wrong, or the public half belongs to another key.
    """
    public = read_public_key(path)
    try:
        private = load_pem_private_key(path.read_bytes(), passphrase.encode())
    except OSError as error:
        raise SigningError(f"{path}: cannot be read ({error.strerror}); bring the stick with the key") from None
    except (ValueError, TypeError):
        raise SigningError(f"{path}: does not open; check the passphrase, and that the file is a private key") from None
    if not isinstance(private, Ed25519PrivateKey) or not isinstance(public, SSlibKey):
        raise SigningError(f"{path}: not an Ed25519 key; make one with `keys generate`")
    if SSlibKey.from_crypto(private.public_key()).keyval != public.keyval:
        raise SigningError(f"{public_path(path)}: belongs to another private key; bring the right pair")
    return CryptoSigner(private, public)
