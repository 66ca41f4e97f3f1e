"""The pages: what a person reads, with hostile devices and a database that is away."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.support import centre
from tests.support.peers import NOW_MS, batch, record

from pikvani_contract import cards
from pikvani_contract.messages import SCHEMA, AlarmBody, CaseBody, Lane, LaneDepth, Status
from pikvani_contract.sketch import FEATURES
from pikvani_contract.wire import pack
from pikvani_server.accounts import tokens
from pikvani_server.admin import charts, words
from pikvani_server.admin.districts import TILES, shade
from pikvani_server.admin.tables import plain
from pikvani_server.config import WebConfig
from pikvani_server.enrolment import queries as enrolment
from pikvani_server.fleet import counts
from pikvani_server.fleet.status import read_status
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.metrics import IngestMetrics
from pikvani_server.ingest.reading import Arrived, read_batch
from pikvani_server.rollout import acting as rollouts
from pikvani_server.rollout import queries
from pikvani_server.rollout.plan import Plan
from pikvani_server.store import Store, open_store
from pikvani_server.store.rows import DeviceStatus

EVIL = "<script>alert(1)</script>"
PAGES = (
    *("/", "/fleet", "/fleet?text=%25&sort=budget&map=queue&page=2", "/cases", "/cases?days=365&crop=rice&before=x"),
    *("/drift", "/drift?which=all&scope=device", "/review", "/review/disputed", "/review/results", "/fairness"),
    *("/fairness?by=language&days=30", "/proposals", "/work", "/dead-letters", "/audit", "/audit?verify=1"),
    *("/audit?before=x&actor=%00a", "/users", "/account", "/account/codes", "/fleet/village-1"),
    *("/rollouts", "/rollouts/1?state=failed", "/devices", "/devices?state=revoked&district=x"),
)


@pytest.fixture
def client(sqlite_store: Store) -> FlaskClient:
    return centre.client_of(centre.build(sqlite_store), sqlite_store, "admin")


def fill(store: Store) -> None:
    evil = CaseBody("answer", EVIL[:20], EVIL, EVIL, 9_100, [(EVIL, 1)], EVIL, EVIL, 1, 40, [1], EVIL, EVIL)
    alarm = record(4, kind="alarm", body=AlarmBody(EVIL, EVIL, 3))
    group = [
        Arrived("village-1", NOW_MS, batch(record(1), record(2, body=evil), record(3, kind=EVIL), alarm)),
        read_batch(f"pikvani/v1/d/{EVIL}/up/batch", EVIL.encode(), NOW_MS),
    ]
    commit_group(store, group, NOW_MS)
    status = {"model": EVIL, "app": EVIL, "shed_bytes": 5_000, "queue_records": 7, "lanes": "[]"}
    store.record_status([DeviceStatus("village-1", datetime.now(UTC), True, status)])
    counts.run_pass(store, datetime.now(UTC))
    rollouts.start(store, "leaf", "1.1.0", "00", Plan(), "asha", datetime.now(UTC))


def test_given_hostile_strings_then_they_are_shown_as_text(client: FlaskClient, sqlite_store: Store) -> None:
    fill(sqlite_store)
    for path in PAGES:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert EVIL not in answer.text and "<script>" not in answer.text, path
        if path in ("/", "/fleet", "/cases", "/dead-letters", "/fleet/village-1"):
            assert "&lt;script&gt;" in answer.text and "village-1" in answer.text, path


@pytest.mark.parametrize(
    ("language", "fleet", "of_lane"),
    [
        ("en", "12 records, 900 kB", "12 shed (900 kB)"),
        ("hi", "12 रिकॉर्ड, 900 kB", "12 छोड़े (900 kB)"),
        ("mr", "12 नोंदी, 900 kB", "12 सोडले (900 kB)"),
    ],
)
def test_given_a_device_whose_outbox_was_full_then_the_pages_say_how_many_bytes_it_shed(
    client: FlaskClient, sqlite_store: Store, language: str, fleet: str, of_lane: str
) -> None:
    lost = LaneDepth(int(Lane.BULK), 3, 9_000, 12, 900_000)
    status = pack(Status(SCHEMA, True, "boot-1", lanes=[lost]))
    sqlite_store.record_status([read_status("pikvani/v1/d/village-1/up/status", status, False, NOW_MS)])
    centre.send(client, "/preferences", language=language)
    assert fleet in client.get("/fleet").text
    assert of_lane in client.get("/fleet/village-1").text
    (row,) = csv.DictReader(io.StringIO(client.get("/fleet?format=csv").text.lstrip("\ufeff")))
    assert (row["shed_records"], row["shed_bytes"]) == ("12", "900000")


def test_given_nothing_yet_then_the_pages_say_so(client: FlaskClient) -> None:
    for path in PAGES:
        assert client.get(path).status_code == (404 if "village" in path or "/1" in path else 200), path


def test_every_page_forbids_strange_scripts_and_styles_and_is_kept_by_nobody(client: FlaskClient) -> None:
    for path in PAGES:
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", answer.text), f"an inline style or handler: {path}"
        assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text), f"an inline script: {path}"
        assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text), f"something from elsewhere: {path}"


def test_given_an_address_that_leads_nowhere_then_the_page_says_so(client: FlaskClient) -> None:
    models = ("/drift/models/x", "/drift/alarms/9", "/drift/alarms/99999999999999999999")
    for path in ("/nothing", "/fleet/nobody-here", "/fleet/UPPER", "/review/photo/a/zz/1.jpg", *models):
        answer = client.get(path)
        assert answer.status_code == 404 and "There is no such page" in answer.text, path


def test_given_the_registry_then_metrics_are_prometheus_text_and_may_be_closed(sqlite_store: Store) -> None:
    metrics = IngestMetrics(CollectorRegistry())
    metrics.committed.inc(3)
    nobody = centre.build(sqlite_store, registry=metrics.registry).test_client()
    assert "pikvani_committed_total 3.0" in nobody.get("/metrics").text
    closed = centre.build(sqlite_store, WebConfig(open_metrics=False), registry=metrics.registry).test_client()
    assert closed.get("/metrics").status_code == 401
    token = tokens.add(sqlite_store, "prometheus", "viewer", 9, "test", datetime.now(UTC))
    assert closed.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_given_a_database_that_is_away_then_health_and_pages_say_so_without_a_traceback() -> None:
    store = open_store("postgresql://pikvani@127.0.0.1:1/nothing")
    client = centre.build(store).test_client()
    client.set_cookie(centre.SESSION, "somebody")

    assert client.get("/healthz").json == {"status": "unwell", "database": False, "broker": True}
    for path in ("/", "/sign-in", "/fleet"):
        page = client.get(path)
        assert page.status_code == 503 and "Nothing is lost" in page.text
    told = client.get("/api/v1/devices", headers={"Authorization": "Bearer x"})
    assert told.status_code == 503 and "nothing is lost" in told.json["error"]


def test_given_no_broker_then_health_says_so(sqlite_store: Store) -> None:
    client = centre.build(sqlite_store, broker_ready=lambda: False).test_client()
    assert client.get("/healthz").status_code == 503


def test_given_csv_then_it_holds_every_row_and_no_formula(client: FlaskClient, sqlite_store: Store) -> None:
    fill(sqlite_store)
    for n in range(60):
        model = {"model": "=1+1" if n % 2 else "leaf@1", "lanes": "[]"}
        sqlite_store.record_status([DeviceStatus(f"v-{n}", datetime.now(UTC), True, model)])
    answer = client.get("/fleet?format=csv&table=devices&text=v-")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="pikvani-devices-')
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) == 60 and {row["model"] for row in rows} == {"'=1+1", "leaf@1"}
    assert client.get("/fleet?format=csv&table=nothing").status_code == 404


def test_every_table_of_a_page_is_there_as_csv(client: FlaskClient, sqlite_store: Store) -> None:
    fill(sqlite_store)
    seen = 0
    for path in PAGES:
        for href in re.findall(r'class="csv" href="([^"]+)"', client.get(path).text):
            answer = client.get(href.replace("&amp;", "&"))
            assert answer.status_code == 200 and answer.text.startswith("\ufeff"), href
            assert len({len(row) for row in csv.reader(io.StringIO(answer.text))}) == 1
            seen += 1
    assert seen >= 12


def test_given_a_roll_out_then_an_admin_stops_it_with_a_reason_and_others_cannot(sqlite_store: Store) -> None:
    number = rollouts.start(sqlite_store, "leaf", "1.1.0", "00", Plan(), "asha", datetime.now(UTC))
    app, path = centre.build(sqlite_store), f"/rollouts/{1}"
    admin, viewer = (centre.client_of(app, sqlite_store, role) for role in ("admin", "viewer"))
    assert 'value="pause"' in admin.get(path).text and 'value="pause"' not in viewer.get(path).text
    assert centre.send(viewer, path, do="abort", why="x").status_code == 403
    centre.send(admin, path, do="pause")
    assert queries.one(sqlite_store, number)["state"] == "running", "an act needs a reason"
    for act, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted"), ("resume", "aborted")):
        centre.send(admin, path, do=act, why="rain in Latur")
        assert queries.one(sqlite_store, number)["state"] == state
    assert "rain in Latur" in viewer.get(path).text


def test_given_a_batch_of_cards_then_a_technician_enters_it_and_withdraws_one(sqlite_store: Store) -> None:
    made = cards.make_cards("b1", "latur", 2, datetime.now(UTC) + timedelta(days=9))
    whole = cards.as_json(cards.Batch(batch="b1", claims=[cards.claim_of(card) for card in made]))
    technician = centre.client_of(centre.build(sqlite_store), sqlite_store, "technician")

    def enter(data: bytes) -> None:
        file = (io.BytesIO(data), "batch.json")
        centre.send(technician, "/devices/batch", batch=file)

    enter(b"not a batch")
    assert "not a batch file" in centre.said(technician)
    enter(b"x" * 200_000)
    enter(whole)
    assert {row["device_id"] for row in enrolment.pending(sqlite_store, datetime.now(UTC))} == {
        card.device for card in made
    }
    centre.send(technician, "/devices", do="revoke", device=made[0].device)
    assert len(enrolment.pending(sqlite_store, datetime.now(UTC))) == 2, "an act needs a reason"
    centre.send(technician, "/devices", do="revoke", device=made[0].device, why="lost")
    assert [row["device_id"] for row in enrolment.pending(sqlite_store, datetime.now(UTC))] == [made[1].device]
    assert made[1].device in technician.get("/devices").text


@given(st.text(max_size=20))
def test_given_any_text_then_no_cell_begins_like_a_formula(text: str) -> None:
    cell = plain(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@")) and "\x00" not in cell
    assert not cell.startswith(("\t", "\r", "\n"))


@example([1e-323], 0.0)
@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=20), st.floats(0, 1e9))
def test_given_any_numbers_then_charts_stay_inside_their_frame(values: list[float], limit: float) -> None:
    names = [str(i) for i in range(len(values))]
    series = [charts.Series("a", values, "c1"), charts.Series("b", values, "c2")]
    for chart in (
        charts.stacked("t", names, series),
        charts.lines("t", names, series, limit=limit),
        charts.pair("t", names, *series),
    ):
        heights = [float(v) for v in re.findall(r' height="([-\d.]+)"', str(chart.drawing))]
        tops = [float(v) for v in re.findall(r' y="([-\d.]+)"', str(chart.drawing))]
        assert all(v >= 0 for v in heights) and all(-1 <= v <= 241 for v in tops)
        assert "nan" not in chart.drawing and "inf" not in chart.drawing


@given(st.integers(1, 200))
def test_given_any_number_of_names_then_each_label_stands_below_its_point(count: int) -> None:
    labels = charts.lines("t", [str(i) for i in range(count)], [charts.Series("a", [1.0] * count, "c1")]).labels
    assert labels[0] == "0" and labels[-1] == str(count - 1) and len(labels) <= 6
    for place, name in enumerate(labels):
        assert abs(int(name) - (count - 1) * place / max(1, len(labels) - 1)) <= (count - 1) / 25


def test_drift_in_any_feature_says_what_to_do_first() -> None:
    features = [*FEATURES, "classes", "crops", "decisions", "accuracy"]
    assert all(words.first_step(name).endswith(".") for name in features)
    assert words.first_step("brightness") != words.first_step("classes")


def test_the_map_has_every_district_once_and_no_two_on_one_spot() -> None:
    assert len({tile.name for tile in TILES}) == len({(tile.row, tile.column) for tile in TILES}) == 36
    assert all(0 <= tile.row <= 5 and 0 <= tile.column <= 10 for tile in TILES)
    assert [shade(v, 100) for v in (0, 1, 10, 50, 100)] == sorted(shade(v, 100) for v in (0, 1, 10, 50, 100))
    assert shade(100, 100) == 4 and shade(0, 0) == 0


def test_given_a_page_that_brings_itself_up_to_date_after_sign_out_then_it_is_told(sqlite_store: Store) -> None:
    nobody = centre.build(sqlite_store).test_client()
    assert nobody.get("/fleet", headers={"X-Live": "1"}).status_code == 401
    assert nobody.get("/fleet?page=2").headers["Location"] == "/sign-in?next=/fleet%3Fpage%3D2"


def test_given_old_cases_then_the_list_goes_on(client: FlaskClient, sqlite_store: Store) -> None:
    group = [Arrived("village-1", NOW_MS, batch(*[record(n + 1) for n in range(70)]))]
    commit_group(sqlite_store, group, NOW_MS)
    href = re.search(r'rel="next" href="([^"]+)"', client.get("/cases").text)
    assert href and client.get(href[1].replace("&amp;", "&")).status_code == 200


def test_given_a_clock_of_its_own_then_pages_tell_times_by_it(sqlite_store: Store) -> None:
    fill(sqlite_store)
    later = datetime.now(UTC) + timedelta(hours=3)
    app = centre.build(sqlite_store, clock=lambda: later)
    assert "3 hours ago" in centre.client_of(app, sqlite_store, "viewer").get("/fleet").text
