"""Keeps a site's links divided among the traffic classes, tells what goes through, and resets what a switch strands.

Nothing here waits for the network, but all of it waits for the kernel: call it in a thread (`asyncio.to_thread`). The
queues stand whether this process lives or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from lifeline import clock

from ..core.conditions import Judgement
from ..core.shaping import ShapingError, Tree
from ..core.traffic_report import Sample, class_bodies, judge
from ..io.conntrack import Reset, reset_stranded
from ..io.tc import Applied, TrafficControl, TrafficControlError
from ..traffic_plan import InterfaceTraffic, TrafficPlan

AUDIT_TICKS = 10
"""How often what stands is compared with what should: others may have changed it, or the interface is a new one."""

log = structlog.get_logger(__name__)


class TrafficKeeper:
    """One site's part in what travels.

    Attributes:
        states: what is told of each divided link, by subject `traffic:<link>`.
        judgement: the conditions that follow.
    """

    def __init__(self, plan: TrafficPlan) -> None:
        """Open traffic control and take trees of ours off interfaces that are no longer in the plan.

        Raises:
            OSError: no netlink.
        """
        self.states: dict[str, Mapping[str, Any]] = {}
        self.judgement: Judgement = {}
        self._plan = plan
        self._control = TrafficControl()
        self._ticks = 0
        self._trees: dict[str, Tree] = {}
        self._applied: dict[str, Applied] = {}
        self._trouble: dict[str, str] = {}
        self._samples: dict[str, Sample] = {}
        self._sweep()

    def tick(self) -> None:
        """Do what is due: once a second."""
        audit = self._ticks % AUDIT_TICKS == 0
        self._ticks += 1
        for interface in self._plan.interfaces:
            name = interface.interface
            if audit or self._trouble.get(name):
                self._apply(interface)
            self._read(interface)
            self.judgement |= judge(self._plan.site, interface.links, self._trouble.get(name, ""))

    def left(self, group: str, selector: str) -> Reset:
        """Reset the flows that stay behind when a group's traffic is sent by another path.

        Args:
            group: the group.
            selector: where the traffic goes now, `working` or `protection`; the other path was left.
        """
        pins = [pin for pin in self._plan.pins if pin.group == group]
        if len(pins) != 2:
            return Reset(())
        done = reset_stranded(pins[1] if selector == "working" else pins[0])
        if done.flows or done.refused:
            log.info("stranded flows reset", group=group, flows=done.flows, refused=done.refused)
        return done

    def close(self) -> None:
        """Let go of traffic control; what stands stays."""
        self._control.close()

    def _sweep(self) -> None:
        planned = {interface.interface for interface in self._plan.interfaces}
        for name in self._control.ours():
            if name not in planned:
                self._control.remove(name)
                log.info("no longer divided", interface=name)

    def _apply(self, interface: InterfaceTraffic) -> None:
        name = interface.interface
        try:
            tree = self._trees.setdefault(name, interface.tree())
            applied = self._control.apply(name, tree)
        except (TrafficControlError, ShapingError) as error:
            trouble = getattr(error, "strerror", None) or str(error)
            if trouble != self._trouble.get(name):
                log.warning("not divided", interface=name, error=trouble)
            self._trouble[name] = trouble
            self._samples.pop(name, None)
            return
        if applied.changed:
            log.info("divided", interface=name, queues=applied.queues, lacking=applied.lacking)
            self._samples.pop(name, None)
        self._applied[name] = applied
        self._trouble[name] = ""

    def _read(self, interface: InterfaceTraffic) -> None:
        name = interface.interface
        now = Sample(clock.monotonic_s(), {})
        if not self._trouble.get(name):
            try:
                now = Sample(clock.monotonic_s(), self._control.counters(name, self._trees[name]))
            except TrafficControlError as error:
                self._trouble[name] = error.strerror or str(error)
        trouble, applied = self._trouble.get(name, ""), self._applied.get(name)
        for link in interface.links:
            self.states[f"traffic:{link.link}"] = {
                "link": link.link,
                "site": self._plan.site,
                "divided": not trouble,
                "trouble": trouble,
                "rate_kbps": link.rate_bps // 1000,
                "lacking": list(applied.lacking) if applied else [],
                "classes": [] if trouble else class_bodies(self._trees[name], link.link, self._samples.get(name), now),
            }
        self._samples[name] = now
