"""What ingest counts, as Prometheus metrics in a registry of their own. No label names a device: that would grow."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class IngestMetrics:
    """Counters of one process.

    Args:
        registry: where they are registered; a fresh one for each process or test.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.committed = Counter("pikvani_committed", "Records made durable", registry=registry)
        self.duplicates = Counter("pikvani_duplicates", "Records that came again", registry=registry)
        self.dead_letters = Counter("pikvani_dead_letters", "Dead letters written", registry=registry)
        self.shed = Counter("pikvani_shed", "Records devices gave up for want of space", registry=registry)
        self.batches = Counter("pikvani_batches", "Batches settled", registry=registry)
        self.receipts = Counter("pikvani_receipts", "Receipts handed to the broker", registry=registry)
        self.throttled = Counter("pikvani_throttled", "Messages over a device's rate limit", registry=registry)
        self.store_errors = Counter("pikvani_store_errors", "Times the database was away", registry=registry)
        self.waiting = Gauge("pikvani_ingest_waiting_messages", "Messages taken, not yet settled", registry=registry)
        self.connected = Gauge("pikvani_broker_connected", "1 while the broker answers", registry=registry)
        self.group_records = Histogram(
            "pikvani_group_records",
            "Records settled in one transaction",
            buckets=(1, 10, 50, 100, 500, 1_000, 2_500, 5_000, 10_000),
            registry=registry,
        )
        self.lag_s = Histogram(
            "pikvani_ingest_lag_seconds",
            "From a message's arrival to its commit",
            buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300),
            registry=registry,
        )
