"""What a card is born with, and what the centre keeps of it: claims, made in batches. Values and their files' form.

A claim is an Ed25519 key. Its seed lies on one card and nowhere else; the centre holds the public half, with which
nobody can ask for anything.
"""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519
from msgspec import Meta

from pikvani_contract.enrolment import claim_id
from pikvani_contract.errors import ContractError
from pikvani_contract.topics import check_device_id

SCHEMA = 1
MAX_CLAIMS = 100_000
SEED_BYTES = 32
_PLACE = r"^[^\x00-\x1f]{0,80}$"
_SLUG = r"^[a-z0-9][a-z0-9-]{0,31}$"
_Schema = Annotated[int, Meta(ge=1, le=1_000)]
Slug = Annotated[str, Meta(pattern=_SLUG)]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Who a device is from its first boot on; one JSON file on its card.

    Attributes:
        schema: of this file.
        device: the device's id, the CN of its certificates to come.
        district: whose authority signs it: a-z, 0-9 and '-'.
        village: where it is to stand, for people.
        batch: the batch its claim was made in.
        expires_ms: UTC; the claim is void after it.
        claim: the seed in base32; emptied once a certificate is there.
    """

    schema: _Schema = SCHEMA
    device: str
    district: Slug
    village: Annotated[str, Meta(pattern=_PLACE)] = ""
    batch: Slug
    expires_ms: Annotated[int, Meta(ge=0)]
    claim: Annotated[str, Meta(max_length=80)] = ""

    def seed(self) -> bytes:
        """The claim's secret.

        Raises:
            ContractError: it was used and emptied, or is damaged.
        """
        try:
            seed = base64.b32decode(self.claim + "=" * (-len(self.claim) % 8))
        except ValueError:
            seed = b""
        if len(seed) != SEED_BYTES:
            raise ContractError("the card holds no claim: it was used, or the file is damaged; write the card anew")
        return seed


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What the centre is given of a card: nothing secret.

    Attributes:
        device: as on the card.
        district: as on the card.
        village: as on the card.
        key: public key in hex.
        expires_ms: as on the card.
    """

    device: str
    district: Slug
    village: Annotated[str, Meta(pattern=_PLACE)] = ""
    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    expires_ms: Annotated[int, Meta(ge=0)]

    @property
    def id(self) -> bytes:
        """Names it in requests."""
        return claim_id(bytes.fromhex(self.key))


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a batch of cards, as the centre takes them in."""

    schema: _Schema = SCHEMA
    batch: Slug
    claims: Annotated[list[Claim], Meta(max_length=MAX_CLAIMS)]


T = TypeVar("T", Card, Batch)


def make_cards(
    batch: str, district: str, count: int, expires_at: datetime, first: int = 1, villages: tuple[str, ...] = ()
) -> list[Card]:
    """New cards with a claim each, out of the system's randomness.

    Args:
        batch: a-z, 0-9 and '-'.
        district: a-z, 0-9 and '-'.
        count: how many.
        expires_at: UTC; claims are void after it.
        first: number of the first device of the batch.
        villages: of the first so many cards, in order; the others are given theirs in the field.

    Raises:
        ContractError: the names cannot make a device id.
    """
    expires_ms = int(expires_at.astimezone(UTC).timestamp() * 1000)
    cards = []
    for number in range(count):
        seed = secrets.token_bytes(SEED_BYTES)
        cards.append(
            Card(
                device=check_device_id(f"{district}-{batch}-{first + number:04d}"),
                district=district,
                village=villages[number] if number < len(villages) else "",
                batch=batch,
                expires_ms=expires_ms,
                claim=base64.b32encode(seed).decode().rstrip("="),
            )
        )
    return [read_card(as_json(card), "card") for card in cards]  # what cannot be read back is not given out


def claim_of(card: Card) -> Claim:
    """What the centre is given of this card."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(card.seed()).public_key().public_bytes_raw()
    return Claim(
        device=card.device, district=card.district, village=card.village, key=key.hex(), expires_ms=card.expires_ms
    )


def as_json(value: Card | Batch) -> bytes:
    """The bytes of the file."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def read_card(data: bytes, source: str) -> Card:
    """A card's file.

    Raises:
        ContractError: it is something else.
    """
    card = _read(data, Card, source)
    check_device_id(card.device)
    return card


def read_batch(data: bytes, source: str) -> Batch:
    """A batch's file.

    Raises:
        ContractError: it is something else, or names a device or a claim twice.
    """
    batch = _read(data, Batch, source)
    for claim in batch.claims:
        check_device_id(claim.device)
    if len({c.device for c in batch.claims}) < len(batch.claims) or len({c.key for c in batch.claims}) < len(
        batch.claims
    ):
        raise ContractError(f"{source}: a device or a claim stands in it twice; make the batch anew")
    return batch


def _read(data: bytes, kind: type[T], source: str) -> T:
    try:
        found: T = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"{source}: not a {kind.__name__.lower()} file: {error}; make it anew") from None
    if found.schema > SCHEMA:
        raise ContractError(f"{source}: schema {found.schema} is newer than this software's {SCHEMA}; update it")
    return found
