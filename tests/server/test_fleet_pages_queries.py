"""What pages ask about fleet and cases: counts that hold against counting by hand, on both databases."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from pikvani_contract.clock import ClockTrust
from pikvani_server.fleet import case_queries, counts, queries
from pikvani_server.fleet.case_queries import CaseFilter
from pikvani_server.fleet.collector import FleetCollector
from pikvani_server.fleet.queries import DeviceFilter
from pikvani_server.store import Store
from pikvani_server.store.rows import CASE_COLUMNS, DeviceStatus
from pikvani_server.store.schema import cases
from pikvani_server.store.schema_counts import case_days

NOW = datetime(2026, 9, 21, 12, 0, tzinfo=UTC)
DISTRICTS = ("Latur", "Sangli", "")


def case(seq: int, received: datetime, happened: datetime, device: str, crop: str, decision: str) -> dict:
    values = (received, happened, "synced", device, b"12345678", seq, 0, 0, 2, decision, "", crop, f"{crop}/rust")
    rest = (8_000, "[]", "leaf@1.0.0", "fake", 1, 40, "[]", "kiosk", "mr-IN", 0)
    return dict(zip(CASE_COLUMNS, values + rest, strict=True))


def add(store: Store, rows: list[dict]) -> None:
    with store.writing("adding cases") as connection:
        connection.execute(sa.insert(cases), rows)


def place(store: Store, devices: int) -> None:
    with store.writing("placing") as connection:
        for number in range(devices):
            where = {"district": DISTRICTS[number % 3], "taluka": "", "kind": "pi5"}
            queries.set_place(connection, store.insert, f"v-{number}", where, NOW)


def told(store: Store, rows: list[dict], district: dict[str, str]) -> None:
    """The counts hold against counting by hand."""
    by_hand: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        day = row["happened_at"].astimezone(counts.INDIA).date().isoformat()
        by_hand[day, district.get(row["device_id"]) or "unknown", row["decision"]] += 1
    found: Counter[tuple[str, str, str]] = Counter()
    for row in store.read("counts", sa.select(case_days)):
        found[row["day"], row["district"], row["decision"]] += row["cases"]
    assert found == by_hand


def test_given_cases_that_come_late_and_passes_that_repeat_then_the_counts_are_those_by_hand(store: Store) -> None:
    place(store, 6)
    district = {f"v-{n}": DISTRICTS[n % 3] for n in range(6)}
    rng, rows = random.Random(3), []
    for day in range(6):
        received = NOW - timedelta(days=5 - day)
        new = [
            case(
                len(rows) + n + 1,
                received + timedelta(minutes=rng.randrange(-600, 600)),
                received - timedelta(minutes=rng.randrange(0, 9_000)),
                f"v-{rng.randrange(7)}",
                rng.choice(["cotton", "rice"]),
                rng.choice(["answer", "refuse"]),
            )
            for n in range(40)
        ]
        new = [row for row in new if row["received_at"] <= NOW]
        rows += new
        add(store, new)
        for _ in range(day % 2 + 1):
            counts.run_pass(store, received + timedelta(hours=10))
    counts.run_pass(store, NOW)
    told(store, rows, district)
    by_day = case_queries.by_day(store, "2026-01-01")
    assert sum(row["cases"] for row in by_day) == len(rows)
    latur = case_queries.by_name(store, "crop", "2026-01-01", CaseFilter(district="Latur", decision="answer"))
    assert sum(row["cases"] for row in latur) == sum(
        district.get(row["device_id"]) == "Latur" and row["decision"] == "answer" for row in rows
    )
    assert counts.counted_at(store) == NOW
    assert case_queries.names(store, "2026-01-01")["district"] == ["Latur", "Sangli", "unknown"]


def test_given_a_clock_that_lies_then_its_case_is_counted_on_the_day_it_came(store: Store) -> None:
    add(
        store,
        [
            case(1, NOW, datetime(1970, 1, 1, tzinfo=UTC), "v-1", "rice", "answer"),
            case(2, NOW, NOW + timedelta(days=900), "v-1", "rice", "answer"),
            case(3, NOW, datetime(2026, 9, 20, 18, 29, tzinfo=UTC), "v-1", "rice", "answer"),
            case(4, NOW, datetime(2026, 9, 20, 18, 30, tzinfo=UTC), "v-1", "rice", "answer"),
        ],
    )
    counts.run_pass(store, NOW)
    found = {row["day"]: row["cases"] for row in case_queries.by_day(store, "1900-01-01")}
    assert found == {"2026-09-20": 1, "2026-09-21": 3}


def test_given_a_fleet_then_each_count_is_the_length_of_its_list(store: Store) -> None:
    place(store, 30)
    rng = random.Random(5)
    for number in range(32):
        details = {
            "queue_records": rng.choice([0, 600]),
            "shed_records": rng.choice([0, 1]),
            "shed_bytes": rng.choice([0, 8_250]),
            "budget_used_bytes": rng.choice([10, 95]),
            "budget_bytes": rng.choice([0, 100]),
            "clock_trust": rng.choice([0, 1, 2]),
            "app": rng.choice(["0.1.0", "0.2.0"]),
            "model": "leaf@1.0.0",
        }
        seen = NOW - timedelta(hours=rng.choice([1, 70]))
        store.record_status([DeviceStatus(f"v-{number}", seen, True, details)])
        if rng.random() < 0.3:
            store.record_status([DeviceStatus(f"v-{number}", None, False, {})])
    summary = queries.summary(store, NOW)
    assert summary["devices"] == 32
    for name in queries.TROUBLES:
        rows, total = queries.page(store, DeviceFilter(trouble=name), NOW, limit=100)
        assert len(rows) == total == summary[name] > 0, name
    for state in ("online", "offline"):
        assert queries.page(store, DeviceFilter(state=state), NOW)[1] == summary[state]
    by_district = queries.by_district(store, NOW)
    assert [row["district"] for row in by_district] == ["Latur", "Sangli", "unknown"]
    for name in ("devices", "silent", "waiting_records", "shed_records", "shed_bytes"):
        assert sum(row[name] for row in by_district) == summary[name]
    assert queries.added_up(by_district) == summary
    for rows in queries.versions(store).values():
        assert sum(row["devices"] for row in rows) == 32
    assert queries.page(store, DeviceFilter(text="v-3"), NOW)[1] == 3
    assert queries.page(store, DeviceFilter(text="%"), NOW)[1] == 0
    seen_twice = [
        row["id"]
        for offset in range(0, 32, 7)
        for row in queries.page(store, DeviceFilter(), NOW, "budget", 7, offset)[0]
    ]
    assert len(seen_twice) == len(set(seen_twice)) == 32
    found = queries.device(store, "v-3", NOW)
    assert found and found["district"] == "Latur" and found["clock"] in {trust.name.lower() for trust in ClockTrust}
    assert queries.device(store, "nobody", NOW) is None


def test_given_devices_that_lie_without_measure_then_the_fleet_is_added_up_all_the_same(store: Store) -> None:
    most = 2**63 - 1
    lie = {"queue_records": most, "queue_bytes": most, "shed_records": most, "shed_bytes": most}
    for number in range(3):
        store.record_status([DeviceStatus(f"v-{number}", NOW, True, lie)])
    summary = queries.summary(store, NOW)
    assert summary["shed_bytes"] == summary["waiting_records"] >= most
    assert queries.added_up(queries.by_district(store, NOW)) == summary
    registry = CollectorRegistry()
    FleetCollector(store, registry, lambda: NOW)
    assert registry.get_sample_value("pikvani_devices_shed_bytes") == pytest.approx(3 * most)
