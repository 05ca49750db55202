"""The hub's own figures, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400)

disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody asks for them

Gauge = tuple[str, str, float | dict[str, float]]
"""Name, help, and a value or one per value of its one label."""


class HubMetrics:
    """Counters and histograms that the hub feeds; gauges are read from it when Prometheus asks."""

    def __init__(self, gauges: Callable[[], Iterable[Gauge]]) -> None:
        """Prepare; `gauges` yields the present values, a label's name standing behind a colon in the metric's name."""
        self.registry = CollectorRegistry()
        registry = self.registry
        self.events = Counter("lifeline_hub_events", "Events committed", ["kind"], registry=registry)
        self.known = Counter("lifeline_hub_events_known", "Events received that stood already", registry=registry)
        self.refused = Counter("lifeline_hub_batches_refused", "Batches not kept for want of room", registry=registry)
        self.states = Counter("lifeline_hub_states", "Live states received", registry=registry)
        self.strangers = Counter(
            "lifeline_hub_strangers", "Words on subjects of other sites, not taken", registry=registry
        )
        self.acknowledge = Histogram(
            "lifeline_hub_acknowledge_seconds", "From receiving events to having them committed and folded",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.fold = Histogram(
            "lifeline_hub_fold_seconds", "Folding and publishing one group of events",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.delay = Histogram(
            "lifeline_hub_delay_seconds", "From an event's observation at a daemon to its commit here: outbox lag",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.registry.register(_Gauges(gauges))

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Gauges(Collector):
    def __init__(self, read: Callable[[], Iterable[Gauge]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        for full_name, text, value in self._read():
            name, _, label = full_name.partition(":")
            if isinstance(value, dict):
                family = GaugeMetricFamily(name, text, labels=[label])
                for key, one in value.items():
                    family.add_metric([key], one)
                yield family
            else:
                yield GaugeMetricFamily(name, text, value)
