"""The pages: what a person and a program read, with hostile devices and a database that is away."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from tests.support.peers import NOW_MS, batch, record

from pikvani_contract.messages import CaseBody
from pikvani_server.admin import create_app
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.metrics import IngestMetrics
from pikvani_server.ingest.reading import Arrived, read_batch
from pikvani_server.store import Store, open_store
from pikvani_server.store.rows import DeviceStatus

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def client(sqlite_store: Store) -> FlaskClient:
    metrics = IngestMetrics(CollectorRegistry())
    metrics.committed.inc(3)
    return create_app(sqlite_store, metrics.registry, lambda: True).test_client()


def fill(store: Store) -> None:
    evil = CaseBody("answer", EVIL[:20], EVIL, EVIL, 9_100, [(EVIL, 1)], EVIL, EVIL, 1, 40, [1], EVIL, EVIL)
    group = [
        Arrived("village-1", NOW_MS, batch(record(1), record(2, body=evil), record(3, kind=EVIL))),
        read_batch(f"pikvani/v1/d/{EVIL}/up/batch", EVIL.encode(), NOW_MS),
    ]
    commit_group(store, group, NOW_MS)
    status = {"model": EVIL, "app": EVIL, "shed_bytes": 5_000, "queue_records": 7}
    store.record_status([DeviceStatus("village-1", datetime.now(UTC), True, status)])


@pytest.mark.parametrize("path", ["/", "/dead-letters"])
def test_given_hostile_strings_then_they_are_shown_as_text(client: FlaskClient, sqlite_store: Store, path: str) -> None:
    fill(sqlite_store)
    answer = client.get(path)

    assert answer.status_code == 200
    assert "<script" not in answer.text and "&lt;script&gt;" in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "village-1" in answer.text and 'http-equiv="refresh"' in answer.text


@pytest.mark.parametrize("path", ["/", "/dead-letters"])
def test_given_nothing_yet_then_the_pages_say_so(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_given_cases_then_the_api_counts_and_lists_them(client: FlaskClient, sqlite_store: Store) -> None:
    fill(sqlite_store)
    answer = client.get("/api/v1/cases?limit=10&device=village-1").json

    assert answer["counts"] == {
        "batches": 1,
        "committed": 3,
        "cases": 2,
        "duplicates": 0,
        "dead_letters": 2,
        "shed": 0,
    }
    assert [case["seq"] for case in answer["cases"]] == [2, 1]
    assert answer["cases"][1]["received_at"] == "2026-09-21T14:13:20.000+00:00"
    assert client.get("/api/v1/devices").json["devices"][0]["queue_records"] == 7
    assert len(client.get("/api/v1/dead-letters").json["dead_letters"]) == 2


@pytest.mark.parametrize("query", ["limit=0", "limit=999999", "device=%2e%2e", "device=' OR 1=1"])
def test_given_a_bad_question_then_the_answer_is_400(client: FlaskClient, query: str) -> None:
    assert client.get(f"/api/v1/cases?{query}").status_code == 400


def test_given_the_registry_then_metrics_are_prometheus_text(client: FlaskClient) -> None:
    assert "pikvani_committed_total 3.0" in client.get("/metrics").text


def test_given_a_database_that_is_away_then_health_and_pages_say_so_without_a_traceback() -> None:
    store = open_store("postgresql://pikvani@127.0.0.1:1/nothing")
    client = create_app(store, CollectorRegistry(), lambda: True).test_client()

    assert client.get("/healthz").json == {"status": "unwell", "database": False, "broker": True}
    page = client.get("/")
    assert page.status_code == 503 and "Nothing is lost" in page.text


def test_given_no_broker_then_health_says_so(sqlite_store: Store) -> None:
    client = create_app(sqlite_store, CollectorRegistry(), lambda: False).test_client()
    assert client.get("/healthz").status_code == 503
