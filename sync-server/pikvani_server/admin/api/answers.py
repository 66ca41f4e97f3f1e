"""What the API answers, as structs: the description is made of them, and every answer is one of them."""

from __future__ import annotations

from typing import Any

import msgspec


class Problem(msgspec.Struct):
    """Why a request was not answered."""

    error: str


class Counts(msgspec.Struct):
    """Totals since the database began."""

    batches: int
    committed: int
    cases: int
    duplicates: int
    dead_letters: int
    shed: int


class Case(msgspec.Struct):
    """One farmer's question and what the model said; times are ISO 8601, `outbox` is hexadecimal."""

    device_id: str
    outbox: str
    seq: int
    received_at: str
    happened_at: str
    time_quality: str
    district: str
    decision: str
    reason: str
    crop: str
    condition: str
    confidence_e4: int
    others: list[Any]
    model: str
    runtime: str
    photos: int
    latency_ms: int
    quality_e4: list[int]
    channel: str
    locale: str
    consents: int


class Cases(msgspec.Struct):
    """Cases, latest received first."""

    counts: Counts
    cases: list[Case]


class CaseCount(msgspec.Struct):
    """Cases of one name with one decision."""

    name: str
    decision: str
    cases: int


class CaseCounts(msgspec.Struct):
    """Cases by day of India, or by a name."""

    counted_at: str | None
    counts: list[CaseCount]


class FleetCount(msgspec.Struct):
    """Devices of the fleet or a district, how many of them have which trouble, and sums."""

    devices: int
    online: int
    offline: int
    silent: int
    clock: int
    queue: int
    budget: int
    shed: int
    waiting_records: int
    shed_records: int
    shed_bytes: int


class DistrictCount(FleetCount):
    """The same of one district."""

    district: str = "unknown"


class Fleet(msgspec.Struct):
    """The fleet in numbers."""

    fleet: FleetCount
    districts: list[DistrictCount]


class Device(msgspec.Struct):
    """One device as it last said it is."""

    id: str
    state: str
    online: bool
    first_seen_at: str
    last_seen_at: str
    district: str
    taluka: str | None
    kind: str | None
    app: str
    model: str
    runtime: str
    clock: str
    clock_error_ms: int | None
    queue_records: int
    queue_bytes: int
    shed_records: int
    shed_bytes: int
    budget_used_bytes: int
    budget_bytes: int


class Devices(msgspec.Struct):
    """Some devices, and how many there are."""

    total: int
    devices: list[Device]


class DriftAlarm(msgspec.Struct):
    """One stretch of weeks that drifted."""

    id: int
    scope: str
    name: str
    model: str
    source: str
    kind: str
    level: str
    feature: str
    label: str
    excess: float
    first_window: str
    last_window: str
    open: bool
    acknowledged_by: str
    note: str


class DriftAlarms(msgspec.Struct):
    """Alarms before warnings, the latest first."""

    alarms: list[DriftAlarm]


class Verdict(msgspec.Struct):
    """One window judged; `details` holds features, estimated accuracy and crops."""

    window_end: str
    kind: str
    basis: str
    cases: int
    reference_cases: int
    details: dict[str, Any]


class DriftAlarmWithWeeks(DriftAlarm):
    """An alarm with its weeks."""

    verdicts: list[Verdict] = []


class Compared(msgspec.Struct):
    """One group against the best one; `says` is fine, unfair, unclear or too_few."""

    group: str
    hits: int
    cases: int
    low: float
    high: float
    against: str
    measure: float
    measure_low: float
    measure_high: float
    says: str


class Fairness(msgspec.Struct):
    """The three measures of the audit."""

    disparate_impact: list[Compared]
    true_positive_rate: list[Compared]
    predictive_value: list[Compared]


class Proposal(msgspec.Struct):
    """A proposal to train anew."""

    id: int
    model: str
    state: str
    reasons: list[str]
    candidate: str
    proposed_at: str
    finished_at: str | None
    decided_by: str
    decided_at: str | None
    decision_note: str


class Proposals(msgspec.Struct):
    """Proposals, the newest first."""

    proposals: list[Proposal]


class Accuracy(msgspec.Struct):
    """Accuracy of a crop as labels tell it; null where there are too few."""

    crop: str
    labelled: int
    share: float | None
    low: float
    high: float


class Review(msgspec.Struct):
    """The review queue by state, how far people agree, and accuracy by crop (crop empty: all)."""

    items: dict[str, int]
    pairs: int
    alike: float | None
    kappa: float | None
    accuracy: list[Accuracy]


class DeadLetter(msgspec.Struct):
    """What arrived and could not be read; `payload` is hexadecimal, the first kilobyte of it."""

    id: int
    received_at: str
    device_id: str
    topic: str
    outbox: str | None
    seq: int | None
    kind: str
    reason: str
    payload: str
    size_bytes: int
    times: int


class DeadLetters(msgspec.Struct):
    """Dead letters, the latest first."""

    dead_letters: list[DeadLetter]


class AuditEntry(msgspec.Struct):
    """One entry; `seal` and `previous` are hexadecimal."""

    number: int
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    seal: str


class Audit(msgspec.Struct):
    """Entries, the newest first, and the head of the chain."""

    head: str
    entries: list[AuditEntry]


class Note(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody says to an alarm."""

    note: str = ""


class Done(msgspec.Struct):
    """It is done."""

    done: bool
