"""What Prometheus may read of this device: counts and states, nothing of any farmer."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pikvani_contract.messages import Lane
from pikvani_device import __version__
from pikvani_device.app import Device
from pikvani_device.errors import DeviceError, StoreError
from pikvani_device.web.visits import Visits


class DeviceCollector(Collector):
    """Reads the device when it is asked.

    Args:
        device: whose metrics.
        visits: who asks just now.
    """

    def __init__(self, device: Device, visits: Visits) -> None:
        self._device = device
        self._visits = visits

    def collect(self) -> Iterator[Metric]:
        """See `Collector.collect`."""
        device = self._device
        model = ""
        try:
            manifest = device.package.manifest
            model = f"{manifest.name}@{manifest.version}"
        except DeviceError:
            pass
        info = GaugeMetricFamily("pikvani_info", "Software and model that run.", labels=["app", "model", "runtime"])
        info.add_metric([__version__, model, device.config.runtime.adapter], 1)
        yield info
        yield GaugeMetricFamily("pikvani_visits", "Browsers on the farmer's road just now.", len(self._visits))
        without = GaugeMetricFamily("pikvani_without", "1 for each part the device does without.", labels=["part"])
        for part in device.health.missing():
            without.add_metric([part], 1)
        yield without
        yield from self._stored()

    def _stored(self) -> Iterator[Metric]:
        store = None
        waiting = GaugeMetricFamily("pikvani_outbox_records", "Records that wait for the centre.", labels=["lane"])
        size = GaugeMetricFamily("pikvani_outbox_bytes", "Bytes that wait for the centre.", labels=["lane"])
        shed = CounterMetricFamily("pikvani_shed_records", "Records given up for want of space.", labels=["lane"])
        shed_bytes = CounterMetricFamily("pikvani_shed_bytes", "Bytes given up for want of space.", labels=["lane"])
        helpful = CounterMetricFamily("pikvani_helpful", "Answers to 'was this helpful'.", labels=["said"])
        try:
            store = self._device.store
            for depth in store.depths():
                lane = Lane(depth.lane).name.lower()
                waiting.add_metric([lane], depth.records)
                size.add_metric([lane], depth.bytes)
                shed.add_metric([lane], depth.shed_records)
                shed_bytes.add_metric([lane], depth.shed_bytes)
            for said in ("yes", "no"):
                helpful.add_metric([said], int(store.fact(f"helpful.{said}") or 0))
        except StoreError:
            yield GaugeMetricFamily("pikvani_store_readable", "Whether the case store can be read.", 0)
            return
        yield GaugeMetricFamily("pikvani_store_readable", "Whether the case store can be read.", 1)
        yield from (waiting, size, shed, shed_bytes, helpful)


def text(device: Device, visits: Visits) -> bytes:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DeviceCollector(device, visits))
    return generate_latest(registry)
