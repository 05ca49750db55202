"""Keeps a site's links divided among the traffic classes, tells what goes through, and resets what a switch strands.

Nothing here waits for the network, but all of it waits for the kernel: call it in a thread (`asyncio.to_thread`). The
queues stand whether this process lives or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from lifeline import clock
from lifeline.model.judgement import Judgement
from lifeline.runtime.capacity import Capacities, Capacity

from ..core.shaping import LinkTraffic, ShapingError, Tree
from ..core.traffic_report import Sample, class_bodies, judge, judge_capacity, link_body
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

    def __init__(self, plan: TrafficPlan, capacities: Capacities) -> None:
        """Open traffic control and take trees of ours off interfaces that are no longer in the plan.

        Args:
            plan: what is divided, and what pins flows.
            capacities: tells what links carry at present.

        Raises:
            OSError: no netlink.
        """
        self.states: dict[str, Mapping[str, Any]] = {}
        self.judgement: Judgement = {}
        self._plan = plan
        self._capacities = capacities
        self._told: Mapping[str, Capacity] = {}
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
        told = self._capacities.now()
        for interface in self._plan.interfaces:
            name = interface.interface
            weather = any(_kbps(told, link) != _kbps(self._told, link) for link in interface.links)
            if audit or weather or self._trouble.get(name):
                self._apply(interface, told)
            self._read(interface, told)
            self.judgement |= judge(self._plan.site, interface.links, self._trouble.get(name, ""))
        self._told = told

    def left(self, group: str, link: str) -> Reset:
        """Reset the flows that stay behind when a group's traffic is sent by another link.

        Args:
            group: the group.
            link: by which the traffic goes now; it has left every other link of the group.
        """
        each = [reset_stranded(pin) for pin in self._plan.pins if pin.group == group and pin.link != link]
        done = Reset(
            tuple(flow for one in each for flow in one.flows), next((one.refused for one in each if one.refused), "")
        )
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

    def _apply(self, interface: InterfaceTraffic, told: Mapping[str, Capacity]) -> None:
        name = interface.interface
        try:
            tree = interface.tree({link: word.kbps * 1000 for link, word in told.items()})
            applied = self._control.apply(name, tree)
        except (TrafficControlError, ShapingError) as error:
            trouble = getattr(error, "strerror", None) or str(error)
            if trouble != self._trouble.get(name):
                log.warning("not divided", interface=name, error=trouble)
            self._trouble[name] = trouble
            self._samples.pop(name, None)
            return
        if applied.changed:
            log.info("divided", interface=name, queues=applied.queues, lacking=applied.lacking, kept=applied.kept)
            if not applied.kept:
                self._samples.pop(name, None)
        self._trees[name] = tree
        self._applied[name] = applied
        self._trouble[name] = ""

    def _read(self, interface: InterfaceTraffic, told: Mapping[str, Capacity]) -> None:
        name = interface.interface
        now = Sample(clock.monotonic_s(), {})
        if not self._trouble.get(name):
            try:
                now = Sample(clock.monotonic_s(), self._control.counters(name, self._trees[name]))
            except TrafficControlError as error:
                self._trouble[name] = error.strerror or str(error)
        trouble, applied = self._trouble.get(name, ""), self._applied.get(name)
        for link in interface.links:
            word = told.get(link.link)
            present = link.at_capacity(word.kbps * 1000) if word else link
            by = word.by if word and present is not link else ""
            self.judgement |= judge_capacity(self._plan.site, link, present, by)
            self.states[f"traffic:{link.link}"] = link_body(
                self._plan.site, link, present, by, trouble, applied.lacking if applied else (),
                [] if trouble else class_bodies(self._trees[name], link.link, self._samples.get(name), now),
            )  # fmt: skip
        self._samples[name] = now


def _kbps(told: Mapping[str, Capacity], link: LinkTraffic) -> int:
    word = told.get(link.link)
    return word.kbps if word else 0
