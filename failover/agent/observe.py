"""The agent's figures and health: what Prometheus and `/health` show of agent and fast path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lifeline.runtime.metrics import Health, HealthState, UplinkCollector, serve_metrics
from lifeline.runtime.outbox import Outbox
from lifeline.runtime.uplink import Uplink

from .agent import Agent

OUTBOX, UPLINK, FAST_PATH = "outbox", "uplink", "fast path"

_COUNTERS = {
    "sent": ("packets_sent", "BFD packets sent"),
    "received": ("packets_received", "BFD packets received and taken"),
    "unsent": ("packets_unsent", "BFD packets that the kernel did not take"),
    "late_wakeups": ("late_wakeups", "Wake-ups more than 2 ms late"),
    "graces": ("graces", "Times the other end was given an interval because we woke up late"),
    "reports_dropped": ("reports_dropped", "Reports that no agent took in time"),
    "cpu_s": ("cpu_seconds", "Processor time used"),
}

log = structlog.get_logger(__name__)


class AgentCollector(Collector):
    """Figures of the agent and of the fast path's last snapshot, read when Prometheus asks."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def collect(self) -> Iterable[Metric]:
        """Yield the figures; those of a silent fast path are missing, not old."""
        intake = self._agent.intake
        yield GaugeMetricFamily("lifeline_agent_conditions", "Conditions that this agent raised", len(intake.standing))
        yield GaugeMetricFamily("lifeline_agent_unstored", "Events that wait for room on the disk", intake.unstored)
        yield CounterMetricFamily("lifeline_agent_events_lost", "Events that a full disk made us drop", intake.lost)
        silent = self._agent.fast_path_silent
        yield GaugeMetricFamily("lifeline_fastpath_silent", "Whether the fast path expected here is silent", silent)
        if self._agent.snapshot is not None and not silent:
            yield from _fast_path(self._agent.snapshot)


def _fast_path(snapshot: Any) -> Iterator[Metric]:
    up = GaugeMetricFamily("lifeline_bfd_up", "Whether the path's BFD session is Up", labels=["link"])
    for path in snapshot["paths"]:
        up.add_metric([path["link"]], path["bfd"] == "Up")
    on_protection = GaugeMetricFamily("lifeline_group_on_protection", "Whether protection carries", labels=["group"])
    switches = CounterMetricFamily("lifeline_group_switches", "Switches since the fast path began", labels=["group"])
    for group in snapshot["groups"]:
        on_protection.add_metric([group["group"]], group["selector"] == "protection")
        switches.add_metric([group["group"]], group["switch_count"])
    yield from (up, on_protection, switches)
    stats = snapshot["stats"]
    for key, (name, text) in _COUNTERS.items():
        yield CounterMetricFamily(f"lifeline_fastpath_{name}", text, stats[key])
    lateness_s = stats["lateness_max_ms"] / 1000
    yield GaugeMetricFamily("lifeline_fastpath_lateness_seconds", "Worst lateness of the last second", lateness_s)


class Observer:
    """Serves the figures and keeps the health up to date."""

    def __init__(self, agent: Agent, outbox: Outbox, uplink: Uplink) -> None:
        self._agent = agent
        self._uplink = uplink
        self._collectors = (AgentCollector(agent), UplinkCollector(outbox, uplink))
        self.health = Health(agent.plan.node, [OUTBOX, UPLINK, FAST_PATH])

    async def serve(self, address: str) -> None:
        """Serve on `host:port`; where that cannot be, say so and do without: the agent matters more."""
        for collector in self._collectors:
            REGISTRY.register(collector)
        host, _, port = address.rpartition(":")
        try:
            server = await serve_metrics(self.health, host=host, port=int(port))
        except (OSError, ValueError) as error:
            log.warning("metrics are not served", address=address, error=str(error))
            return
        async with server:
            with contextlib.suppress(OSError):
                await server.serve_forever()

    def look(self) -> None:
        """Bring the health up to date."""
        agent, status = self._agent, self._uplink.status
        if agent.intake.unstored:
            self.health.set(OUTBOX, HealthState.FAILED, f"disk full, {agent.intake.unstored} events wait in memory")
        else:
            self.health.set(OUTBOX, HealthState.OK)
        if status.connected:
            self.health.set(UPLINK, HealthState.OK, status.hub or "")
        else:
            self.health.set(UPLINK, HealthState.DEGRADED, status.last_error or "no hub reached yet")
        if not agent.plan.expects_fast_path:
            self.health.set(FAST_PATH, HealthState.OK, "none is expected here")
        elif agent.fast_path_silent:
            self.health.set(FAST_PATH, HealthState.FAILED, "silent")
        elif agent.snapshot is not None:
            self.health.set(FAST_PATH, HealthState.OK)
