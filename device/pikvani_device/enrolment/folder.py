"""The identity on the disk: whole after a power cut at any instruction, either the old one or the new one.

pending/key pending/request      a key, and the request for its certificate; there before the request leaves
generations/0001/key ...cert.pem  an identity that was granted; never changed again
current -> generations/0001       which one is in use; replaced in one step
state.json report.json inbox/     what was said and counted; the token; answers to look at
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pikvani_device.durable_files import sync_folder
from pikvani_device.errors import DeviceError

KEY, CERTIFICATE, REQUEST = "key.pem", "cert.pem", "request"
_KEPT_GENERATIONS = 2
_MAX_ANSWER_FILES = 20


class State(msgspec.Struct, frozen=True):
    """What is remembered beside the keys.

    Attributes:
        counter: keys this device has made.
        refused: reason of the last refusal, empty for none since the last success.
        refused_ms: wall time of it.
    """

    counter: int = 0
    refused: str = ""
    refused_ms: int = 0


class Spoken(msgspec.Struct, frozen=True):
    """What the next report to the centre shows; see `enrolment.Report`."""

    token: str = ""
    nonce: str = ""


T = TypeVar("T", State, Spoken)


class IdentityFolder:
    """Reads and writes the folder. One process makes requests and installs; another may report and drop answers.

    Args:
        path: of the folder; made when it is missing.

    Raises:
        DeviceError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            for folder in (path, path / "generations", path / "inbox"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise DeviceError(
                f"{path}: keys cannot be kept there ({error.strerror}); set enrolment.dir to a place that lasts"
            ) from None

    @property
    def key_file(self) -> Path:
        """The private key in use."""
        return self.path / "current" / KEY

    @property
    def certificate_file(self) -> Path:
        """The certificate in use, with its chain."""
        return self.path / "current" / CERTIFICATE

    @property
    def generation(self) -> str:
        """Names the identity in use, empty for none; it changes exactly when another one is installed."""
        try:
            return (self.path / "current").readlink().name
        except OSError:
            return ""

    def certificate(self) -> x509.Certificate | None:
        """The certificate in use, without its chain; None for none."""
        try:
            return x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        except (OSError, ValueError):
            return None

    def pending(self) -> tuple[bytes, bytes] | None:
        """Key and packed request that wait for an answer."""
        try:
            return (self.path / "pending" / KEY).read_bytes(), (self.path / "pending" / REQUEST).read_bytes()
        except OSError:
            return None

    def put_pending(self, key: bytes, request: bytes) -> None:
        """Remember a key and its request, before anybody is asked."""
        if (self.path / "pending").exists():
            self.drop_pending()
        self._put_folder(self.path / "pending", {KEY: key, REQUEST: request})

    def drop_pending(self) -> None:
        """Forget the request that was answered or refused for good."""
        aside = self.path / "pending.old"
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(FileNotFoundError):
            (self.path / "pending").rename(aside)
        sync_folder(self.path)
        shutil.rmtree(aside, ignore_errors=True)

    def install(self, key: bytes, certificate_pem: bytes) -> None:
        """Make key and certificate the identity in use. After a power cut this one or the old one is."""
        last = max((int(p.name) for p in (self.path / "generations").iterdir() if p.name.isdecimal()), default=0)
        target = self.path / "generations" / f"{last + 1:04d}"
        self._put_folder(target, {KEY: key, CERTIFICATE: certificate_pem})
        link = self.path / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("generations") / target.name)
        link.replace(self.path / "current")
        sync_folder(self.path)

    def recover(self) -> None:
        """After a start: finish or undo what a power cut left half done."""
        for rest in (*self.path.glob("*.new"), *self.path.glob("*.old"), *self.path.glob("generations/*.new")):
            if rest.is_dir() and not rest.is_symlink():
                shutil.rmtree(rest, ignore_errors=True)
            else:
                rest.unlink(missing_ok=True)
        pending = self.pending()
        if (self.path / "pending").exists() and (pending is None or self._holds(pending[0])):
            self.drop_pending()
        current = self.generation
        kept = sorted(p for p in (self.path / "generations").iterdir() if p.name.isdecimal())
        for old in kept[:-_KEPT_GENERATIONS]:
            if old.name != current:
                shutil.rmtree(old, ignore_errors=True)

    def references(self) -> list[bytes]:
        """What every key that is still of use goes by."""
        pending = self.pending()
        found = [] if pending is None else [pending[0]]
        for path in self.path.glob(f"generations/*/{KEY}"):
            with suppress(OSError):
                found.append(path.read_bytes())
        return found

    def answered(self) -> bool:
        """Whether the key that waits is the one in use already: a power cut came right after it was installed."""
        pending = self.pending()
        return pending is not None and self._holds(pending[0])

    def _holds(self, key: bytes) -> bool:
        try:
            return self.key_file.read_bytes() == key
        except OSError:
            return False

    def state(self) -> State:
        """What is remembered; the defaults where nothing is or it cannot be read."""
        return _json(self.path / "state.json", State, State())

    def keep_state(self, state: State) -> None:
        """Remember; durable on return."""
        replace(self.path / "state.json", msgspec.json.encode(state))

    def spoken(self) -> Spoken:
        """What the next report shows."""
        return _json(self.path / "report.json", Spoken, Spoken())

    def keep_spoken(self, spoken: Spoken) -> None:
        """Remember; durable on return."""
        replace(self.path / "report.json", msgspec.json.encode(spoken))

    def drop_answer(self, data: bytes) -> None:
        """Leave an answer for whoever installs; the same one twice is one."""
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.answer"
        if len(list((self.path / "inbox").glob("*.answer"))) < _MAX_ANSWER_FILES:
            replace(self.path / "inbox" / name, data)

    def take_answers(self) -> list[bytes]:
        """The answers left here; they are gone then."""
        found = []
        for path in sorted((self.path / "inbox").glob("*.answer")):
            with suppress(OSError):
                found.append(path.read_bytes())
            path.unlink(missing_ok=True)
        return found

    def _put_folder(self, target: Path, files: Mapping[str, bytes]) -> None:
        aside = target.with_name(f"{target.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        for name, data in files.items():
            with os.fdopen(os.open(aside / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(aside)
        aside.rename(target)
        sync_folder(target.parent)


def certificate_pem(leaf: x509.Certificate, chain: list[x509.Certificate]) -> bytes:
    """What `cert.pem` holds."""
    return b"".join(c.public_bytes(Encoding.PEM) for c in (leaf, *chain))


def replace(path: Path, data: bytes) -> None:
    """Make a file hold `data`, readable by its owner alone: after a power cut it is whole, old or new.

    Raises:
        DeviceError: the disk is full, gone or read-only.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise DeviceError(f"{path} cannot be written ({error.strerror}); free some space on the disk") from None


def _json(path: Path, kind: type[T], default: T) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return default
