"""What a netwatch daemon tells Prometheus: how much it asks and hears, and what it drops, by reason."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from .io.poll import Poller
from .io.receive import Receiver
from .io.secure import Secure
from .watch import Watch


class NetwatchCollector(Collector):
    """The daemon's figures, read when Prometheus asks; what does not run tells nothing.

    Attributes:
        poller: asks the devices.
        watch: judges.
        receivers: by what they receive, `traps` or `syslog`.
        secure: reads what takes keys.
    """

    def __init__(self) -> None:
        self.poller: Poller | None = None
        self.watch: Watch | None = None
        self.receivers: dict[str, Receiver] = {}
        self.secure: Secure | None = None

    def collect(self) -> Iterable[Metric]:
        """Yield the figures."""
        if self.poller is not None:
            yield _one("lifeline_netwatch_asked", "Rounds of questions begun", self.poller.asked)
            yield _one("lifeline_netwatch_answered", "Rounds of questions answered", self.poller.answered)
            failed = CounterMetricFamily(
                "lifeline_netwatch_failed", "Rounds of questions not answered well, by reason", labels=["reason"]
            )
            for reason, count in self.poller.failed.items():
                failed.add_metric([reason], count)
            yield failed
        received = CounterMetricFamily("lifeline_netwatch_received", "Datagrams received", labels=["what"])
        handled = CounterMetricFamily("lifeline_netwatch_handled", "Datagrams read and judged", labels=["what"])
        dropped = CounterMetricFamily("lifeline_netwatch_dropped", "Messages not judged", labels=["what", "reason"])
        for what, receiver in self.receivers.items():
            received.add_metric([what], receiver.received)
            handled.add_metric([what], receiver.handled)
            dropped.add_metric([what, "kernel's buffer full"], receiver.lost_by_kernel)
            for reason, count in receiver.dropped.items():
                dropped.add_metric([what, reason], count)
        for counted in (self.watch.counted if self.watch else {}, self.secure.counted if self.secure else {}):
            for reason, count in counted.items():
                dropped.add_metric(["messages", reason], count)
        yield from (received, handled, dropped)


def _one(name: str, text: str, value: int) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value)
