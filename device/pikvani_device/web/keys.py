"""Keys for programs on the village network: made on the service page, shown once, kept as hashes only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated

import msgspec
from msgspec import Meta

from pikvani_device.store import Store

_FACT = "web.api_keys"
MAX_KEYS = 20
_PREFIX = "pik_"


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is kept.

    Attributes:
        id: eight hex digits, the beginning of the key, to tell it from others.
        name: what the technician called it.
        digest: SHA-256 of the whole key in hex. The key has 256 random bits: nothing slower is needed.
        made_ms: UTC milliseconds, as the device believed.
    """

    id: str
    name: Annotated[str, Meta(max_length=60)]
    digest: str
    made_ms: int


class ApiKeys:
    """The keys of one device.

    Args:
        store: keeps them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[ApiKey]:
        """All keys, oldest first."""
        return msgspec.json.decode(self._store.fact(_FACT) or "[]", type=list[ApiKey])

    def make(self, name: str, now_ms: int) -> str | None:
        """A new key, told this once; None where there are enough."""
        kept = self.all()
        if len(kept) >= MAX_KEYS:
            return None
        key_id = secrets.token_hex(4)
        key = f"{_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        self._keep([*kept, ApiKey(key_id, " ".join(name.split())[:60] or key_id, _digest(key), now_ms)])
        return key

    def revoke(self, key_id: str) -> None:
        """Forget a key; at once it opens nothing."""
        self._keep([key for key in self.all() if key.id != key_id])

    def opens(self, key: str) -> bool:
        """Whether a key is one of ours."""
        digest = _digest(key)
        return any(hmac.compare_digest(kept.digest, digest) for kept in self.all())

    def _keep(self, keys: list[ApiKey]) -> None:
        self._store.set_fact(_FACT, msgspec.json.encode(keys).decode())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
