"""Looks for secrets in the bytes of a card: in files, and in the archives within them. Finds form, not meaning."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pikvani_provision.errors import ProvisionError

CARD_FILE = "card.json"
"""The one file of a card that holds a secret of its own: the claim, used once."""
_MAX_BYTES = 2 * 2**30
_DEEPEST = 3
_CONFIGURED = rb"(?:password|passwd|secret|token|api_key)"
# What it is, bytes that must stand somewhere in the file (quick to look for), and its form.
_PATTERNS: tuple[tuple[str, tuple[bytes, ...], re.Pattern[bytes]], ...] = tuple(
    (what, marks, re.compile(form))
    for what, marks, form in (
        (
            "a private key (PEM)",
            (b" PRIVATE KEY-----", b"-----BEGIN PRIVATE KEY"),
            rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\s+(?:[A-Z][A-Za-z-]+: .*\s+)*[A-Za-z0-9+/]{40}",
        ),
        ("an OpenSSH key", (b"b3BlbnNzaC1rZXktdjE",), rb"b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/]{20}"),
        ("a claim", (b'"claim"',), rb'"claim"\s*:\s*"[A-Z2-7]{52}"'),
        (
            "a Wi-Fi passphrase",
            (b"psk", b"wpa_passphrase", b"sae_password"),
            rb"(?m)^[ \t]*(?:psk|wpa-psk|wpa_passphrase|sae_password)[ \t]*=[ \t]*[\"']?[^\s\"'@#]{8,}",
        ),
        (
            "a password in a configuration",
            (b"password", b"passwd", b"secret", b"token", b"api_key"),
            rb"(?m)^" + _CONFIGURED + rb"[ \t]*=[ \t]*\"[^\"\s]{6,}\"[ \t]*$",
        ),
        (
            "a password in an address",
            (b"://",),
            rb"\b(?:postgres(?:ql)?|mqtts?|amqps?|redis)://[^/\s:@]{1,60}:[^/\s:@]{3,}@",
        ),
        ("a hashed password", (b":$",), rb"(?m)^[a-z_][a-z0-9_-]{0,31}:\$(?:6|y|5|2b)\$[./A-Za-z0-9$=,]{20,}"),
    )
)


@dataclass(frozen=True)
class Found:
    """A secret: where it stands and what it looks like. Never the secret itself."""

    where: str
    what: str
    offset: int

    def __str__(self) -> str:
        return f"{self.where} at byte {self.offset}: looks like {self.what}"


def scan(
    paths: Iterable[Path], apart_from: frozenset[str] = frozenset(), public: frozenset[str] = frozenset()
) -> list[Found]:
    """Every secret below these paths.

    Args:
        paths: files or folders; archives (tar, wheel, zip) within are opened.
        apart_from: names of files that may hold one.
        public: SHA-256 of files that anyone can download, such as the lock's wheels: what is in them is no secret of
            ours (some libraries carry the keys of their own self-tests).

    Raises:
        ProvisionError: something cannot be read.
    """
    found: list[Found] = []
    for where, data in _contents(paths, public):
        if where.rsplit("/", 1)[-1] in apart_from:
            continue
        for what, marks, pattern in _PATTERNS:
            if any(mark in data for mark in marks) and (match := pattern.search(data)):
                found.append(Found(where, what, match.start()))
    return found


def holds_any(paths: Iterable[Path], secrets: Iterable[bytes]) -> list[Found]:
    """Where any of these very secrets stands in the bytes below these paths, archives opened."""
    wanted = [secret for secret in secrets if secret]
    return [
        Found(where, "a secret of another card", data.find(secret))
        for where, data in _contents(paths)
        for secret in wanted
        if secret in data
    ]


def _contents(paths: Iterable[Path], public: frozenset[str] = frozenset()) -> Iterator[tuple[str, bytes]]:
    for top in paths:
        files = (
            sorted(path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
            if top.is_dir()
            else [top]
        )
        for path in files:
            try:
                if path.stat().st_size > _MAX_BYTES:
                    raise ProvisionError(f"{path}: over {_MAX_BYTES >> 30} GiB, too large; scan what it was made of")
                data = path.read_bytes()
            except OSError as error:
                raise ProvisionError(f"{path}: cannot be looked through ({error.strerror})") from None
            yield from _opened(str(path), data, public)


def _opened(where: str, data: bytes, public: frozenset[str], depth: int = 0) -> Iterator[tuple[str, bytes]]:
    if public and hashlib.sha256(data).hexdigest() in public:
        return
    tar = where.endswith((".tar", ".tar.gz", ".tgz"))
    if not tar or depth >= _DEEPEST:
        yield where, data
    if depth >= _DEEPEST:
        return
    if data[:4] == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for entry in archive.infolist():
                    if not entry.is_dir() and entry.file_size <= _MAX_BYTES:
                        yield from _opened(f"{where}!/{entry.filename}", archive.read(entry), public, depth + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise ProvisionError(f"{where}: an archive that cannot be looked into: {error}") from None
    elif tar:
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                for member in archive:
                    if member.isfile() and (file := archive.extractfile(member)):
                        yield from _opened(f"{where}!/{member.name}", file.read(), public, depth + 1)
        except tarfile.TarError as error:
            raise ProvisionError(f"{where}: an archive that cannot be looked into: {error}") from None
