"""The state of the fleet and of the standing work as Prometheus metrics, asked of the database when they are scraped.

No label names a device. Answers are kept for a while, so that many scrapers cost one query.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pikvani_server.errors import StoreAwayError
from pikvani_server.store import Store
from pikvani_server.store.schema import devices, sketches
from pikvani_server.store.schema_learning import drift_alarms, jobs, proposals, review_items
from pikvani_server.store.schema_rollout import rollout_devices, rollouts

SILENT_AFTER = timedelta(days=2)
"""A device not heard of for so long counts as silent; villages lose their link for a day."""
_KEPT_S = 15.0


def added(column: sa.ColumnElement[int]) -> sa.ColumnElement[float]:
    """The sum of what devices say of themselves: a float, since two devices that lie would overflow SQLite's sum."""
    return sa.func.coalesce(sa.func.sum(sa.cast(column, sa.Float)), 0.0)


class FleetCollector(Collector):
    """Metrics of one database.

    Args:
        store: what to ask.
        registry: where to register.
        clock: UTC.
    """

    def __init__(
        self, store: Store, registry: CollectorRegistry, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._kept: list[GaugeMetricFamily] = []
        self._kept_at_s = float("-inf")
        registry.register(self)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is promised beforehand: registering must not need the database."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """All metrics, or none but `pikvani_database_up` while the database is away."""
        with self._lock:
            if time.monotonic() - self._kept_at_s > _KEPT_S:
                self._kept = self._asked()
                self._kept_at_s = time.monotonic()
            return list(self._kept)

    def _asked(self) -> list[GaugeMetricFamily]:
        up = GaugeMetricFamily("pikvani_database_up", "1 while the database answers")
        try:
            found = [self._devices(), *self._sums(), *self._grouped()]
        except StoreAwayError:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *found]

    def _devices(self) -> GaugeMetricFamily:
        silent = devices.c.last_seen_at < self._clock() - SILENT_AFTER
        state = sa.case((silent, "silent"), (devices.c.online, "online"), else_="offline")
        query = sa.select(state.label("state"), sa.func.count().label("count")).group_by(state)
        family = GaugeMetricFamily(
            "pikvani_devices", "Devices by state; silent: not heard of for two days", None, ["state"]
        )
        found = {row["state"]: row["count"] for row in self._store.read("counting devices", query)}
        for name in ("online", "offline", "silent"):
            family.add_metric([name], found.get(name, 0))
        return family

    def _sums(self) -> Iterable[GaugeMetricFamily]:
        asked = {
            "pikvani_devices_waiting_records": ("Records that wait on devices", devices.c.queue_records),
            "pikvani_devices_waiting_bytes": ("Bytes that wait on devices", devices.c.queue_bytes),
            "pikvani_devices_shed_records": ("Records devices gave up for want of space", devices.c.shed_records),
            "pikvani_devices_shed_bytes": ("Bytes devices gave up for want of space", devices.c.shed_bytes),
        }
        query = sa.select(*[added(column).label(name) for name, (_, column) in asked.items()])
        (row,) = self._store.read("adding device queues up", query)
        for name, (told, _) in asked.items():
            family = GaugeMetricFamily(name, told)
            family.add_metric([], float(row[name]))
            yield family
        (newest,) = self._store.read(
            "looking for the last sketch", sa.select(sa.func.max(sketches.c.received_at).label("at"))
        )
        family = GaugeMetricFamily("pikvani_last_sketch_timestamp_seconds", "When the last drift sketch came")
        if newest["at"]:
            family.add_metric([], newest["at"].timestamp())
        yield family

    def _grouped(self) -> Iterable[GaugeMetricFamily]:
        asked = (
            ("pikvani_drift_alarms_open", "Open drift alarms", drift_alarms, ("level", "kind"), drift_alarms.c.open),
            ("pikvani_review_items", "Cases to name, by state", review_items, ("state",), None),
            ("pikvani_jobs", "Jobs by kind and state", jobs, ("kind", "state"), None),
            ("pikvani_proposals", "Proposals to train anew, by state", proposals, ("state",), None),
            ("pikvani_rollouts", "Roll-outs by state", rollouts, ("state",), None),
            ("pikvani_rollout_devices", "Devices roll-outs reached, by state", rollout_devices, ("state",), None),
        )
        for name, told, table, labels, only in asked:
            columns = [table.c[label] for label in labels]
            query = sa.select(*columns, sa.func.count().label("count")).group_by(*columns)
            family = GaugeMetricFamily(name, told, None, list(labels))
            for row in self._store.read("counting for metrics", query.where(only) if only is not None else query):
                family.add_metric([row[label] for label in labels], row["count"])
            yield family
