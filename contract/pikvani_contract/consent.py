"""What a farmer may allow, how it is said to the centre, and how it is taken back. Nothing is allowed unless said.

A consent belongs to one case and comes after its answer. What is taken back stays taken back: the centre keeps a
tombstone, and data of that case that comes later, by whatever road, is not kept.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pikvani_contract.fields import Count, Name, OutboxId, Sequence


class Consent(IntFlag):
    """Bits of `ConsentBody.purposes`. A new purpose takes the next bit; none is ever given another meaning."""

    PHOTO = 1
    """A thumbnail of the leaf may go to the centre, for a person to look at."""
    VOICE = 2
    """The voice note or its words may go to the centre."""
    TRAINING = 4
    """What went to the centre may be used to make the model better."""
    PLACE = 8
    """The place may be told, rounded to the taluka."""


class ConsentBody(msgspec.Struct, array_like=True, frozen=True):
    """What a farmer allowed for one case.

    Attributes:
        outbox: outbox of the case.
        seq: sequence of the case.
        purposes: bits of `Consent`.
        given_by: `self`, or `parent` for a child.
        notice: version of the words that were shown and said.
        locale: language they were in.
    """

    outbox: OutboxId
    seq: Sequence
    purposes: Count
    given_by: Literal["self", "parent"]
    notice: Name
    locale: Name = "mr-IN"


class ErasureBody(msgspec.Struct, array_like=True, frozen=True):
    """A tombstone: what was erased on the device, and must be erased and stay away wherever this comes.

    Attributes:
        outbox: outbox of the case.
        seq: sequence of the case.
        whole: the case too; otherwise what was sent with consent: thumbnail, voice note, and what people said of them.
        asked_at: where it was asked: `kiosk`, `lan`, `service` or `centre`.
    """

    outbox: OutboxId
    seq: Sequence
    whole: bool
    asked_at: Name = ""


class ErasureOrder(msgspec.Struct, array_like=True, frozen=True, tag="erase"):
    """The centre tells a device to erase a case; it answers with an `ErasureBody`. To obey twice does no harm.

    Attributes:
        schema: `SCHEMA` of the sender.
        outbox: outbox of the case.
        seq: sequence of the case.
        whole: as `ErasureBody.whole`.
    """

    schema: Annotated[int, Meta(ge=1, le=1_000)]
    outbox: OutboxId
    seq: Sequence
    whole: bool
