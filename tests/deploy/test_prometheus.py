"""The rules and the dashboard against a real Prometheus, and against the names this software really exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest, start_http_server
from tests.support.postgres import free_port

from pikvani_server.fleet.collector import FleetCollector
from pikvani_server.ingest.metrics import IngestMetrics
from pikvani_server.jobs import Jobs
from pikvani_server.store import Store, open_store
from pikvani_server.store.schema_learning import drift_alarms, proposals, review_items
from pikvani_server.store.schema_rollout import rollouts

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NOW = datetime(2026, 8, 1, tzinfo=UTC)
_OTHERS = {"up", "process_resident_memory_bytes"}

needs_prometheus = pytest.mark.needs_prometheus


def expressions() -> list[str]:
    alerts = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    rules = [" ".join(found.split()) for found in re.findall(r"expr: (?:>-\n)?(.*?)\n\s+(?:for|labels):", alerts, re.S)]
    panels = json.loads((DEPLOY / "grafana" / "pikvani.json").read_text())["panels"]
    return rules + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[CollectorRegistry]:
    """A centre with one of everything that is counted."""
    store = open_store(f"sqlite:///{tmp_path / 'centre.sqlite3'}")
    store.migrate()
    _one_of_everything(store)
    made = CollectorRegistry()
    IngestMetrics(made).connected.set(1)
    FleetCollector(store, made)
    ProcessCollector(registry=made)
    yield made
    store.close()


def _one_of_everything(store: Store) -> None:
    Jobs(store).put("drift", NOW)
    weeks = {"first_window": "2026-07-05", "last_window": "2026-07-26"}
    alarm = {"scope": "fleet", "name": "", "model": "m", "source": "sketch", "kind": "data", "level": "alarm"}
    item = {"device_id": "d-1", "outbox": b"o", "seq": 1, "why": "unsure", "share": 1.0, "priority": 1.0}
    item |= {"received_at": NOW, "happened_at": NOW, "added_at": NOW, "confidence_e4": 1, "consents": 1}
    with store.writing("testing") as connection:
        connection.execute(sa.insert(drift_alarms).values(**alarm, **weeks, opened_at=NOW))
        connection.execute(sa.insert(review_items).values(item))
        connection.execute(sa.insert(proposals).values(model="m", state="built", proposed_at=NOW))
        rollout = {"package": "m", "version": "1.0.0", "sha256": "00", "plan": "{}", "state": "running"}
        connection.execute(sa.insert(rollouts).values(**rollout, started_by="a", started_at=NOW, step_at=NOW))


def test_every_name_in_rules_and_panels_is_one_we_export(registry: CollectorRegistry) -> None:
    exported = set(re.findall(r"^(\w+)(?:\{| )", generate_latest(registry).decode(), re.M)) | _OTHERS
    exported |= set(re.findall(r"^# TYPE (\w+) gauge", generate_latest(registry).decode(), re.M))
    asked = {name for text in expressions() for name in re.findall(r"\b(?:pikvani_\w+|up|process_\w+)\b", text)}
    assert len(expressions()) > 20
    assert {name for name in asked if name.startswith("pikvani_")} - exported == set()


def test_every_metric_is_named_as_prometheus_wants(registry: CollectorRegistry) -> None:
    text = generate_latest(registry).decode()
    for name, kind in re.findall(r"^# TYPE (pikvani_\w+) (\w+)", text, re.M):
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name)
        assert name.endswith("_total") == (kind == "counter"), name
    # no label names a device: that would grow with the fleet
    labels = set(re.findall(r"[{,](\w+)=", text))
    assert labels <= {
        "state",
        "kind",
        "level",
        "le",
        "generation",
        "implementation",
        "major",
        "minor",
        "patchlevel",
        "version",
    }


@needs_prometheus
def test_promtool_takes_the_rules_and_their_tests() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    for words in (
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts.test.yml"),
    ):
        found = subprocess.run(
            [promtool, *words], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr


@needs_prometheus
def test_a_real_prometheus_scrapes_us_answers_every_panel_and_raises_the_drift_alert(
    registry: CollectorRegistry, tmp_path: Path
) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed: apt-get install prometheus")
    # given a Prometheus that scrapes us every second, with the rules' patience taken out
    ours, port = free_port(), free_port()
    server, thread = start_http_server(ours, "127.0.0.1", registry)
    rules = re.sub(r"for: \w+", "for: 0s", (DEPLOY / "prometheus" / "alerts.yml").read_text())
    (tmp_path / "alerts.yml").write_text(rules)
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text().replace("15s", "1s")
    config = config.replace('"server:8080"', f'"127.0.0.1:{ours}"').replace('"ingest:9100"', f'"127.0.0.1:{ours}"')
    (tmp_path / "prometheus.yml").write_text(config)
    process = subprocess.Popen(
        [
            program,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "log").open("wb"),
    )

    def ask(expression: str) -> list[dict]:
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success", (expression, told)
        return told["data"]["result"]

    try:
        # when it has looked twice
        deadline = time.monotonic() + 90
        raised: set[str] = set()
        while "PikvaniDrift" not in raised and time.monotonic() < deadline:
            time.sleep(0.5)
            try:
                raised = {one["metric"]["alertname"] for one in ask('ALERTS{alertstate="firing"}')}
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
        # then the open alarm is an alert, nothing that is well is one, and every panel can be drawn
        assert "PikvaniDrift" in raised
        assert not raised & {"PikvaniServerDown", "PikvaniDatabaseAway", "PikvaniBrokerAway", "PikvaniDeadLetters"}
        for expression in expressions():
            ask(expression)
        assert ask('pikvani_drift_alarms_open{level="alarm", kind="data"}')[0]["value"][1] == "1"
    finally:
        process.terminate()
        process.wait(20)
        server.shutdown()
        thread.join(5)
