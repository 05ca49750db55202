"""Runs the traffic keeper beside the agent's loop: ticks it, judges what it finds, and resets what switches strand.

The keeper waits for the kernel, so it works in a thread, one call at a time; nothing else of the agent waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from lifeline.model.records import EventKind
from lifeline.runtime.capacity import Capacities
from lifeline.runtime.logging import EdgeLog

from ..core.traffic_report import judge
from ..io.conntrack import Reset
from ..traffic_plan import TrafficPlan
from .intake import Intake
from .traffic import TrafficKeeper

TICK_S = 1.0
FLOWS_TOLD = 100
"""Of the flows that were reset at once, so many are on record by name; the others are counted."""

Show = Callable[[str, Mapping[str, Any]], None]

log = structlog.get_logger(__name__)


class Travel:
    """What travels over the links of one site.

    Args:
        plan: what is divided, and what pins flows.
        run: the run directory, where it is told what links carry at present.
        intake: takes conditions and events.
        show: shows a live state.
    """

    def __init__(self, plan: TrafficPlan, run: Path, intake: Intake, show: Show) -> None:
        self._plan = plan
        self._capacities = Capacities(run)
        self._intake = intake
        self._show = show
        self._keeper: TrafficKeeper | None = None
        self._carrying: dict[str, str] = {}
        self._moved: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._edges = EdgeLog(log)

    def selected(self, group: str, link: str) -> None:
        """Take note of the link that a group's traffic goes by now; a group below may choose it.

        What is heard first in a life counts as a change: the switch may have come while nobody was here to reset.
        """
        if self._carrying.get(group) != link:
            self._carrying[group] = link
            self._moved.put_nowait((group, link))

    async def run(self) -> None:
        """Work until cancelled."""
        due_s = asyncio.get_running_loop().time()
        try:
            while True:
                await self._tick()
                due_s += TICK_S
                await self._reset_until(due_s)
        finally:
            if self._keeper is not None:
                self._keeper.close()

    async def _tick(self) -> None:
        try:
            if self._keeper is None:
                self._keeper = await asyncio.to_thread(TrafficKeeper, self._plan, self._capacities)
            await asyncio.to_thread(self._keeper.tick)
        except OSError as error:
            self._edges.failed("keeper", "what travels cannot be looked after", error)
            for interface in self._plan.interfaces:
                self._intake.judge(judge(self._plan.site, interface.links, error.strerror or str(error)))
            return
        self._edges.succeeded("keeper", "what travels is looked after again")
        self._intake.judge(self._keeper.judgement)
        for subject, state in self._keeper.states.items():
            self._show(subject, state)

    async def _reset_until(self, due_s: float) -> None:
        """Reset what switches strand as soon as they are heard of, until the next tick is due."""
        while (left_s := due_s - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    group, link = await self._moved.get()
            except TimeoutError:
                return
            if self._keeper is None:
                self._carrying.pop(group)  # told again by the next snapshot
                continue
            try:
                self._record(group, link, await asyncio.to_thread(self._keeper.left, group, link))
            except Exception as error:  # noqa: BLE001 - pyroute2 lets through whatever the kernel's answers make it raise
                log.warning("stranded flows cannot be looked for", group=group, error=str(error))

    def _record(self, group: str, link: str, reset: Reset) -> None:
        if not reset.flows and not reset.refused:
            return
        body = {
            "site": self._plan.site,
            "group": group,
            "link": link,
            "count": len(reset.flows),
            "flows": list(reset.flows[:FLOWS_TOLD]),
            "refused": reset.refused,
        }
        self._intake.put(EventKind.TRAFFIC, f"group:{group}", body)
