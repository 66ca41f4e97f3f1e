"""The API's operations, once: the routes read their parameters from here, and the description is written from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pikvani_server.admin.api import answers
from pikvani_server.fleet.queries import SORTS, TROUBLES
from pikvani_server.review.results import Grouping

Limit = Annotated[int, Meta(ge=1, le=10_000)]
Offset = Annotated[int, Meta(ge=0, le=10_000_000)]
Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Days = Annotated[int, Meta(ge=1, le=730)]
Word = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
DeviceId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{2,47}$(?!\n)")]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)")]


@dataclass(frozen=True)
class Parameter:
    """A word of the address. `kind` checks and describes it; None as default means it may be left out."""

    name: str
    kind: Any
    told: str
    default: Any = None
    within: Literal["query", "path"] = "query"


@dataclass(frozen=True)
class Operation:
    """One route of the API."""

    name: str
    path: str
    told: str
    ability: str
    answer: type[msgspec.Struct]
    parameters: tuple[Parameter, ...] = ()
    method: Literal["get", "post"] = "get"
    body: type[msgspec.Struct] | None = None
    refusals: tuple[int, ...] = field(default=())


_LIMIT = Parameter("limit", Limit, "At most so many.", 100)
_DEVICE = Parameter("device", DeviceId, "Of this device only.")
_DISTRICT = Parameter("district", Word, "Of this district only.")
_CROP = Parameter("crop", Word, "Of this crop only.")
_MODEL = Parameter("model", Word, "Of this model only.")
_NUMBER = Parameter("number", Number, "Of the alarm.", within="path")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "cases", "/cases", "Cases, latest received first.", "see", answers.Cases, (_LIMIT, _DEVICE, _DISTRICT, _CROP)
    ),
    Operation(
        "case_counts", "/case-counts", "Cases counted by day of India or by a name.", "see", answers.CaseCounts,
        (
            Parameter("by", Literal["day", "district", "crop", "condition", "model"], "What to count by.", "day"),
            Parameter("days", Days, "How far back.", 90), _DISTRICT, _CROP, _MODEL,
        ),
    ),
    Operation("fleet", "/fleet", "The fleet and its districts in numbers.", "see", answers.Fleet),
    Operation(
        "devices", "/devices", "Devices.", "see", answers.Devices,
        (
            _LIMIT, Parameter("offset", Offset, "Leave out so many.", 0), _DISTRICT,
            Parameter("state", Literal["online", "offline", "silent"], "In this state only."),
            Parameter("trouble", Literal[TROUBLES], "With this trouble only."),
            Parameter("sort", Literal[SORTS], "What comes first.", "seen"),
        ),
    ),
    Operation(
        "device", "/devices/{device_id}", "One device.", "see", answers.Device,
        (Parameter("device_id", DeviceId, "Its id.", within="path"),), refusals=(404,),
    ),
    Operation(
        "drift_alarms", "/drift/alarms", "Drift alarms.", "see", answers.DriftAlarms,
        (_LIMIT, Parameter("open", bool, "Only those that are open.", True),
         Parameter("scope", Literal["fleet", "district", "device", "crop"], "Of this scope only.")),
    ),
    Operation(
        "drift_alarm", "/drift/alarms/{number}", "One drift alarm with its weeks.", "see", answers.DriftAlarmWithWeeks,
        (_NUMBER,), refusals=(404,),
    ),
    Operation(
        "acknowledge", "/drift/alarms/{number}/acknowledge", "Say that a person has seen an alarm.", "judge",
        answers.Done, (_NUMBER,), "post", answers.Note, (404, 413, 415),
    ),
    Operation(
        "fairness", "/fairness", "The fairness audit.", "see", answers.Fairness,
        (Parameter("by", Grouping, "How to group.", "district"), Parameter("days", Days, "How far back.", 90), _MODEL),
    ),
    Operation("proposals", "/proposals", "Proposals to train anew.", "see", answers.Proposals, (_LIMIT,)),
    Operation(
        "review", "/review", "The review queue in numbers.", "see", answers.Review,
        (Parameter("model", Word, "Accuracy of this model; the latest if left out."),),
    ),
    Operation(
        "dead_letters", "/dead-letters", "What could not be read.", "tend", answers.DeadLetters, (_LIMIT, _DEVICE)
    ),
    Operation(
        "audit", "/audit", "The audit log.", "govern", answers.Audit,
        (_LIMIT, Parameter("before", Annotated[int, Meta(ge=1, le=2**53)], "Entries before this number."),
         Parameter("actor", Word, "By this one only."), Parameter("subject", Word, "About this only.")),
    ),
)  # fmt: skip
BY_NAME = {operation.name: operation for operation in OPERATIONS}
