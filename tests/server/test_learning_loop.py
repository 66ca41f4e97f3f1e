"""The standing work: scheduled by one, done once, seen from outside; and proposals that a person decides."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from tests.server.drift.made_days import settle
from tests.server.drift.test_passes import said
from tests.server.review.test_review import NOW as LABELLED_AT
from tests.server.review.test_review import name_by_two, send

from pikvani_server import propose
from pikvani_server.background import Background, WorkSettings
from pikvani_server.cli import cli
from pikvani_server.drift import queries
from pikvani_server.errors import ServerError
from pikvani_server.fleet.collector import FleetCollector
from pikvani_server.jobs import Jobs
from pikvani_server.logs import JsonFormatter
from pikvani_server.propose import Evidence, worth
from pikvani_server.store import Store
from pikvani_server.store.schema_learning import proposals

MODEL = "leaf@1.0.0"
NOW = datetime(2026, 8, 11, 6, tzinfo=UTC)
PIPELINE = (
    "import pathlib, sys; labels, out = map(pathlib.Path, sys.argv[1:]); "
    "lines = (labels / 'labels.jsonl').read_text().splitlines(); out.mkdir(); "
    "print(len(lines), 'labels'); (out / 'manifest.json').write_text(str(len(lines)))"
)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def work_settings(folder: Path, pipeline: tuple[str, ...] = (), **intervals: int) -> WorkSettings:
    return WorkSettings(intervals, pipeline, folder / "candidates", 90, folder / "erasures.jsonl")


def many_wrong_labels(store: Store, right: int = 90, wrong: int = 60) -> None:
    name_by_two(store, send(store, right, condition="maize/rust"), "maize/rust")
    name_by_two(store, send(store, wrong, device="village-2", condition="maize/rust"), "maize/blight")


# --- whether it pays ----------------------------------------------------------------------------------------


def test_training_pays_where_errors_are_many_and_well_labelled() -> None:
    many = worth(Evidence({"maize/rust": 90, "maize/blight": 60}, {"maize/blight": 60}, {}))
    few = worth(Evidence({"maize/rust": 40}, {"maize/rust": 30}, {"concept": 2}))
    right = worth(Evidence({"maize/rust": 200}, {"maize/rust": 1}, {}))
    # thirty errors spread so thin that no class has enough labels to learn from
    thin = {f"maize/c{n}": 10 for n in range(15)}
    spread = worth(Evidence(thin, dict.fromkeys(thin, 2), {}))
    meaning = worth(Evidence({"maize/rust": 200}, {"maize/rust": 1}, {"concept": 1}))
    assert [w.pays for w in (many, few, right, spread, meaning)] == [True, False, False, False, True]
    assert "100 are needed" in few.reasons[0]


@given(st.dictionaries(st.sampled_from(["a/b", "a/c"]), st.integers(1, 300), max_size=2), st.data())
def test_more_errors_never_make_training_pay_less(labels: dict[str, int], data: st.DataObject) -> None:
    errors = {name: data.draw(st.integers(0, count)) for name, count in labels.items()}
    more = {name: data.draw(st.integers(errors[name], count)) for name, count in labels.items()}
    large = {name: count for name, count in labels.items() if count >= propose.LEAST_OF_A_CLASS}
    if len(large) == len(labels):
        assert worth(Evidence(labels, errors, {})).gain <= worth(Evidence(labels, more, {})).gain + 1e-12


# --- from proposal to decision ------------------------------------------------------------------------------


def test_a_proposal_is_made_once_built_by_the_pipeline_and_decided_by_a_person(
    sqlite_store: Store, tmp_path: Path
) -> None:
    many_wrong_labels(sqlite_store)
    judged, number = propose.propose(sqlite_store, MODEL, LABELLED_AT + timedelta(hours=1))
    assert judged.pays and number
    assert propose.propose(sqlite_store, MODEL, NOW)[1] is None
    with pytest.raises(ServerError, match="only while it is built"):
        propose.decide(sqlite_store, number, True, "asha", "", NOW)
    command = (sys.executable, "-c", PIPELINE, "{labels}", "{out}")
    assert propose.build(sqlite_store, number, command, tmp_path / "candidates", NOW)
    (row,) = propose.listed(sqlite_store)
    assert (row["state"], row["log"].strip()) == ("built", "150 labels")
    assert Path(row["candidate"], "manifest.json").read_text() == "150"
    propose.decide(sqlite_store, number, True, "asha", "gates passed", NOW)
    assert propose.listed(sqlite_store)[0]["state"] == "approved"
    with pytest.raises(ServerError, match="is approved"):
        propose.decide(sqlite_store, number, False, "ravi", "", NOW)
    # and the labels used are not counted again
    again, _ = propose.propose(sqlite_store, MODEL, LABELLED_AT + timedelta(days=9))
    assert not again.pays


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ((sys.executable, "-c", "raise SystemExit('no data')"), "no data"),
        ((sys.executable, "-c", "pass"), "left no manifest.json"),
        (("/nowhere/pipeline",), "No such file"),
    ],
)
def test_a_pipeline_that_fails_says_why_and_may_be_tried_again(
    sqlite_store: Store, tmp_path: Path, command: tuple[str, ...], told: str
) -> None:
    many_wrong_labels(sqlite_store)
    _, number = propose.propose(sqlite_store, MODEL, NOW)
    assert number and not propose.build(sqlite_store, number, command, tmp_path, NOW)
    (row,) = propose.listed(sqlite_store)
    assert row["state"] == "failed" and told in row["log"]
    good = (sys.executable, "-c", PIPELINE, "{labels}", "{out}")
    assert propose.build(sqlite_store, number, good, tmp_path, NOW + timedelta(hours=1))


def test_a_pipeline_whose_job_was_given_away_is_stopped(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propose, "_RENEW_S", 0.2)
    many_wrong_labels(sqlite_store)
    _, number = propose.propose(sqlite_store, MODEL, NOW)
    sleeper = (sys.executable, "-c", "import time; time.sleep(600)")
    assert number and not propose.build(sqlite_store, number, sleeper, tmp_path, NOW, lambda: False)
    assert "another worker" in propose.listed(sqlite_store)[0]["log"]


# --- the standing work --------------------------------------------------------------------------------------


def test_what_is_due_is_done_once_by_whoever_leads(sqlite_store: Store, tmp_path: Path) -> None:
    settle(sqlite_store, said(3), NOW)
    send(sqlite_store, 4, device="village-9")
    clock = Clock()
    settings = work_settings(tmp_path, drift=3_600, review=300, propose=86_400, house=3_600)
    one = Background(sqlite_store, settings, clock)
    two = Background(sqlite_store, settings, clock)
    while one.turn():
        pass
    assert not two.turn()
    assert set(one.seconds) == {"drift", "review", "propose", "house"}
    assert queries.series(sqlite_store, "fleet", "", MODEL)
    clock.now += timedelta(minutes=10)
    # the second does not lead, yet takes what the first has put in
    assert one.turn() and not two.turn()
    assert Jobs(sqlite_store).counts() == {(k, "done"): 1 for k in ("drift", "propose", "house")} | {
        ("review", "done"): 2
    }


def test_a_failing_job_stops_nothing_and_is_told(sqlite_store: Store, tmp_path: Path) -> None:
    work = Background(sqlite_store, work_settings(tmp_path), Clock())
    Jobs(sqlite_store).put("build", NOW, "no number")
    assert work.turn()
    (job,) = Jobs(sqlite_store).latest()
    assert (job["state"], "names no proposal" in job["error"]) == ("waiting", True)


def test_a_proposal_is_built_by_the_standing_work(sqlite_store: Store, tmp_path: Path) -> None:
    settle(sqlite_store, said(1), NOW)
    many_wrong_labels(sqlite_store)
    command = (sys.executable, "-c", PIPELINE, "{labels}", "{out}")
    clock = Clock()
    work = Background(sqlite_store, work_settings(tmp_path, command, drift=1, propose=1), clock)
    for _ in range(3):
        while work.turn():
            pass
        clock.now += timedelta(seconds=2)
    assert [row["state"] for row in propose.listed(sqlite_store)] == ["built"]


# --- seen from outside --------------------------------------------------------------------------------------


def test_metrics_tell_the_fleet_and_stay_up_when_the_database_is_away(sqlite_store: Store, tmp_path: Path) -> None:
    send(sqlite_store, 4)
    registry = CollectorRegistry()
    FleetCollector(sqlite_store, registry, lambda: datetime.now(UTC) + timedelta(days=3_000))
    text = generate_latest(registry).decode()
    assert 'pikvani_devices{state="silent"} 1.0' in text
    assert 'pikvani_review_items{state="open"} 4.0' in text
    assert "pikvani_database_up 1.0" in text

    class Away:
        def read(self, *_: object) -> None:
            from pikvani_server.errors import StoreAwayError

            raise StoreAwayError("away")

    away = CollectorRegistry()
    FleetCollector(Away(), away)  # type: ignore[arg-type]
    assert generate_latest(away).decode().splitlines()[-1] == "pikvani_database_up 0.0"


def test_a_json_log_line_holds_what_happened_and_one_line_only() -> None:
    record = logging.LogRecord("pikvani", logging.ERROR, __file__, 1, "two\nlines %s", ("मका",), None)
    record.job = 7
    line = JsonFormatter().format(record)
    told = json.loads(line)
    assert "\n" not in line
    assert (told["level"], told["message"], told["job"]) == ("error", "two\nlines मका", 7)
    assert datetime.fromisoformat(told["time"]).tzinfo


def test_the_commands_say_what_they_did(sqlite_store: Store, tmp_path: Path) -> None:
    settle(sqlite_store, said(2), NOW, 1_000)
    many_wrong_labels(sqlite_store)
    url = f"sqlite:///{tmp_path / 'centre.sqlite3'}"

    def run(*words: str) -> str:
        found = CliRunner().invoke(cli, [*words, "--db", url], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    assert "verdicts" in run("drift", "run", "--today", "2026-08-11")
    assert "training pays" in run("propose")
    number = sqlite_store.read("testing", sa.select(proposals.c.id))[0]["id"]
    assert "proposed" in run("proposals")
    assert "150 cases" in run("export-labels", str(tmp_path / "labels"))
    assert "declined" in run("decide", str(number), "--decline", "--by", "asha")
    told = json.loads(run("propose", "--json"))
    assert told["pays"] is False
