"""The messages that cross MQTT, as typed structs. Bytes are the business of `wire`, topics of `topics`.

Every struct is an array on the wire: adding a field means adding it at the end, with a default, so that an old
reader passes over it and a new reader fills it in. A change that cannot be made so raises `SCHEMA`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pikvani_contract.consent import ConsentBody, ErasureBody
from pikvani_contract.fields import E4, Count, Milliseconds, Name, OutboxId, Sequence, Text

SCHEMA = 1
MAX_RECORDS = 1_000
"""Records in one batch."""
MAX_GAPS = 64
"""Gaps in one receipt."""
MAX_WANTED_BYTES = 65_536
"""Bytes of a repository's file in one ask."""


class Lane(IntEnum):
    """What a record is, as far as its turn on the link goes. Lower goes first. One outbox id a lane and boot."""

    RESULT = 0
    ALARM = 1
    SKETCH = 2
    UPDATE = 3
    BULK = 4


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One thing that happened on a device.

    Attributes:
        seq: position in its outbox, from 1, without holes when it was written.
        mono_ms: monotonic time of its boot (an outbox belongs to exactly one boot).
        offset_ms: wall time minus monotonic time as the device believed then.
        trust: a `ClockTrust`.
        kind: which body this is: a key of `BODIES`.
        body: the body, still encoded, so that one bad body cannot spoil the batch.
    """

    seq: Sequence
    mono_ms: Count
    offset_ms: Milliseconds
    trust: Annotated[int, Meta(ge=0, le=2)]
    kind: Name
    body: msgspec.Raw


class Batch(msgspec.Struct, array_like=True, frozen=True):
    """Records of one outbox, ascending by sequence, on their way up.

    Attributes:
        schema: `SCHEMA` of the sender.
        outbox: the outbox's id: eight random bytes, new with every boot and every rebuilt database.
        lane: a `Lane`.
        oldest: lowest sequence the device still holds: what is below and not committed was shed, and never comes.
        boot: how many boots ago that outbox was opened (0 = this boot), so that ages can be told.
        mono_ms: the device's monotonic time when it sent this.
        offset_ms: its wall time minus monotonic time then.
        trust: a `ClockTrust`.
        records: at most `MAX_RECORDS`.
    """

    schema: Annotated[int, Meta(ge=1, le=1_000)]
    outbox: OutboxId
    lane: Annotated[int, Meta(ge=0, le=15)]
    oldest: Sequence
    boot: Count
    mono_ms: Count
    offset_ms: Milliseconds
    trust: Annotated[int, Meta(ge=0, le=2)]
    records: Annotated[list[Record], Meta(max_length=MAX_RECORDS)]


class Receipt(msgspec.Struct, array_like=True, frozen=True):
    """What the centre has committed of one outbox: everything up to `upto` except the gaps.

    It is cumulative: the next receipt repeats what a lost one said.

    Attributes:
        schema: `SCHEMA` of the sender.
        outbox: which outbox.
        upto: all sequences from 1 to here are committed, except those in `gaps`.
        gaps: `(first, last)` pairs, ascending.
        wall_ms: the centre's UTC time, a floor for the device's clock.
    """

    schema: Annotated[int, Meta(ge=1, le=1_000)]
    outbox: OutboxId
    upto: Count
    gaps: Annotated[list[tuple[Sequence, Sequence]], Meta(max_length=MAX_GAPS)]
    wall_ms: Milliseconds


class CaseBody(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One farmer's question and what the model said. No photograph, no name, no place.

    Attributes:
        decision: `answer`, `more` or `refuse`.
        reason: why, as the decision rule names it; empty for an answer.
        crop: the crop the farmer picked, empty if none.
        condition: the best `crop/condition`, also when refused.
        confidence: calibrated probability that `condition` is right.
        others: the next best conditions with their probabilities.
        model: `name@version` of the package.
        runtime: the adapter that ran it.
        photos: photographs in the case.
        latency_ms: from the last photograph read to the decision.
        quality: sharpness, brightness and leaf share of the best photograph, each a share.
        channel: `kiosk`, `lan`, `api` or `cli`.
        locale: the farmer's language.
        consents: bits of `Consent` known when the case was recorded; what is allowed later comes as a `ConsentBody`.
    """

    decision: Name
    reason: Name
    crop: Name
    condition: Name
    confidence: E4
    others: Annotated[list[tuple[Name, E4]], Meta(max_length=8)]
    model: Name
    runtime: Name
    photos: Annotated[int, Meta(ge=0, le=64)]
    latency_ms: Count
    quality: Annotated[list[E4], Meta(max_length=16)] = []
    channel: Name = "cli"
    locale: Name = "mr-IN"
    consents: Count = 0


class AlarmBody(msgspec.Struct, array_like=True, frozen=True):
    """Something a person at the centre should know about this device.

    Attributes:
        code: which alarm, e.g. `disk_low`, `shed`, `model_failed`.
        detail: one line for a person.
        value: the number behind it, in the unit the code implies.
    """

    code: Name
    detail: Text = ""
    value: Milliseconds = 0


class SketchBody(msgspec.Struct, array_like=True, frozen=True):
    """A mergeable drift sketch of one model version and day."""

    model: Name
    day: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    revision: Count
    data: Annotated[bytes, Meta(max_length=8_192)]


class BlockBody(msgspec.Struct, array_like=True, frozen=True):
    """One piece of a thumbnail or voice note that a farmer agreed to send.

    Attributes:
        outbox: outbox of the case it belongs to.
        seq: sequence of that case.
        what: `thumbnail` or `voice`.
        sha256: of the whole file, so that pieces find together and a torn file is told.
        size: bytes of the whole file.
        offset: where this piece begins.
        data: the piece.
    """

    outbox: OutboxId
    seq: Sequence
    what: Name
    sha256: Annotated[bytes, Meta(min_length=32, max_length=32)]
    size: Annotated[int, Meta(ge=1, le=4 * 2**20)]
    offset: Count
    data: Annotated[bytes, Meta(max_length=32_768)]


class UpdateReport(msgspec.Struct, array_like=True, frozen=True):
    """What became of an update on a device. A roll-out goes on only where it says `committed`.

    Attributes:
        what: `watching` (it answers, on trial), `committed`, `rolled_back`, `failed`, `difference_failed` or
            `not_taken` (told to go back from what does not answer here).
        package: name of the package.
        version: its version.
        previous: version that answered before.
        order: number of the centre's order it followed, 0 for none.
        detail: one line: what was measured, or why not.
        cases: cases seen under the new version.
        errors: cases in which the runtime failed.
        unanswered: cases of `cases` that were not answered.
        latency_ms: median of `cases`.
    """

    what: Name
    package: Name = ""
    version: Name = ""
    previous: Name = ""
    order: Count = 0
    detail: Text = ""
    cases: Count = 0
    errors: Count = 0
    unanswered: Count = 0
    latency_ms: Count = 0


Body = CaseBody | AlarmBody | SketchBody | BlockBody | UpdateReport | ConsentBody | ErasureBody
BODIES: dict[str, type[Body]] = {
    "case": CaseBody,
    "alarm": AlarmBody,
    "sketch": SketchBody,
    "block": BlockBody,
    "update": UpdateReport,
    "consent": ConsentBody,
    "erasure": ErasureBody,
}


class Want(msgspec.Struct, array_like=True, frozen=True):
    """A piece of one file of the signed repository.

    Attributes:
        path: `metadata/...` or `targets/...`, as the signed metadata spells it.
        offset: where the piece begins.
        length: bytes wanted at most.
    """

    path: Annotated[str, Meta(min_length=1, max_length=400)]
    offset: Count
    length: Annotated[int, Meta(ge=1, le=MAX_WANTED_BYTES)]


class Ask(msgspec.Struct, array_like=True, frozen=True):
    """A device asks for pieces of files. What it has not asked for is never sent: that is the flow control.

    Attributes:
        schema: `SCHEMA` of the sender.
        number: the device's own number of this ask, repeated in the answer.
        wants: at most four pieces.
    """

    schema: Annotated[int, Meta(ge=1, le=1_000)]
    number: Count
    wants: Annotated[list[Want], Meta(min_length=1, max_length=4)]


class Piece(msgspec.Struct, array_like=True, frozen=True):
    """Bytes of one wanted piece.

    Attributes:
        want: which of the ask's wants, from 0.
        size: bytes of the whole file, -1 where there is no such file.
        offset: where `data` begins in the file.
        data: at most what was wanted; empty at the file's end or where there is none.
    """

    want: Annotated[int, Meta(ge=0, le=3)]
    size: Annotated[int, Meta(ge=-1, le=2**63 - 1)]
    offset: Count
    data: Annotated[bytes, Meta(max_length=MAX_WANTED_BYTES)]


class Blocks(msgspec.Struct, array_like=True, frozen=True):
    """The answer to an `Ask`, or a part of it: a long piece comes in several.

    Attributes:
        schema: `SCHEMA` of the sender.
        number: of the ask.
        pieces: at most eight.
    """

    schema: Annotated[int, Meta(ge=1, le=1_000)]
    number: Count
    pieces: Annotated[list[Piece], Meta(max_length=8)]


class UpdateOrder(msgspec.Struct, array_like=True, frozen=True, tag="update"):
    """The centre tells a device which signed package to take, or to go back from.

    It names, it does not vouch: a device takes only what the signed metadata holds under that name and hash.

    Attributes:
        schema: `SCHEMA` of the sender.
        number: higher than that of any order this device was given before; others are passed over.
        action: `take` or `back`.
        package: name of the package.
        version: its version.
        sha256: of the signed file.
        reason: one line for the record.
    """

    schema: Annotated[int, Meta(ge=1, le=1_000)]
    number: Count
    action: Literal["take", "back"]
    package: Name
    version: Name
    sha256: Annotated[bytes, Meta(min_length=32, max_length=32)]
    reason: Text = ""


class LaneDepth(msgspec.Struct, array_like=True, frozen=True):
    """How much of one lane waits on the device, and how much was ever shed."""

    lane: Annotated[int, Meta(ge=0, le=15)]
    records: Count
    bytes: Count
    shed_records: Count = 0
    shed_bytes: Count = 0


class Status(msgspec.Struct, array_like=True, frozen=True):
    """How a device is, retained at the broker. Its Will is one with `online` false.

    Attributes:
        schema: `SCHEMA` of the sender.
        online: false when the broker says it for the device.
        boot_id: of the machine.
        mono_ms: monotonic time when it was said.
        offset_ms: wall minus monotonic time.
        trust: a `ClockTrust`.
        app: version of the software.
        model: `name@version` in use.
        runtime: the adapter that runs it.
        lanes: what waits.
        budget_used_bytes: of this month's data budget.
        budget_bytes: this month's data budget, 0 for none set.
        place: latitude and longitude rounded to 0.1 degree, as `18.5,73.9`; empty unless its owner agreed.
        operator: of the mobile network, empty for none.
        signal_dbm: of the mobile network, 0 where nobody knows.
        data_left_mb: of the SIM's pack, -1 where nobody knows.
    """

    schema: Annotated[int, Meta(ge=1, le=1_000)]
    online: bool
    boot_id: Name = ""
    mono_ms: Count = 0
    offset_ms: Milliseconds = 0
    trust: Annotated[int, Meta(ge=0, le=2)] = 0
    app: Name = ""
    model: Name = ""
    runtime: Name = ""
    lanes: Annotated[list[LaneDepth], Meta(max_length=16)] = []
    budget_used_bytes: Count = 0
    budget_bytes: Count = 0
    place: Annotated[str, Meta(pattern=r"^(-?\d{1,2}\.\d,-?\d{1,3}\.\d)?$")] = ""
    operator: Name = ""
    signal_dbm: Annotated[int, Meta(ge=-200, le=0)] = 0
    data_left_mb: Annotated[int, Meta(ge=-1, le=100_000_000)] = -1
