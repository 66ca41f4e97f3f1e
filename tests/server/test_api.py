"""The API against its own description: whatever is asked, it answers as described and never breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import schemathesis
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from tests.server.test_pages import fill
from tests.support import centre

from pikvani_server.accounts import tokens
from pikvani_server.admin.api.description import description
from pikvani_server.admin.api.operations import OPERATIONS
from pikvani_server.fleet.queries import set_place
from pikvani_server.store import Store, audit, open_store
from pikvani_server.store.schema_learning import drift_alarms


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Store, str]]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('api') / 'centre.sqlite3'}")
    store.migrate()
    fill(store)
    now = datetime.now(UTC)
    with store.writing("filling") as connection:
        set_place(connection, store.insert, "village-1", {"district": "Latur", "taluka": "", "kind": "pi5"}, now)
        alarm = {"scope": "fleet", "name": "", "model": "leaf", "source": "sketch", "first_window": "2026-09-20"}
        connection.execute(sa.insert(drift_alarms).values(**alarm, last_window="2026-09-20", opened_at=now))
    app = centre.build(store)
    token = tokens.add(store, "test", "admin", 1, "test", now)
    yield app, store, token
    store.close()


def ask(held: tuple[Flask, Store, str], path: str, **more: object):
    return held[0].test_client().open(f"/api/v1{path}", headers={"Authorization": f"Bearer {held[2]}"}, **more)


@pytest.mark.parametrize("name", [operation.name for operation in OPERATIONS])
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_whatever_is_asked_the_answer_is_as_described(
    held: tuple[Flask, Store, str], name: str, mode: schemathesis.GenerationMode
) -> None:
    described = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", held[0])
    described.raw_schema.pop("security")  # the token is ours to give; what answers without one is asked elsewhere
    operation = next(one for one in OPERATIONS if one.name == name)
    seen: list[int] = []

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=described[operation.path][operation.method].as_strategy(generation_mode=mode))
    def every(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(headers={"Authorization": f"Bearer {held[2]}"})
        seen.append(answer.status_code)

    try:
        every()
    except Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE, "nothing of this operation can be wrong"
    assert max(seen, default=0) < 500


def test_every_operation_is_described_and_every_description_answered(held: tuple[Flask, Store, str]) -> None:
    assert ask(held, "/openapi.json").json == json.loads(json.dumps(description()))
    for operation in OPERATIONS:
        path = operation.path.replace("{device_id}", "village-1").replace("{number}", "1")
        body = {"note": "seen"} if operation.body else None
        answer = ask(held, path, method=operation.method.upper(), json=body)
        assert answer.status_code == 200, (operation.name, answer.text)


def test_given_cases_then_they_are_counted_and_listed(held: tuple[Flask, Store, str]) -> None:
    answer = ask(held, "/cases?limit=10&device=village-1").json
    assert answer["counts"] == {
        "batches": 1, "committed": 4, "cases": 2, "duplicates": 0, "dead_letters": 2, "shed": 0,
    }  # fmt: skip
    assert [case["seq"] for case in answer["cases"]] == [2, 1]
    assert answer["cases"][1]["received_at"] == "2026-09-21T14:13:20.000+00:00"
    assert answer["cases"][1]["district"] == "Latur" and isinstance(answer["cases"][1]["others"], list)
    assert ask(held, "/devices").json["devices"][0]["queue_records"] == 7
    assert len(ask(held, "/dead-letters").json["dead_letters"]) == 2
    assert ask(held, "/fleet").json["fleet"]["devices"] == 1


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=999999", "limit=x", "limit=1&limit=2", "device=%2e%2e", "device=' OR 1=1", "crop=%00"]
)
def test_given_a_bad_question_then_the_answer_says_which_part(held: tuple[Flask, Store, str], query: str) -> None:
    answer = ask(held, f"/cases?{query}")
    assert answer.status_code == 400 and answer.json["error"].startswith(query.split("=")[0])


def test_given_an_alarm_then_a_program_notes_it_under_its_name(held: tuple[Flask, Store, str]) -> None:
    assert ask(held, "/drift/alarms/1/acknowledge", method="POST", json={"note": "looked"}).json == {"done": True}
    told = ask(held, "/drift/alarms/1").json
    assert (told["acknowledged_by"], told["note"]) == ("token:test", "looked")
    assert audit.entries(held[1], 1)[0]["actor"] == "token:test"
    assert ask(held, "/drift/alarms/1/acknowledge", method="POST", data="x").status_code == 415
    assert ask(held, "/drift/alarms/1/acknowledge", method="POST", json={"nothing": 1}).status_code == 400
    assert ask(held, "/drift/alarms/77/acknowledge", method="POST", json={}).status_code == 404


@pytest.mark.needs_postgres
def test_given_strange_text_then_postgres_refuses_none_of_them(tmp_path: Path, request) -> None:
    """The same questions over PostgreSQL, which is stricter about text."""
    from tests.support import postgres

    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    server = request.getfixturevalue("postgres_server")
    store = open_store(server.new_database())
    store.migrate()
    fill(store)
    client = centre.client_of(centre.build(store), store, "admin")
    for path in (
        "/cases?crop=%00",
        "/fleet?text=%00a%27",
        "/audit?actor=%ed%a0%80",
        "/users",
        "/api/v1/cases?crop=%ff",
    ):
        assert client.get(path).status_code in (200, 400), path
    for operation in OPERATIONS:
        if operation.method == "get" and "{" not in operation.path:
            assert client.get(f"/api/v1{operation.path}").status_code == 200, operation.name
    for path in ("/", "/fleet", "/cases", "/drift", "/fairness", "/work", "/dead-letters", "/rollouts", "/devices"):
        assert client.get(path).status_code == 200, path
    store.close()
