"""The routes of the API: parameters in, structs out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from pikvani_server import propose
from pikvani_server.admin.api import answers
from pikvani_server.admin.api.description import description as described
from pikvani_server.admin.api.operations import BY_NAME, OPERATIONS
from pikvani_server.admin.centre import actor, now, store
from pikvani_server.drift import queries as drift
from pikvani_server.fleet import case_queries, counts, queries
from pikvani_server.fleet.case_queries import CaseFilter
from pikvani_server.fleet.queries import DeviceFilter
from pikvani_server.review import queue, results
from pikvani_server.store import audit
from pikvani_server.store.joined import together

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
S = TypeVar("S", bound=msgspec.Struct)
_PAYLOAD_BYTES = 1024
_NOTE_CHARS = 400


@blueprint.get("/openapi.json")
def description() -> ResponseReturnValue:
    """The description of all this."""
    return _answer(described())


def cases(limit: int, device: str | None, district: str | None, crop: str | None) -> msgspec.Struct:
    """Cases, latest received first."""
    found = case_queries.latest(store(), limit, CaseFilter(district or "", crop or ""), device=device or "")
    return answers.Cases(_struct(answers.Counts, asdict(store().totals())), [_case(row) for row in found])


def case_counts(by: str, days: int, district: str | None, crop: str | None, model: str | None) -> msgspec.Struct:
    """Counts by day or name."""
    first = (now().astimezone(counts.INDIA).date() - timedelta(days=days - 1)).isoformat()
    wanted = CaseFilter(district or "", crop or "", model=model or "")
    found = case_queries.by_name(store(), by, first, wanted)
    at = counts.counted_at(store())
    rows = [answers.CaseCount(row[by], row["decision"], row["cases"]) for row in found]
    return answers.CaseCounts(_time(at), rows)


def fleet() -> msgspec.Struct:
    """The fleet in numbers."""
    districts = [_struct(answers.DistrictCount, row) for row in queries.by_district(store(), now())]
    return answers.Fleet(_struct(answers.FleetCount, queries.summary(store(), now())), districts)


def devices(
    limit: int, offset: int, district: str | None, state: str | None, trouble: str | None, sort: Any
) -> msgspec.Struct:
    """A page of devices."""
    wanted = DeviceFilter(district or "", state or "", trouble or "")
    found, total = queries.page(store(), wanted, now(), sort, limit, offset)
    return answers.Devices(total, [_struct(answers.Device, row) for row in found])


def device(device_id: str) -> msgspec.Struct:
    """One device."""
    row = queries.device(store(), device_id, now())
    if row is None:
        abort(404, "this device was never heard of")
    return _struct(answers.Device, row)


def drift_alarms(limit: int, open: bool, scope: str | None) -> msgspec.Struct:
    """Drift alarms."""
    found = drift.alarms(store(), open, limit, scope)
    return answers.DriftAlarms([_struct(answers.DriftAlarm, row) for row in found])


def drift_alarm(number: int) -> msgspec.Struct:
    """One alarm with its weeks."""
    row = drift.alarm(store(), number)
    if row is None:
        abort(404, "there is no alarm of this number")
    weeks = [_struct(answers.Verdict, week) for week in row["verdicts"]]
    return _struct(answers.DriftAlarmWithWeeks, row | {"verdicts": weeks})


def acknowledge(number: int, body: answers.Note) -> msgspec.Struct:
    """Somebody has seen it."""
    note = body.note[:_NOTE_CHARS].replace("\x00", "")
    with together(store(), "acknowledging a drift alarm") as (joined, connection):
        if not drift.acknowledge(joined, number, actor(), note, now()):
            abort(404, "there is no alarm of this number")
        audit.append(connection, actor(), "drift.acknowledge", str(number), {"note": note}, now())
    return answers.Done(True)


def fairness(by: Any, days: int, model: str | None) -> msgspec.Struct:
    """The fairness audit."""
    found = results.fairness_audit(store(), by, now() - timedelta(days=days), model)

    def told(one: Any) -> answers.Compared:
        row = vars(one) | {"hits": one.share.hits, "cases": one.share.cases}
        return _struct(answers.Compared, row)

    return answers.Fairness(*([told(one) for one in rows] for rows in vars(found).values()))


def proposals(limit: int) -> msgspec.Struct:
    """Proposals, the newest first."""
    return answers.Proposals([_struct(answers.Proposal, row) for row in propose.listed(store(), limit)])


def review(model: str | None) -> msgspec.Struct:
    """The review queue in numbers."""
    latest = model or next((row["model"] for row in drift.models(store())), "")
    rows = results.accuracy_by_crop(store(), latest)
    people = results.people(store())
    accuracy = [_struct(answers.Accuracy, vars(row)) for row in rows]
    return answers.Review(queue.counts(store()), people["items"], people["alike"], people["kappa"], accuracy)


def dead_letters(limit: int, device: str | None) -> msgspec.Struct:
    """Dead letters, the latest first."""
    found = store().dead_letters(limit, device)
    rows = [row | {"payload": bytes(row["payload"])[:_PAYLOAD_BYTES]} for row in found]
    return answers.DeadLetters([_struct(answers.DeadLetter, row) for row in rows])


def audit_entries(limit: int, before: int | None, actor: str | None, subject: str | None) -> msgspec.Struct:
    """Entries, the newest first."""
    found = audit.entries(store(), limit, before, actor or "", "", subject or "")
    return answers.Audit(str(audit.head(store())), [_struct(answers.AuditEntry, row) for row in found])


_VIEWS: dict[str, Callable[..., msgspec.Struct]] = {
    "cases": cases,
    "case_counts": case_counts,
    "fleet": fleet,
    "devices": devices,
    "device": device,
    "drift_alarms": drift_alarms,
    "drift_alarm": drift_alarm,
    "acknowledge": acknowledge,
    "fairness": fairness,
    "proposals": proposals,
    "review": review,
    "dead_letters": dead_letters,
    "audit": audit_entries,
}


def _view(name: str) -> Callable[..., ResponseReturnValue]:
    operation, view = BY_NAME[name], _VIEWS[name]

    def answer(**path: str) -> ResponseReturnValue:
        values: dict[str, Any] = {}
        known = [parameter.name for parameter in operation.parameters if parameter.within == "query"]
        if unknown := set(request.args) - set(known):
            abort(400, f"{sorted(unknown)[0][:60]!r} is no parameter here; known: {', '.join(known) or 'none'}")
        for parameter in operation.parameters:
            sent = [path[parameter.name]] if parameter.within == "path" else request.args.getlist(parameter.name)
            if len(sent) > 1:
                abort(400, f"{parameter.name} is given {len(sent)} times: give it once")
            values[parameter.name] = parameter.default
            if sent:
                try:
                    values[parameter.name] = msgspec.convert(sent[0], parameter.kind, strict=False)
                except msgspec.ValidationError as error:
                    code = 404 if parameter.within == "path" and 404 in operation.refusals else 400
                    abort(code, f"{parameter.name}: {error}")
        if operation.body:
            if not request.is_json:
                abort(415, "send the body as application/json")
            try:
                values["body"] = msgspec.json.decode(request.get_data(), type=operation.body)
            except msgspec.DecodeError as error:
                abort(400, f"the body: {error}")
        return _answer(view(**values))

    return answer


for _operation in OPERATIONS:
    blueprint.add_url_rule(
        _operation.path.replace("{", "<").replace("}", ">"),
        _operation.name,
        _view(_operation.name),
        methods=[_operation.method.upper()],
    )


def _answer(told: Any) -> Response:
    return Response(msgspec.json.encode(told), content_type="application/json")


def _struct(kind: type[S], row: Mapping[str, Any]) -> S:
    """A struct out of a row that holds more: times as ISO 8601, bytes as hexadecimal."""
    values = {field.name: _plain(row[field.name]) for field in msgspec.structs.fields(kind)}
    return kind(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return _time(value)
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def _case(row: Mapping[str, Any]) -> answers.Case:
    opened = {name: _list(row[name]) for name in ("others", "quality_e4")}
    return _struct(answers.Case, {**row, **opened})


def _list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) else []
